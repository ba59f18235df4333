# frozen_string_literal: true

module Kobel
  # `require` with RubyGems on demand, and with Lambda's format for what `Logger` writes.
  module Requires
    # Loads RubyGems at once where the package or a layer brings gems, which may replace libraries
    # of the standard library; else when a library is missing without it.
    def self.set_up
      return load_gems if defined?(Gem)

      Object.autoload(:Gem, 'rubygems')
      Object.prepend(self)
      folders = ENV.fetch('GEM_PATH', '').split(':')
      load_gems if folders.any? { |folder| File.directory?(File.join(folder, 'specifications')) }
    end

    def self.load_gems
      return if @gems

      @gems = true
      Kernel.require('rubygems')
    end

    def self.gems?
      @gems
    end

    def self.set_up_logger
      return if @logger

      @logger = true
      require_relative 'kobel_logger'
    end

    private

    def require(name)
      loaded = super
      Requires.set_up_logger if name == 'logger'
      loaded
    rescue LoadError => error
      raise if Requires.gems? || error.path != name

      Requires.load_gems
      super
    end

    def gem(*arguments)
      Requires.load_gems
      super
    end
  end
end
