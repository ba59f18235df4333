"""Lambda: the life of an environment as logs and limits show it, alike for all languages."""

import json
import re

import pytest
from botocore.exceptions import ClientError

from functions import zipped

RESERVED = (
    "AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME "
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME "
    "AWS_LAMBDA_LOG_STREAM_NAME AWS_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN "
    "AWS_LAMBDA_RUNTIME_API LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR"
).split()
EXTENDABLE = ["LANG", "PATH", "LD_LIBRARY_PATH", "NODE_PATH", "PYTHONPATH", "GEM_PATH", "TZ", "AWS_XRAY_DAEMON_ADDRESS"]
ECHO = {"python": "handlers.echo", "node": "index.echo", "java": "handlers.Handlers::echo", "ruby": "handlers.echo", "provided": "x"}
EVENT_BYTES_MAX = 6_291_456


def python(code):
    return {"Code": {"ZipFile": zipped({"app.py": code})}, "Handler": "app.handler"}


class TestVariables:
    def test_reserved_variables_are_refused(self, lambda_, functions, name):
        functions.create(name)
        for variable in RESERVED:
            with pytest.raises(ClientError) as refused:
                lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {variable: "x", "NUT": "y"}})
            assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
            assert refused.value.response["Error"]["Message"] == (
                "Lambda was unable to configure your environment variables because the environment variables you have "
                "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
                f"this request: {variable}"
            )

    def test_names_must_begin_with_a_letter(self, lambda_, functions, name):
        functions.create(name)
        for variable in ("_HANDLER", "_X_AMZN_TRACE_ID", "1NUT", "NUT-1"):
            with pytest.raises(ClientError) as refused:
                lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {variable: "x"}})
            assert refused.value.response["Error"]["Code"] in ("ValidationException", "InvalidParameterValueException")

    def test_others_of_lambda_may_be_set(self, functions, name):
        variables = {variable: "/nuts" for variable in EXTENDABLE if variable not in ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH")}
        functions.create(name, "handlers.environment", Environment={"Variables": variables})
        got = functions.invoke(name).payload
        assert {variable: got[variable] for variable in variables} == variables


class TestPayloads:
    @pytest.mark.parametrize("language", ["python", "node", "java", "ruby"])
    def test_an_event_of_six_megabytes_goes_in_and_out(self, lambda_, functions, name, language):
        handler = "handlers.Values::text" if language == "java" else ECHO[language]
        functions.create(name, handler, language, MemorySize=1024, Timeout=60)
        event = json.dumps("x" * (EVENT_BYTES_MAX - 2)).encode()
        assert len(event) == EVENT_BYTES_MAX
        reply = lambda_.invoke(FunctionName=name, Payload=event)
        assert "FunctionError" not in reply
        assert reply["Payload"].read() == event

    @pytest.mark.parametrize("language", ["python", "node", "java", "ruby"])
    def test_an_event_of_nothing_is_an_empty_object(self, lambda_, functions, name, language):
        functions.create(name, ECHO[language], language, MemorySize=512)
        assert lambda_.invoke(FunctionName=name)["Payload"].read() == b"{}"


class TestInit:
    def test_an_init_that_fails_is_repeated_in_the_invocation(self, functions, name):
        functions.create(name, **python("import os, sys\nprint('once more', flush=True)\nos._exit(3)\n"))
        done = functions.invoke(name)
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        message = f"RequestId: {request_id} Error: Runtime exited with error: exit status 3"
        assert done.payload == {"errorType": "Runtime.ExitError", "errorMessage": message}
        assert done.log.count("once more\n") == 2
        failure = "Status: error\tError Type: Runtime.ExitError\n"
        assert re.search(rf"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\t{failure}", done.log)
        assert re.search(rf"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: invoke\t{failure}", done.log)
        lines = done.log.splitlines()
        end = lines.index(f"END RequestId: {request_id}")
        assert lines[end - 2 : end] == [message, "Runtime.ExitError"]
        assert "Init Duration" not in lines[end + 1]

    def test_an_init_over_ten_seconds_goes_on_in_the_invocation(self, functions, name):
        functions.create(name, **python("import time\ntime.sleep(60)\n"), Timeout=2)
        done = functions.invoke(name)
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        assert done.payload == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {request_id} Error: Task timed out after 2.00 seconds",
        }
        phases = re.findall(r"INIT_REPORT Init Duration: ([\d.]+) ms\tPhase: (\w+)\tStatus: timeout\n", done.log)
        assert [phase for _, phase in phases] == ["init", "invoke"]
        assert 10_000 <= float(phases[0][0]) < 12_000
        assert 2_000 <= float(phases[1][0]) < 4_000
        assert re.search(rf"Z {request_id} Task timed out after 2\.00 seconds\n\nEND RequestId: {request_id}\n", done.log)


