"""What a Python function and its caller see: results, errors, context, logs, the process."""

import json
import re

import pytest

from functions import Functions, zipped
from kobel import arn
from waiting import wait_until

NO_BREAK_SPACE = "\u00a0"
EVALUATE = """
import collections, datetime, decimal, enum, getpass, logging, os, resource, sys, threading, time

Point = collections.namedtuple("Point", "x y")

class Number(enum.IntEnum):
    ONE = 1

class Word(enum.Enum):
    A = "a"

loop = []
loop.append(loop)
background = []

def handler(event, context):
    scope = dict(globals(), event=event, context=context)
    exec(event["code"], scope)
    return scope.get("result")
"""


def creating(runtime, **arguments):
    """A function that runs the code which its event brings."""

    @pytest.fixture(scope="module")
    def evaluate(server):
        functions, name = Functions(server), f"evaluate-{runtime.replace('.', '-')}-{len(arguments)}"
        functions.create(name, "app.handler", Runtime=runtime, Code={"ZipFile": zipped({"app.py": EVALUATE})}, **arguments)

        def run(code, **more):
            return functions.invoke(name, {"code": code}, **more)

        run.name = name
        return run

    return evaluate


evaluate = creating("python3.11", Environment={"Variables": {"NUT": "acorn"}})
evaluate_312 = creating("python3.12")
evaluate_json = creating(
    "python3.11", LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"}, Description="JSON logs"
)


def raw(server, name, code):
    """The bytes of the response."""
    reply = server.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"code": f"result = {code}"}))
    assert "FunctionError" not in reply, reply["Payload"].read()
    return reply["Payload"].read()


class TestResults:
    @pytest.mark.parametrize(
        ("value", "response"),
        [
            ("None", b"null"),
            ("{'a': (1, 2.5, True)}", b'{"a": [1, 2.5, true]}'),
            ("b'raw'", b"raw"),
            ("{'a': b'text', b'k': 1}", b'{"a": "text", "k": 1}'),
            ("[float('nan'), float('inf')]", b"[NaN, Infinity]"),
            ("decimal.Decimal('1.10')", b"1.10"),
            ("[decimal.Decimal('1E+30'), decimal.Decimal('NaN')]", b"[1E+30, NaN]"),
            ("{'p': Point(1, [Point(2, 3)])}", b'{"p": {"x": 1, "y": [{"x": 2, "y": 3}]}}'),
            ("{1: 'a', None: 'b', True: 'c', 1.5: 'd'}", b'{"1": "c", "null": "b", "1.5": "d"}'),
            ("{Number.ONE: Number.ONE}", b'{"1": 1}'),
            ("2 ** 70", b"1180591620717411303424"),
            ("'Nu\\xdf \\U0001f43f'", b'"Nu\\u00df \\ud83d\\udc3f"'),
            ("'\\ud800'", b'"\\ud800"'),
        ],
    )
    def test_values_become_the_json_of_lambda(self, server, evaluate, value, response):
        assert raw(server, evaluate.name, value) == response

    def test_since_python_3_12_text_is_not_escaped(self, server, evaluate_312):
        assert raw(server, evaluate_312.name, "'Nu\\xdf \\U0001f43f'") == '"Nuß 🐿"'.encode()

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("{1, 2}", "Object of type set is not JSON serializable"),
            ("datetime.datetime(2026, 1, 1)", "Object of type datetime is not JSON serializable"),
            ("Word.A", "Object of type Word is not JSON serializable"),
            ("{(1, 2): 1}", "keys must be str, int, float, bool or None, not tuple"),
            ("loop", "Circular reference detected"),
            ("[b'\\xff']", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ],
    )
    def test_what_has_no_json_is_an_error(self, evaluate, value, message):
        done = evaluate(f"result = {value}")
        assert done.error == "Unhandled"
        assert done.payload == {
            "errorMessage": f"Unable to marshal response: {message}",
            "errorType": "Runtime.MarshalError",
            "requestId": done.reply["ResponseMetadata"]["RequestId"],
            "stackTrace": [],
        }

    def test_a_lone_surrogate_that_is_not_escaped_ends_the_process(self, evaluate_312):
        done = evaluate_312("result = '\\ud800'")
        assert done.payload["errorType"] == "Runtime.ExitError"
        assert done.payload["errorMessage"].endswith("Error: Runtime exited with error: exit status 1")
        assert "UnicodeEncodeError" in done.log
        assert evaluate_312("result = 'again'").payload == "again"


