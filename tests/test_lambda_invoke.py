"""Lambda: synchronous invocation, what a handler sees, its logs, its limits, its failures."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from functions import RUNTIMES
from kobel import REGION, arn
from waiting import wait_until

REPORT = re.compile(
    r"REPORT RequestId: (?P<id>[0-9a-f-]{36})\tDuration: (?P<duration>\d+\.\d\d) ms\t"
    r"Billed Duration: (?P<billed>\d+) ms\tMemory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB\t"
    r"(Init Duration: (?P<init>\d+\.\d\d) ms\t)?"
)
ECHO = {"python": "handlers.echo", "node": "index.echo", "java": "handlers.Handlers::echo", "ruby": "handlers.echo"}


@pytest.mark.parametrize("language", ECHO)
def test_a_handler_of_each_language_answers(functions, name, language):
    functions.create(name, ECHO[language], language, MemorySize=512)
    event = {"text": "Nuß 🐿", "list": [1, 2.5, None, True], "nested": {"a": {}}}
    done = functions.invoke(name, event)
    assert (done.payload, done.error, done.reply["StatusCode"]) == (event, None, 200)
    assert done.reply["ExecutedVersion"] == "$LATEST"


def test_a_custom_runtime_answers_over_the_runtime_api(functions, name):
    functions.create(name, "anything", "provided")
    assert functions.invoke(name, {"a": 1}).payload == {"provided": {"a": 1}}
    done = functions.invoke(name, {"a": 2})
    assert done.payload == {"provided": {"a": 2}}
    assert 'provided got {"a": 2}' in done.log


def test_a_custom_runtime_reports_its_error(functions, name):
    functions.create(name, "error", "provided")
    done = functions.invoke(name, {})
    assert (done.error, done.payload) == ("Unhandled", {"errorMessage": "snapped", "errorType": "Branch"})


def test_a_custom_runtime_that_fails_to_start_is_reported(functions, name):
    functions.create(name, "init-error", "provided")
    done = functions.invoke(name, {})
    expected = {"errorMessage": "the store is empty", "errorType": "Runtime.InitError"}
    assert (done.error, done.payload) == ("Unhandled", expected)


def test_a_version_that_the_host_lacks_is_served_by_another_with_one_warning(server, functions, name):
    host = server.cli("doctor").stdout.split()
    lacking = next(f"python3.{minor}" for minor in range(14, 7, -1) if f"python3.{minor}" not in host)
    functions.create(name, Runtime=lacking)
    functions.create(f"{name}-2", Runtime=lacking)
    assert [functions.invoke(each, 1).payload for each in (name, f"{name}-2")] == [1, 1]
    assert server.log.read_text().count(f"This host has no {lacking};") == 1


def test_a_java_handler_takes_and_returns_objects(functions, name):
    functions.create(name, "handlers.Handlers::greet", "java", MemorySize=512)
    assert functions.invoke(name, {"name": "Sam", "age": 3}).payload == {"text": "Hello Sam, 3"}


def test_a_commonjs_handler_answers_by_callback(functions, name):
    functions.create(name, "common.handler", "node")
    assert functions.invoke(name, 1).payload == {"commonjs": 1}


def test_nothing_returned_is_null(functions, name):
    functions.create(name, "handlers.nothing")
    assert functions.invoke(name).reply["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "4"


def test_an_environment_is_used_again(functions, name):
    functions.create(name, "handlers.count")
    first, second = functions.invoke(name), functions.invoke(name)
    assert (first.payload, second.payload) == (1, 2)
    assert REPORT.search(first.log)["init"]
    assert not REPORT.search(second.log)["init"]


def test_concurrent_invocations_have_an_environment_each(functions, name):
    functions.create(name, "handlers.sleep")
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: functions.invoke(name, {"seconds": 0.5}), range(4)))
    assert [d.payload for d in done] == ["slept"] * 4
    assert len({REPORT.search(d.log)["id"] for d in done}) == 4


def test_dry_run_and_missing_function(lambda_, functions, name):
    functions.create(name)
    assert lambda_.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    with pytest.raises(ClientError) as error:
        functions.invoke(f"{name}-none")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert str(error.value).endswith(f"Function not found: {arn('lambda', f'function:{name}-none')}:$LATEST")


def test_a_payload_that_is_not_json_is_refused(lambda_, functions, name):
    functions.create(name)
    with pytest.raises(ClientError, match="Could not parse request body into json") as error:
        lambda_.invoke(FunctionName=name, Payload=b"{nut")
    assert error.value.response["Error"]["Code"] == "InvalidRequestContentException"


def test_a_payload_over_six_megabytes_is_refused(lambda_, functions, name):
    functions.create(name)
    with pytest.raises(ClientError) as error:
        lambda_.invoke(FunctionName=name, Payload=json.dumps("x" * 6_291_557))
    assert error.value.response["Error"]["Code"] == "RequestTooLargeException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


class TestWhatAHandlerSees:
    def test_the_environment_variables_of_aws(self, functions, server, name):
        functions.create(name, "handlers.environment", Environment={"Variables": {"NUT": "acorn"}}, MemorySize=192)
        got = functions.invoke(name).payload
        expected = {
            "NUT": "acorn",
            "_HANDLER": "handlers.environment",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNTIMES['python']}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "192",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "LAMBDA_TASK_ROOT": "/var/task",
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "TZ": ":UTC",
            "LANG": "en_US.UTF-8",
        }
        assert {k: got.get(k) for k in expected} == expected
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"} <= set(got)
        assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", got["AWS_LAMBDA_LOG_STREAM_NAME"])
        assert not [k for k in got if k.startswith("KOBEL")]

    def test_the_context(self, functions, name):
        functions.create(name, "handlers.describe_context", MemorySize=192)
        done = functions.invoke(name, ClientContext="eyJjdXN0b20iOnsiYSI6ImIifX0=")
        context = done.payload
        assert context["aws_request_id"] == done.reply["ResponseMetadata"]["RequestId"]
        assert (context["function_name"], context["function_version"]) == (name, "$LATEST")
        assert context["invoked_function_arn"] == arn("lambda", f"function:{name}")
        assert int(context["memory_limit_in_mb"]) == 192
        assert context["log_group_name"] == f"/aws/lambda/{name}"
        assert 0 < context["remaining_ms"] <= 10_000
        assert context["client_context"] == {"a": "b"}

    def test_tmp_is_writable_and_kept_and_the_task_root_is_not_writable(self, functions, name):
        functions.create(name, "handlers.write_tmp", EphemeralStorage={"Size": 512})
        assert functions.invoke(name, {"megabytes": 1}).payload == 1024 * 1024
        functions.create(f"{name}-r", "handlers.read_tmp")
        assert functions.invoke(f"{name}-r").payload is False
        functions.create(f"{name}-w", "handlers.write_task")
        assert functions.invoke(f"{name}-w").payload["errorType"] in ("OSError", "PermissionError")

    def test_tmp_ends_at_its_size(self, functions, name):
        functions.create(name, "handlers.write_tmp", EphemeralStorage={"Size": 512}, MemorySize=1024, Timeout=60)
        done = functions.invoke(name, {"megabytes": 600})
        assert done.payload["errorType"] == "OSError"
        assert "No space left on device" in done.payload["errorMessage"]


class TestLogs:
    def test_the_tail_has_start_lines_end_and_report(self, functions, name):
        functions.create(name, "handlers.log")
        done = functions.invoke(name, {"lines": ["first", "second"]})
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        lines = done.log.splitlines()
        assert f"START RequestId: {request_id} Version: $LATEST" in lines
        assert lines.index("first") < lines.index("second") < lines.index(f"END RequestId: {request_id}")
        assert "to stderr" in lines
        report = REPORT.search(done.log)
        assert (report["id"], report["size"]) == (request_id, "128")
        assert 0 < int(report["used"]) <= 128
        assert int(report["billed"]) >= float(report["duration"])

    def test_the_tail_is_at_most_four_kilobytes(self, functions, name):
        functions.create(name, "handlers.log")
        done = functions.invoke(name, {"lines": ["x" * 100] * 100})
        assert len(done.log.encode()) <= 4096
        assert REPORT.search(done.log)

    def test_everything_is_in_the_log_group(self, functions, logs, name):
        functions.create(name, "handlers.log")
        functions.invoke(name, {"lines": ["acorn 1", "acorn 2"]})

        def found():
            reply = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")
            messages = [e["message"].rstrip("\n") for e in reply["events"]]
            return messages if any(m.startswith("REPORT") for m in messages) else None

        messages = wait_until(found)
        assert messages[0].startswith("INIT_START Runtime Version: ")
        assert {"acorn 1", "acorn 2"} <= set(messages)

    def test_node_console_lines_carry_time_id_and_level(self, functions, name):
        functions.create(name, "index.log", "node")
        done = functions.invoke(name, {"a": 1})
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        assert re.search(rf"Z\t{request_id}\tINFO\thello from node \{{ a: 1 \}}", done.log)


class TestFailures:
    """Each is HTTP 200 with `X-Amz-Function-Error: Unhandled`, and the function goes on."""

    @pytest.mark.parametrize(
        ("language", "handler", "error_type", "message"),
        [
            ("python", "handlers.raise_error", "ValueError", "the nut is hollow"),
            ("node", "index.throwError", "RangeError", "the branch is thin"),
            ("java", "handlers.Handlers::fail", "java.lang.IllegalStateException", "the tree fell"),
            ("python", "absent.handler", "Runtime.ImportModuleError", "Unable to import module 'absent': No module named 'absent'"),
            ("python", "import_missing.handler", "Runtime.ImportModuleError", "Unable to import module 'import_missing': No module named 'acorns_that_nobody_packed'"),
            ("python", "handlers.absent", "Runtime.HandlerNotFound", "Handler 'absent' missing on module 'handlers'"),
            ("python", "syntax_error.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'syntax_error'"),
            ("python", "init_raises.handler", "RuntimeError", "no winter store"),
            ("python", "handlers.set_value", "Runtime.MarshalError", "Unable to marshal response"),
            ("node", "absent.handler", "Runtime.ImportModuleError", "Cannot find module 'absent'"),
            ("node", "index.absent", "Runtime.HandlerNotFound", "index.absent is undefined or not exported"),
            ("node", "syntax_error.handler", "Runtime.UserCodeSyntaxError", "SyntaxError"),
            ("node", "index.rejectLater", "Runtime.UnhandledPromiseRejection", "nobody caught this"),
            ("java", "handlers.Absent::echo", "java.lang.ClassNotFoundException", "handlers.Absent"),
        ],
    )  # fmt: skip
    def test_errors_of_code_and_handler(self, functions, name, language, handler, error_type, message):
        functions.create(name, handler, language, MemorySize=512)
        done = functions.invoke(name, {})
        assert done.error == "Unhandled"
        assert done.payload["errorType"] == error_type
        assert message in done.payload["errorMessage"]

    def test_a_python_error_has_its_stack_and_id(self, functions, name):
        functions.create(name, "handlers.raise_error")
        done = functions.invoke(name)
        assert set(done.payload) == {"errorMessage", "errorType", "requestId", "stackTrace"}
        assert done.payload["requestId"] == done.reply["ResponseMetadata"]["RequestId"]
        assert "[ERROR] ValueError: the nut is hollow" in done.log

    def test_a_timeout_resets_the_environment_but_keeps_tmp(self, functions, name):
        functions.create(name, "handlers.sleep", Timeout=1)
        done = functions.invoke(name, {"seconds": 30})
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        assert done.error == "Unhandled"
        assert done.payload == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
        }
        assert f"{request_id} Task timed out after 1.00 seconds" in done.log
        assert "\tStatus: timeout" in done.log
        assert functions.invoke(name, {"seconds": 0}).payload == "slept"

    @pytest.mark.parametrize(
        ("code", "message"),
        [(0, "Runtime exited without providing a reason"), (7, "Runtime exited with error: exit status 7")],
    )
    def test_a_handler_that_exits_is_reported_and_replaced(self, functions, name, code, message):
        functions.create(name, "handlers.leave")
        done = functions.invoke(name, {"code": code})
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        assert done.error == "Unhandled"
        assert done.payload == {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: {request_id} Error: {message}",
        }
        assert "Status: error\tError Type: Runtime.ExitError" in done.log

    def test_a_crash_is_reported(self, functions, name):
        functions.create(name, "handlers.crash")
        done = functions.invoke(name)
        assert (done.error, done.payload["errorType"]) == ("Unhandled", "Runtime.ExitError")
        assert "signal: segmentation fault" in done.payload["errorMessage"]

    def test_too_much_memory_is_an_error_of_that_function_alone(self, functions, name):
        functions.create(name, "handlers.allocate", Timeout=30)
        functions.create(f"{name}-other", "handlers.count")
        functions.invoke(f"{name}-other")
        done = functions.invoke(name, {"megabytes": 400})
        assert done.error == "Unhandled"
        assert done.payload["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError")
        assert "signal: killed" in done.payload["errorMessage"]
        assert functions.invoke(f"{name}-other").payload == 2
        assert functions.invoke(name, {"megabytes": 1}).payload == 1

    def test_too_large_a_response_is_an_error(self, functions, name):
        functions.create(name, "handlers.large", MemorySize=512)
        assert len(functions.invoke(name, {"bytes": 1_000_000}).payload) == 1_000_000
        done = functions.invoke(name, {"bytes": 6_300_000})
        assert done.error == "Unhandled"
        assert done.payload == {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        }

    def test_an_init_that_hangs_ends_with_the_timeout(self, functions, name):
        functions.create(name, "init_hangs.handler", Timeout=1)
        done = functions.invoke(name)
        assert (done.error, done.payload["errorType"]) == ("Unhandled", "Sandbox.Timedout")
        assert "INIT_REPORT Init Duration: " in done.log or "Task timed out after 1.00 seconds" in done.log

    def test_a_missing_bootstrap_is_named(self, functions, name):
        functions.create(name, "x", "python", Runtime="provided.al2023")
        done = functions.invoke(name)
        assert (done.error, done.payload["errorType"]) == ("Unhandled", "Runtime.InvalidEntrypoint")
        assert "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]" in done.payload["errorMessage"]


def test_the_journal_tells_how_an_environment_started(server, functions, name):
    """The first one executes the interpreter and has its stem booted, of which later ones are forked."""

    def started(function, **arguments):
        functions.create(function, **arguments)
        request = functions.invoke(function, 1).reply["ResponseMetadata"]["RequestId"]
        events = server.admin("events?count=1000")["events"]
        detail = next(event["detail"] for event in events if event["action"] == "invoke" and request in event["detail"])
        return detail.split("; ")[0]

    assert "ms by exec (the package's own program)" in started(f"{name}-native", handler="echo", language="provided")
    own = {"Environment": {"Variables": {"PYTHONOPTIMIZE": "1"}}}
    assert "ms by exec (the function sets variables" in started(f"{name}-own", **own)
    fresh = (f"{name}-{number}" for number in range(200))
    wait_until(lambda: started(next(fresh)).endswith("ms by stem"), what="an environment is forked")