class TestFailures:
    def test_words_without_a_line_break_survive_the_end_of_the_process(self, functions, name):
        code = "import os, sys, time\ndef handler(event, context):\n    print('last words', end='')\n    "
        functions.create(name, **python(code + "os._exit(1) if event else time.sleep(60)\n"), Timeout=1)
        assert "last words\n" in functions.invoke(name, 1).log
        assert "last words\n" in functions.invoke(name, 0).log

    def test_the_log_names_how_the_runtime_ended(self, functions, name):
        functions.create(name, **python("import os\ndef handler(event, context):\n    os.kill(os.getpid(), event)\n"))
        for signal, text in ((9, "killed"), (15, "terminated"), (6, "aborted")):
            done = functions.invoke(name, signal)
            request_id = done.reply["ResponseMetadata"]["RequestId"]
            message = f"RequestId: {request_id} Error: Runtime exited with error: signal: {text}"
            assert f"{message}\nRuntime.ExitError\nEND RequestId: {request_id}\n" in done.log
            assert done.payload["errorMessage"] == message


class TestReset:
    """Where the processes of an environment have ended, the next invocation runs its init again, as a part of itself."""

    CODE = """
import os, time
time.sleep(0.1)
def handler(event, context):
    if event == "exit":
        os._exit(1)
    if event == "hang":
        time.sleep(60)
    return os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
"""

    @pytest.mark.parametrize("end", ["exit", "hang"])
    def test_the_environment_goes_on_with_its_log(self, functions, name, end):
        functions.create(name, **python(self.CODE), Timeout=2)
        first = functions.invoke(name)
        assert "INIT_START" in first.log and "Init Duration" in first.log
        assert functions.invoke(name, end).error == "Unhandled"
        again = functions.invoke(name)
        assert again.payload == first.payload
        assert "INIT_START" not in again.log and "Init Duration" not in again.log
        # What the init takes is a part of the duration now.
        assert float(re.search(r"\tDuration: ([\d.]+) ms", again.log)[1]) >= 100

    def test_an_init_that_failed_is_run_again_for_each_caller(self, functions, name):
        functions.create(name, **python("import os\nos._exit(3)\n"))
        assert "INIT_START" in functions.invoke(name).log
        again = functions.invoke(name)
        assert "INIT_START" not in again.log
        assert re.findall(r"Phase: (\w+)\t", again.log) == ["invoke"]
        assert again.payload["errorType"] == "Runtime.ExitError"

    def test_new_code_has_a_new_environment(self, lambda_, functions, name):
        functions.create(name, **python(self.CODE), Timeout=2)
        functions.invoke(name, "exit")
        lambda_.update_function_code(FunctionName=name, ZipFile=zipped({"app.py": self.CODE + "# new\n"}))
        functions.wait_active(name)
        assert "INIT_START" in functions.invoke(name).log


class TestJsonLogs:
    def test_lines_of_the_function_itself_are_filtered_by_their_level(self, functions, name):
        shown = ['{"level":"WARN","nut":1}', '{"level":"error","nut":2}', '{"level":"FATAL","timestamp":"2026-01-01T00:00:00Z","nut":3}']
        hidden = ['{"level":"INFO","nut":4}', '{"nut":5}', '{"level":"loud","nut":6}', '{"level":"ERROR","timestamp":"noon","nut":7}', "nut 8"]
        code = "def handler(event, context):\n    for line in event:\n        print(line)\n"
        logging = {"LogFormat": "JSON", "ApplicationLogLevel": "WARN"}
        functions.create(name, **python(code), LoggingConfig=logging)
        log = functions.invoke(name, shown + hidden).log
        assert [line for line in log.splitlines() if "nut" in line] == shown

    def test_lines_of_the_platform_are_filtered_by_their_level(self, functions, name):
        logging = {"LogFormat": "JSON", "SystemLogLevel": "WARN"}
        functions.create(name, **python("def handler(event, context):\n    return 1 / event\n"), LoggingConfig=logging)
        assert "platform." not in functions.invoke(name, 1).log
        kinds = [json.loads(line).get("type") for line in functions.invoke(name, 0).log.splitlines()]
        assert "platform.report" in kinds and "platform.start" not in kinds


class TestBackground:
    def test_timers_left_behind_go_on_with_the_next_invocation(self, functions, name):
        code = "let fired = 0; exports.handler = async (event) => { if (event.start) setTimeout(() => fired++, 50); " \
               "else await new Promise((go) => setTimeout(go, 100)); return fired; };"  # fmt: skip
        functions.create(name, "index.handler", "node", Code={"ZipFile": zipped({"index.js": code})})
        assert functions.invoke(name, {"start": True}).payload == 0
        assert functions.invoke(name, {}).payload == 1