class TestErrors:
    def test_an_error_has_the_frames_of_the_function(self, functions, name):
        code = "def handler(event, context):\n    return inner(event)\n\n\ndef inner(event):\n    raise LookupError('no\\nnuts')\n"
        functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": code})})
        done = functions.invoke(name)
        frames = [
            '  File "/var/task/app.py", line 2, in handler\n    return inner(event)\n',
            "  File \"/var/task/app.py\", line 6, in inner\n    raise LookupError('no\\nnuts')\n",
        ]
        assert done.error == "Unhandled"
        assert done.payload == {
            "errorMessage": "no\nnuts",
            "errorType": "LookupError",
            "requestId": done.reply["ResponseMetadata"]["RequestId"],
            "stackTrace": frames,
        }
        logged = "".join(frames).replace("    ", NO_BREAK_SPACE * 4).replace("  File", NO_BREAK_SPACE * 2 + "File")
        assert f"[ERROR] LookupError: no\nnuts\nTraceback (most recent call last):\n{logged}" in done.log

    def test_an_error_without_text_has_an_empty_one(self, evaluate):
        done = evaluate("raise KeyError")
        assert (done.payload["errorMessage"], done.payload["errorType"]) == ("", "KeyError")
        assert "[ERROR] KeyError\nTraceback" in done.log

    def test_a_syntax_error_shows_its_line(self, functions, name):
        functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": "x = 1\ndef handler(event, context:\n"})})
        done = functions.invoke(name)
        assert done.payload["errorType"] == "Runtime.UserCodeSyntaxError"
        assert re.fullmatch(r"Syntax error in module 'app': .* \(app\.py, line 2\)", done.payload["errorMessage"])
        line = '  File "/var/task/app.py" Line 2\n    def handler(event, context:\n'
        assert (done.payload["stackTrace"], done.payload["requestId"]) == ([line], "")

    def test_an_error_of_the_module_has_the_frames_of_its_import(self, functions, name):
        functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": "raise OSError(5, 'wet')\n"})})
        done = functions.invoke(name)
        assert (done.payload["errorType"], done.payload["errorMessage"]) == ("OSError", "[Errno 5] wet")
        stack = done.payload["stackTrace"]
        assert "importlib/__init__.py" in stack[0] and "in import_module" in stack[0]
        assert stack[-1] == "  File \"/var/task/app.py\", line 1, in <module>\n    raise OSError(5, 'wet')\n"

    @pytest.mark.parametrize(
        ("handler", "error_type", "message"),
        [
            ("app", "Runtime.MalformedHandlerName", "Bad handler 'app': not enough values to unpack (expected 2, got 1)"),
            ("sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
            ("app.absent", "Runtime.HandlerNotFound", "Handler 'absent' missing on module 'app'"),
            ("a/b.c", "Runtime.ImportModuleError", "Unable to import module 'a/b': No module named 'a'"),
        ],
    )
    def test_a_handler_that_cannot_be_had_is_named(self, functions, name, handler, error_type, message):
        functions.create(name, handler, Code={"ZipFile": zipped({"app.py": "x = 1\n"})})
        expected = {"errorMessage": message, "errorType": error_type, "requestId": "", "stackTrace": []}
        assert functions.invoke(name).payload == expected

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ("sys.exit()", "Runtime exited without providing a reason"),
            ("sys.exit(3)", "Runtime exited with error: exit status 3"),
            ("sys.exit('full')", "Runtime exited with error: exit status 1"),
            ("os._exit(9)", "Runtime exited with error: exit status 9"),
            ("os.abort()", "Runtime exited with error: signal: aborted"),
            ("raise KeyboardInterrupt", "Runtime exited with error: "),
        ],
    )
    def test_the_end_of_the_process_is_an_exit_error(self, evaluate, call, message):
        done = evaluate(f"print('last words', end='', flush=True); {call}")
        assert done.payload["errorType"] == "Runtime.ExitError"
        assert f"Error: {message}" in done.payload["errorMessage"]
        assert "last words" in done.log
        assert evaluate("result = 'again'").payload == "again"


