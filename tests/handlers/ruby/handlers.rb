# frozen_string_literal: true

def echo(event:, context:)
  event
end

def fail(event:, context:)
  raise ArgumentError, "no #{event['wanted']}"
end

module Squirrels
  # A handler named with its class.
  class Red
    def self.count(event:, context:)
      { 'nuts' => event['nuts'].sum, 'function' => context.function_name, 'memory' => context.memory_limit_in_mb }
    end
  end
end
