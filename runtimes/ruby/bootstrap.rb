# frozen_string_literal: true

# Kobel's bootstrap for Ruby functions.
#
# Speaks length-framed messages over the socket whose descriptor `_KOBEL_CHANNEL` names:
# `length: u32`, `kind: u8`, `header length: u32`, a JSON header, a body; numbers are big endian.
# Runs on Ruby 2.7 and later. Ruby is started without RubyGems, which would take most of a cold
# start; `kobel_require.rb` loads it as soon as a function needs it.

require 'json'
require_relative 'kobel_require'

module Kobel
  READY = 'I'
  INIT_ERROR = 'F'
  INVOKE = 'V'
  RESPONSE = 'R'
  ERROR = 'E'
  SPECIALISE = 'P'
  TEMPLATE = 'T'
  RESPONSE_BYTES_MAX = 6_291_556
  STACK_FRAMES_MAX = 100
  OWN_FOLDER = __dir__
  # A line break inside a message that is one log event.
  MESSAGE_BREAK = "\x1e"

  class << self
    # The id of the invocation that runs, nil during init.
    attr_accessor :request_id
  end

  # Writes `text` as one log event, whatever line breaks it holds.
  def self.write_event(text)
    STDOUT.write("#{valid(text).chomp.gsub("\n", MESSAGE_BREAK)}\n")
    STDOUT.flush
  end

  # `text` as UTF-8, whatever it was.
  def self.valid(text)
    text.to_s.encode(Encoding::UTF_8, invalid: :replace, undef: :replace).scrub
  end

  # The socket to the host.
  class Channel
    PREFIX_BYTES = 9
    READ_BYTES = 65_536

    def initialize(descriptor)
      @socket = IO.for_fd(descriptor, 'r+b', autoclose: false)
      @socket.close_on_exec = true
      @buffer = String.new(capacity: READ_BYTES, encoding: Encoding::BINARY)
    end

    def send(kind, header, body = '')
      header = header.to_json.b
      rest = [5 + header.bytesize + body.bytesize, kind, header.bytesize].pack('NaN') << header << body.b
      until rest.empty?
        written = @socket.syswrite(rest)
        rest = rest.byteslice(written, rest.bytesize - written)
      end
    end

    # The next message as kind, header and body; nil when the host is gone.
    def receive
      length, kind, header_length = take(PREFIX_BYTES).unpack('NaN')
      header = JSON.parse(take(header_length).force_encoding(Encoding::UTF_8))
      [kind, header, take(length - 5 - header_length).force_encoding(Encoding::UTF_8)]
    rescue EOFError, SystemCallError
      nil
    end

    private

    def take(count)
      while @buffer.bytesize < count
        @buffer << @socket.sysread([READ_BYTES, count - @buffer.bytesize].max)
      end
      @buffer.slice!(0, count)
    end
  end

  # An exception as the caller and the log see it.
  class Failure
    attr_reader :type

    def initialize(error, phase)
      @error = error
      @type = "#{phase}<#{error.class}>"
    end

    def to_h
      { errorMessage: Kobel.valid(@error.message), errorType: type, stackTrace: stack }
    end

    def log(title)
      Kobel.write_event(title)
      Kobel.write_event(JSON.pretty_generate(to_h))
    end

    private

    # The frames of the function's code: below them are this bootstrap's.
    def stack
      frames = (@error.backtrace_locations || []).map(&:to_s)
      frames = frames.take_while { |frame| !frame.start_with?(__FILE__) }
      frames.reject { |frame| frame.start_with?(OWN_FOLDER) }.first(STACK_FRAMES_MAX)
    end
  end

  # Loads the function and answers events.
  class Runner
    # After these AWS ends the process: the code itself is broken, or asked for the end.
    FATAL = ->(error) { error.is_a?(NameError) || !error.is_a?(StandardError) }

    def initialize(channel)
      @channel = channel
    end

    # The handler, or nil after its failure was reported.
    def load(setting)
      handler = LambdaHandler.new(setting)
      require handler.handler_file_name
      handler
    rescue Exception => error # rubocop:disable Lint/RescueException -- whatever the function's code raises
      failure = Failure.new(error, 'Init')
      failure.log('Init error when loading handler ')
      report(INIT_ERROR, failure)
      nil
    end

    def serve(handler)
      @channel.send(READY, {})
      while (kind, header, body = @channel.receive)
        invoke(handler, header, body) if kind == INVOKE
      end
    end

    private

    def invoke(handler, header, body)
      # Code that formats its own log lines looks for Lambda's global variable.
      Kobel.request_id = $_global_aws_request_id = header['requestId']
      ENV['_X_AMZN_TRACE_ID'] = header['traceId']
      result = handler.call_handler(JSON.parse(body), LambdaContext.new(header))
      answer(to_body(result))
    rescue Exception => error # rubocop:disable Lint/RescueException -- an exit is an answer too
      fatal = FATAL.call(error)
      failure = Failure.new(error, 'Function')
      failure.log(fatal ? 'Critical exception from handler' : 'Error raised from handler method')
      report(ERROR, failure, fatal: fatal)
      exit!(255) if fatal
    end

    def to_body(result)
      stream = result.is_a?(IO) || (defined?(StringIO) && result.is_a?(StringIO))
      stream ? result.read : result.to_json
    end

    def answer(body)
      flush
      if body.bytesize > RESPONSE_BYTES_MAX
        @channel.send(ERROR, { requestId: Kobel.request_id, errorType: 'Function.ResponseSizeTooLarge' })
      else
        @channel.send(RESPONSE, { requestId: Kobel.request_id }, body)
      end
    end

    def report(kind, failure, fatal: false)
      flush
      @channel.send(kind, { requestId: Kobel.request_id, errorType: failure.type, fatal: fatal }, failure.to_h.to_json)
    end

    def flush
      $stdout.flush
      $stderr.flush
    end
  end

  # `puts` gives one log event a call, as in Lambda.
  module Puts
    private

    def puts(*values)
      return $stdout.puts(*values) unless $stdout.equal?(STDOUT)

      Kobel.write_event(values.flatten.join("\n"))
    end
  end

  # The whole life of a runtime that was started for one function.
  def self.main
    run(Channel.new(Integer(ENV.delete('_KOBEL_CHANNEL'))))
  end

  # The life of a runtime that was forked from a stem: first it is told which function it serves.
  def self.specialise(descriptor)
    channel = Channel.new(descriptor)
    kind, header, body = channel.receive
    exit!(1) unless kind == SPECIALISE
    if header['template']
      channel.send(TEMPLATE, { reason: 'Ruby functions are not forked after their init' })
      exit!(1)
    end
    ENV.replace(JSON.parse(body))
    run(channel)
  end

  def self.run(channel)
    $stdout.sync = true
    $stderr.sync = true
    ENV.delete('KOBEL_OPT')
    Object.prepend(Puts)
    $LOAD_PATH.unshift(ENV['LAMBDA_TASK_ROOT'])
    Requires.set_up
    runner = Runner.new(channel)
    handler = runner.load(ENV['_HANDLER'])
    exit!(252) unless handler
    runner.serve(handler)
    exit!(0)
  end