class TestContext:
    def test_it_shows_what_lambda_shows(self, evaluate):
        client = "eyJjbGllbnQiOnsiYXBwX3RpdGxlIjoic3F1aXJyZWwifSwiY3VzdG9tIjp7Im51dCI6MX0sImVudiI6eyJtb2RlbCI6Im9hayJ9fQ=="
        done = evaluate("result = [repr(context), context.client_context.client.app_title]", ClientContext=client)
        group, request_id = f"/aws/lambda/{evaluate.name}", done.reply["ResponseMetadata"]["RequestId"]
        shown, title = done.payload
        stream = re.search(r"log_stream_name=([^,]*),", shown)[1]
        assert title == "squirrel"
        assert shown == (
            f"LambdaContext([aws_request_id={request_id},log_group_name={group},log_stream_name={stream},"
            f"function_name={evaluate.name},memory_limit_in_mb=128,function_version=$LATEST,"
            f"invoked_function_arn={arn('lambda', f'function:{evaluate.name}')},"
            "client_context=ClientContext([custom={'nut': 1},env={'model': 'oak'},client=Client([installation_id=None,"
            "app_title=squirrel,app_version_name=None,app_version_code=None,app_package_name=None])]),"
            "identity=CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None]),tenant_id=None])"
        )

    def test_without_a_client_context_there_is_none_but_an_identity(self, evaluate):
        done = evaluate("result = [context.client_context, context.identity.cognito_identity_id]")
        assert done.payload == [None, None]

    def test_the_time_left_goes_down(self, evaluate):
        code = "a = context.get_remaining_time_in_millis(); time.sleep(0.05); result = [a, context.get_remaining_time_in_millis()]"
        before, after = evaluate(code).payload
        assert 0 < after < before <= 10_000

    def test_each_invocation_has_its_trace(self, evaluate):
        done = [evaluate("result = os.environ['_X_AMZN_TRACE_ID']") for _ in range(2)]
        headers = [d.reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"] for d in done]
        roots = [re.match(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", d.payload)[0] for d in done]
        assert len(set(roots)) == 2
        assert [header.startswith(root) for header, root in zip(headers, roots, strict=True)] == [True, True]


class TestLogs:
    def test_text_records_carry_level_time_and_id(self, evaluate):
        done = evaluate("logging.warning('two\\nlines'); logging.info('hidden'); context.log('from\\ncontext')")
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        assert re.search(rf"\[WARNING\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{request_id}\ttwo\nlines\n", done.log)
        assert "hidden" not in done.log
        assert "from\ncontext\n" in done.log

    def test_a_message_of_several_lines_is_one_event(self, logs, evaluate):
        evaluate("logging.error('first\\nsecond\\nthird')")

        def found():
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{evaluate.name}", filterPattern="second")["events"]
            return [event["message"] for event in events]

        messages = wait_until(found)
        assert len(messages) == 1
        assert messages[0].endswith("\tfirst\nsecond\nthird\n")

    def test_a_bad_format_fails_the_function(self, evaluate):
        done = evaluate("logging.error('%d', 'x')")
        assert (done.error, done.payload["errorType"]) == ("Unhandled", "TypeError")

    def test_json_records_have_the_fields_of_lambda(self, evaluate_json):
        code = """
logging.getLogger("squirrel").info("found %d", 2, extra={"nut": "acorn", "where": object})
logging.warning({"tree": "oak"})
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("oops")
"""
        done = evaluate_json(code)
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        entries = [json.loads(line) for line in done.log.splitlines() if '"level"' in line]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry.pop("timestamp")) for entry in entries)
        stack = ['  File "<string>", line 5, in <module>\n']
        where = {"nut": "acorn", "where": "<class 'object'>"}
        assert entries == [
            {"level": "INFO", "message": "found 2", "logger": "squirrel", "requestId": request_id, **where},
            {"level": "WARNING", "message": {"tree": "oak"}, "logger": "root", "requestId": request_id},
            {
                "level": "ERROR",
                "message": "oops",
                "logger": "root",
                "stackTrace": stack,
                "errorType": "ZeroDivisionError",
                "errorMessage": "division by zero",
                "requestId": request_id,
                "location": "<string>:<module>:7",
            },
        ]

    def test_an_error_of_the_handler_is_a_json_entry(self, evaluate_json):
        done = evaluate_json("raise ValueError('hollow')")
        entry = next(json.loads(line) for line in done.log.splitlines() if "hollow" in line)
        assert list(entry) == ["timestamp", "level", "errorMessage", "errorType", "requestId", "stackTrace"]
        assert (entry["level"], entry["errorType"]) == ("ERROR", "ValueError")

    def test_a_json_log_has_no_end_line_and_its_level_is_set(self, evaluate_json):
        done = evaluate_json("logging.debug('fine'); result = logging.root.level")
        kinds = [json.loads(line).get("type") for line in done.log.splitlines()]
        assert done.payload == 10
        assert "fine" in done.log
        assert kinds[-2:] == [None, "platform.report"]

    def test_what_has_no_line_break_is_written_at_the_end(self, evaluate):
        done = evaluate("sys.stdout.write('no break'); sys.stderr.write('nor here')")
        assert {"no break", "nor here"} & set(done.log.splitlines()) or "no breaknor here" in done.log

    def test_a_line_of_more_than_256_kilobytes_is_several_events(self, logs, functions, name):
        functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": EVALUATE})})
        functions.invoke(name, {"code": "print('x' * 600_000)"})

        def found():
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
            return [event["message"] for event in events] if any("REPORT" in event["message"] for event in events) else None

        pieces = [message.rstrip("\n") for message in wait_until(found) if message.startswith("x")]
        assert sum(map(len, pieces)) == 600_000
        assert max(map(len, pieces)) <= 256 * 1024


class TestProcess:
    def test_its_variables_are_those_of_lambda(self, evaluate):
        got = evaluate("result = dict(os.environ)").payload
        expected = {
            "NUT": "acorn",
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
            "PYTHONPATH": "/var/runtime",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
            "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
            "_AWS_XRAY_DAEMON_PORT": "2000",
        }
        assert {name: got.get(name) for name in expected} == expected
        assert re.fullmatch(r"[\d.]+:\d+", got["AWS_LAMBDA_RUNTIME_API"])
        assert "AWS_LAMBDA_LOG_LEVEL" not in got

    def test_json_logs_show_in_its_variables(self, evaluate_json):
        got = evaluate_json("result = [os.environ.get('AWS_LAMBDA_LOG_' + name) for name in ('FORMAT', 'LEVEL')]").payload
        assert got == ["JSON", "DEBUG"]

    def test_it_is_an_unprivileged_process_in_its_package(self, evaluate):
        code = "result = [os.getcwd(), getpass.getuser(), os.getuid() > 0, resource.getrlimit(resource.RLIMIT_NOFILE)]"
        assert evaluate(code).payload == ["/var/task", "sbx_user1051", True, [1024, 1024]]

    def test_modules_come_from_the_package_first(self, evaluate):
        assert evaluate("result = sys.path[0]").payload == "/var/task"

    def test_its_zone_may_be_set(self, functions, name):
        zone = {"Variables": {"TZ": "Asia/Kolkata"}}
        functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": EVALUATE})}, Environment=zone)
        assert functions.invoke(name, {"code": "result = [time.timezone, time.tzname[0]]"}).payload == [-19800, "IST"]

    def test_threads_left_behind_go_on_with_the_next_invocation(self, evaluate):
        code = "threading.Thread(target=lambda: (time.sleep(0.2), background.append(1))).start()"
        assert evaluate(code).payload is None
        wait_until(lambda: evaluate("result = len(background)").payload >= 1, what="the thread has gone on")
