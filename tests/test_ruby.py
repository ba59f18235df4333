"""What a Ruby function and its caller see: results, errors, context, logs."""

import json
import re

import pytest

from functions import Functions, zipped
from kobel import arn
from waiting import wait_until

EVALUATE = """
require 'stringio'

Color = Struct.new(:red, :green)
BACKGROUND = []

def handler(event:, context:)
  eval(event['code'], binding)
end
"""


def creating(suffix, **arguments):
    """A function that evaluates the code which its event brings."""

    @pytest.fixture(scope="module")
    def evaluate(server):
        functions = Functions(server)
        code = {"ZipFile": zipped({"app.rb": EVALUATE})}
        functions.create(f"ruby-{suffix}", "app.handler", "ruby", Code=code, **arguments)
        return lambda code, **more: functions.invoke(f"ruby-{suffix}", {"code": code}, **more)

    return evaluate


evaluate = creating("text")
evaluate_json = creating("json", LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"})


class TestResults:
    @pytest.mark.parametrize(
        ("value", "response"),
        [
            ("nil", None),
            ("{ a: 1, 'b' => [:c, 2.5, true, nil] }", {"a": 1, "b": ["c", 2.5, True, None]}),
            ('"Nu\\u00df \\u{1f43f}"', "Nuß 🐿"),
            ("StringIO.new('{\"raw\": true}')", {"raw": True}),
            ("2**70", 2**70),
            ("Color.new(1, 2).to_h", {"red": 1, "green": 2}),
            ("event.keys", ["code"]),
        ],
    )
    def test_values_become_json(self, evaluate, value, response):
        done = evaluate(value)
        assert (done.error, done.payload) == (None, response)

    def test_what_has_no_json_is_an_error_that_the_process_survives(self, evaluate):
        for _ in range(2):
            done = evaluate("{ a: Float::NAN }")
            assert (done.error, done.payload["errorType"]) == ("Unhandled", "Function<JSON::GeneratorError>")


class TestErrors:
    def test_an_error_has_class_text_and_stack(self, evaluate):
        done = evaluate("raise ArgumentError, \"no\\nnuts\"")
        assert (done.payload["errorMessage"], done.payload["errorType"]) == ("no\nnuts", "Function<ArgumentError>")
        assert re.fullmatch(r"\(eval.*\):1:in .handler'", done.payload["stackTrace"][0])
        assert not [frame for frame in done.payload["stackTrace"] if "/var/runtime" in frame]
        shown = json.dumps(done.payload, indent=2, ensure_ascii=False)
        assert f"Error raised from handler method\n{shown}\n" in done.log

    def test_an_error_leaves_the_process_alone(self, evaluate):
        evaluate("BACKGROUND << 7")
        evaluate("raise 'oops'")
        assert evaluate("BACKGROUND.last").payload == 7

    @pytest.mark.parametrize(
        ("code", "error_type"),
        [
            ("nil.nuts", "Function<NoMethodError>"),
            ("acorn", "Function<NameError>"),
            ("exit 3", "Function<SystemExit>"),
            ("raise NotImplementedError, 'later'", "Function<NotImplementedError>"),
            ("def deep; deep; end; deep", "Function<SystemStackError>"),
        ],
    )
    def test_a_critical_error_ends_the_process(self, evaluate, code, error_type):
        evaluate("BACKGROUND << 8")
        done = evaluate(code)
        assert (done.error, done.payload["errorType"]) == ("Unhandled", error_type)
        assert "Critical exception from handler\n{" in done.log
        assert evaluate("BACKGROUND").payload == []

    def test_an_immediate_exit_is_an_exit_error(self, evaluate):
        done = evaluate("exit!(5)")
        assert done.payload["errorType"] == "Runtime.ExitError"
        assert done.payload["errorMessage"].endswith("Runtime exited with error: exit status 5")

    @pytest.mark.parametrize(
        ("handler", "code", "error_type", "message"),
        [
            ("app", "", "Init<ArgumentError>", "Invalid handler app, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD"),
            ("absent.handler", "", "Init<LoadError>", "cannot load such file -- absent"),
            ("app.handler", "def handler(", "Init<SyntaxError>", "/var/task/app.rb:1: syntax error"),
            ("app.handler", "raise 'early'", "Init<RuntimeError>", "early"),
        ],
    )
    def test_what_cannot_be_loaded_fails_the_init(self, functions, name, handler, code, error_type, message):
        functions.create(name, handler, "ruby", Code={"ZipFile": zipped({"app.rb": code})})
        done = functions.invoke(name)
        assert (done.error, done.payload["errorType"]) == ("Unhandled", error_type)
        assert message in done.payload["errorMessage"]
        assert set(done.payload) == {"errorMessage", "errorType", "stackTrace"}

    def test_a_missing_method_is_an_error_of_the_invocation(self, functions, name):
        functions.create(name, "app.absent", "ruby", Code={"ZipFile": zipped({"app.rb": "X = 1"})})
        done = functions.invoke(name)
        assert done.payload["errorType"] == "Function<NoMethodError>"
        assert "undefined method `absent'" in done.payload["errorMessage"].replace("'absent'", "`absent'")


class TestContext:
    def test_it_has_the_fields_of_lambda(self, evaluate):
        code = """
names = %i[aws_request_id invoked_function_arn log_group_name function_name memory_limit_in_mb function_version identity client_context tenant_id]
names.to_h { |name| [name, context.public_send(name)] }.merge(left: context.get_remaining_time_in_millis, deadline: context.deadline_ms,
  trace: ENV['_X_AMZN_TRACE_ID'], global: $_global_aws_request_id)
"""
        done = evaluate(code, ClientContext="eyJjdXN0b20iOnsibnV0IjoxfX0=")
        seen, request_id = dict(done.payload), done.reply["ResponseMetadata"]["RequestId"]
        assert 0 < seen.pop("left") <= 10_000
        assert seen.pop("deadline") > 1_600_000_000_000
        assert seen.pop("trace").startswith("Root=1-")
        assert seen == {
            "aws_request_id": request_id,
            "global": request_id,
            "invoked_function_arn": arn("lambda", "function:ruby-text"),
            "log_group_name": "/aws/lambda/ruby-text",
            "function_name": "ruby-text",
            "memory_limit_in_mb": "128",
            "function_version": "$LATEST",
            "identity": None,
            "client_context": {"custom": {"nut": 1}},
            "tenant_id": None,
        }

    def test_its_variables_are_those_of_lambda(self, evaluate):
        got = evaluate("ENV.to_h").payload
        assert got["AWS_EXECUTION_ENV"] == "AWS_Lambda_ruby3.3"
        assert got["GEM_PATH"] == "/var/task/vendor/bundle/ruby/3.3.0:/opt/ruby/gems/3.3.0"
        assert got["RUBYLIB"] == "/var/task:/var/runtime/lib:/opt/ruby/lib"
        assert not [name for name in got if "KOBEL" in name]


class TestLogs:
    def test_a_logger_writes_level_time_and_id(self, evaluate):
        done = evaluate("require 'logger'; log = Logger.new($stdout, progname: 'oak'); log.info(\"two\\nlines\"); log.debug('fine')")
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"
        assert re.search(rf"I, \[{time} #\d+\]  INFO {request_id} -- oak: two\nlines\n", done.log)
        assert re.search(rf"D, \[{time} #\d+\] DEBUG {request_id} -- oak: fine\n", done.log)

    def test_what_puts_writes_is_one_event(self, logs, evaluate):
        evaluate("puts 'first', ['second', :third]")

        def found():
            events = logs.filter_log_events(logGroupName="/aws/lambda/ruby-text", filterPattern="second")["events"]
            return [event["message"] for event in events]

        assert wait_until(found) == ["first\nsecond\nthird\n"]

    def test_json_lines_have_the_fields_of_lambda_and_are_filtered(self, evaluate_json):
        code = """
require 'logger'
log = Logger.new($stderr, progname: 'oak')
log.debug('hidden')
log.warn('found')
begin
  raise IOError, 'wet'
rescue IOError => e
  log.error(e)
end
"""
        done = evaluate_json(code)
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        entries = [json.loads(line) for line in done.log.splitlines() if '"level"' in line]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry.pop("timestamp")) for entry in entries)
        found, wet = entries
        assert found == {"level": "WARN", "message": "found", "requestId": request_id, "logger": "oak"}
        stack = wet.pop("stackTrace")
        assert re.match(r"\(eval.*\):7:in .handler'", stack[0])
        assert re.fullmatch(r"\(eval.*\):handler:7", wet.pop("location"))
        assert wet == {
            "level": "ERROR",
            "message": "wet",
            "requestId": request_id,
            "logger": "oak",
            "errorType": "IOError",
            "errorMessage": "wet",
        }