end

# What a handler gets beside its event.
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
              :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms, :tenant_id

  def initialize(header)
    @aws_request_id = header['requestId']
    @invoked_function_arn = header['functionArn']
    @deadline_ms = header['deadlineMs']
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    @identity = JSON.parse(header['cognitoIdentity']) if header['cognitoIdentity']
    @client_context = JSON.parse(header['clientContext']) if header['clientContext']
  end

  def get_remaining_time_in_millis # rubocop:disable Naming/AccessorMethodName -- Lambda's name
    [@deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond), 0].max
  end
end

# What the handler setting names: `FILE.METHOD` or `FILE.CLASS.METHOD`.
class LambdaHandler
  attr_reader :handler_file_name

  def initialize(setting)
    parts = setting.split('.')
    unless [2, 3].include?(parts.size)
      raise ArgumentError, "Invalid handler #{setting}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD " \
                           'where FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an ' \
                           'optional module/class namespace and METHOD is a callable method. If using CLASS, METHOD ' \
                           'must be a class-level method.'
    end
    @handler_file_name = parts.first
    @class = parts[1] if parts.size == 3
    @method = parts.last
  end

  def call_handler(event, context)
    target = @class ? Kernel.const_get(@class) : self
    target.__send__(@method, event: event, context: context)
  end
end

Kobel.main if $PROGRAM_NAME == __FILE__
