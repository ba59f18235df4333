# frozen_string_literal: true

module Kobel
  # Log lines as Lambda's Ruby runtime writes them: with the request id, one event a message.
  module Logs
    LEVELS = { 'TRACE' => 0, 'DEBUG' => 0, 'INFO' => 1, 'WARN' => 2, 'ERROR' => 3, 'FATAL' => 4 }.freeze
    LEVEL = LEVELS.fetch(ENV.fetch('AWS_LAMBDA_LOG_LEVEL', '').upcase, 0)
    JSON_FORMAT = ENV['AWS_LAMBDA_LOG_FORMAT'] == 'JSON'

    # `I, [2026-01-01T00:00:00.000000 #8]  INFO REQUEST-ID -- program: message`
    class TextFormatter < ::Logger::Formatter
      def call(severity, time, program, message)
        head = "#{severity[0]}, [#{format_datetime(time)} ##{Process.pid}] #{severity.rjust(5)}"
        "#{head} #{Kobel.request_id} -- #{program}: #{msg2str(message)}\n"
      end
    end

    # One JSON object an event.
    class JsonFormatter < ::Logger::Formatter
      def call(severity, time, program, message)
        entry = { timestamp: time.utc.strftime('%Y-%m-%dT%H:%M:%S.%6NZ'), level: severity,
                  message: message.is_a?(Exception) ? message.message : msg2str(message),
                  requestId: Kobel.request_id, logger: program, **error_of(message) }
        "#{JSON.generate(entry.compact)}\n"
      end

      private

      def error_of(message)
        return {} unless message.is_a?(Exception)

        stack = message.backtrace || []
        { errorType: message.class.to_s, errorMessage: message.message, stackTrace: stack, location: location(stack.first) }
      end

      # `file:method:line`
      def location(frame)
        parts = /\A(?<file>.+):(?<line>\d+):in [`'](?<method>.+)'\z/.match(frame.to_s)
        parts ? "#{parts[:file]}:#{parts[:method]}:#{parts[:line]}" : frame
      end
    end

    # Takes the place of the standard output.
    class Sink
      def write(text)
        Kobel.write_event(text)
      end

      def close; end
    end

    # A logger that writes to the standard output or error writes events.
    module Patch
      def initialize(device, *rest, **options)
        return super unless device.nil? || device.equal?($stdout) || device.equal?($stderr)

        options[:level] ||= LEVEL
        options[:formatter] ||= JSON_FORMAT ? JsonFormatter.new : TextFormatter.new
        super(Sink.new, *rest, **options)
      end
    end

    ::Logger.prepend(Patch)
  end
end
