"""Lambda extensions over the public Extensions API, each written for it alone."""

import itertools
import json

import pytest

from extensions import API, EXTENSION, layer
from functions import zipped
from waiting import wait_until

BOOTSTRAP = (
    "#!/usr/bin/env python3\n"
    + API
    + r"""
import threading

identifier, about = register("inner", "INVOKE", Lambda_Extension_Accept_Feature="accountId")

def listen():
    while True:
        answer, event = next_event(identifier)
        event["identified"] = "Lambda-Extension-Event-Identifier" in answer.headers
        print("inner heard", json.dumps(event), flush=True)
        if "wait" in os.environ:
            told(os.environ["wait"])
            print("inner went on", flush=True)

threading.Thread(target=listen, daemon=True).start()
while True:
    answer, event = call("GET", "/2018-06-01/runtime/invocation/next")
    request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
    call("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", json.dumps(about))
"""
)

WRAPPER = """#!/bin/sh
# Registers before the runtime starts, and listens beside it.
api="http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension"
id="$(curl -sS -D - -o /dev/null -X POST "$api/register" -H "Lambda-Extension-Name: wrapper" -d '{"events":["INVOKE"]}' |
  sed -n 's/\\r$//; s/^[Ll]ambda-[Ee]xtension-[Ii]dentifier: *//p')"
(while event="$(curl -sS "$api/event/next" -H "Lambda-Extension-Identifier: $id")"; do
  echo "wrapper heard $event"
done) &
exec "$@"
"""


OUTER = EXTENSION + r"""
import sys
print("outer sees", json.dumps(sorted(os.environ)), flush=True)
open("/tmp/started", "w").close()
identifier, about = register("outer", "INVOKE", "SHUTDOWN")
while True:
    answer, event = next_event(identifier)
    print("outer heard", json.dumps(event), flush=True)
    if event["eventType"] == "SHUTDOWN":
        sys.exit(0)
    if "wait" in os.environ:
        told(os.environ["wait"])
        print("outer went on", flush=True)
"""

FUNCTION = """
import os, time
started = os.path.exists("/tmp/started")
def handler(event, context):
    if event == "exit":
        os._exit(3)
    if event == "hang":
        while True:
            time.sleep(1)
    return started
"""


class TestInternal:
    def test_a_custom_runtime_registers_itself(self, functions, name, logged):
        functions.create(name, "h", "provided", Code={"ZipFile": zipped({"bootstrap": BOOTSTRAP})})
        done = functions.invoke(name)
        account = functions.lambda_.get_function_configuration(FunctionName=name)["FunctionArn"].split(":")[4]
        assert done.payload == {
            "functionName": name,
            "functionVersion": "$LATEST",
            "handler": "h",
            "accountId": account,
        }
        lines = logged(name, "inner heard")
        assert "EXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]\n" in lines
        heard = next(line for line in lines if line.startswith("inner heard"))
        event = json.loads(heard.removeprefix("inner heard"))
        deadline, tracing = event.pop("deadlineMs"), event.pop("tracing")
        assert event == {
            "eventType": "INVOKE",
            "requestId": done.reply["ResponseMetadata"]["RequestId"],
            "invokedFunctionArn": functions.lambda_.get_function_configuration(FunctionName=name)["FunctionArn"],
            "identified": True,
        }
        assert deadline > 1_700_000_000_000
        assert tracing["type"] == "X-Amzn-Trace-Id" and tracing["value"].startswith("Root=1-")

    def test_a_wrapper_of_a_layer_listens_beside_a_managed_runtime(self, functions, lambda_, name, logged):
        arguments = {
            "Layers": [layer(lambda_, name, {"wrapper": WRAPPER})],
            "Environment": {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}},
        }
        functions.create(name, "handlers.echo", "python", **arguments)
        for number in range(2):
            done = functions.invoke(name, number)
            assert done.payload == number
            logged(name, f'"requestId":"{done.reply["ResponseMetadata"]["RequestId"]}"')
        lines = logged(name, "REPORT")
        ready = lines.count("EXTENSION\tName: wrapper\tState: Ready\tEvents: [INVOKE]\n")
        assert ready == sum(line.startswith("INIT_START") for line in lines)

    def test_the_caller_does_not_wait_for_extensions_but_the_next_invocation_does(self, functions, s3, name, logged):
        s3.create_bucket(Bucket=name)
        variables = {"wait": f"/{name}/go"}
        functions.create(
            name,
            "h",
            "provided",
            Code={"ZipFile": zipped({"bootstrap": BOOTSTRAP})},
            Environment={"Variables": variables},
        )
        done = functions.invoke(name)
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        assert done.payload["functionName"] == name
        assert "START" in done.log and "REPORT" not in done.log
        s3.put_object(Bucket=name, Key="go", Body=b"")
        lines = logged(name, f"REPORT RequestId: {request_id}")
        went_on = lines.index("inner went on\n")
        assert went_on < lines.index(f"END RequestId: {request_id}\n")

    def test_a_function_that_has_extensions_is_asked_to_end(self, functions, logs, name):
        code = API + (
            "import signal, sys, threading\n"
            "identifier, _ = register('inner')\n"
            "threading.Thread(target=next_event, args=(identifier,), daemon=True).start()\n"
            "def end(*_):\n"
            "    print('asked to end', flush=True)\n"
            "    sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "def handler(event, context): return 1\n"
        )
        functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": code})})
        ended = itertools.count(1)

        def asked():
            # A machine that is busy with other things may not give it the half second that it has.
            assert functions.invoke(name).payload == 1
            functions.lambda_.update_function_configuration(FunctionName=name, Description=f"new {next(ended)}")
            functions.wait_active(name)
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
            return any(event["message"] == "asked to end\n" for event in found)

        wait_until(asked, what="the runtime is asked to end")

    def test_what_comes_out_of_turn_is_refused(self, functions, name):
        code = API + (
            "found = []\n"
            "def note(method, path, body=None, **headers):\n"
            "    answer, error = extension(method, path, body, **headers)\n"
            "    found.append([answer.status, error.get('errorType')])\n"
            "nobody = '00000000-0000-0000-0000-000000000000'\n"
            "note('POST', 'register', '{}')\n"
            "note('POST', 'register', '{', Lambda_Extension_Name='a')\n"
            "note('POST', 'register', '{\"events\":[\"WAKE\"]}', Lambda_Extension_Name='a')\n"
            "note('POST', 'register', '{\"events\":[\"SHUTDOWN\"]}', Lambda_Extension_Name='a')\n"
            "note('GET', 'event/next')\n"
            "note('GET', 'event/next', Lambda_Extension_Identifier='nonsense')\n"
            "note('GET', 'event/next', Lambda_Extension_Identifier=nobody)\n"
            "note('POST', 'exit/error', '{}', Lambda_Extension_Identifier=nobody)\n"
            "def handler(event, context):\n"
            "    note('POST', 'register', '{}', Lambda_Extension_Name='late')\n"
            "    return found\n"
        )
        functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": code})})
        assert functions.invoke(name).payload == [
            [403, "Extension.InvalidExtensionName"],
            [400, "Extension.InvalidRequestFormat"],
            [403, "Extension.InvalidEventType"],
            [403, "Extension.InvalidEventType"],
            [403, "Extension.MissingExtensionIdentifier"],
            [403, "Extension.InvalidExtensionIdentifier"],
            [403, "Extension.UnknownExtensionIdentifier"],
            [403, "Extension.MissingHeader"],
            [403, "Extension.RegistrationClosed"],
        ]

    def test_a_reported_error_fails_init(self, functions, name, logged):
        code = API + (
            "identifier, _ = register('inner')\n"
            "headers = {'Lambda_Extension_Identifier': identifier, 'Lambda_Extension_Function_Error_Type': 'Extension.NoNuts'}\n"
            "extension('POST', 'init/error', '{}', **headers)\n"
            "def handler(event, context): return 1\n"
        )
        functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": code})})
        done = functions.invoke(name)
        assert (done.error, done.payload["errorType"]) == ("Unhandled", "Extension.InitError")
        lines = logged(name, "REPORT")
        assert "EXTENSION\tName: inner\tState: InitError\tEvents: []\tError Type: Extension.NoNuts\n" in lines


class TestExternal:
    @pytest.fixture
    def extended(self, functions, lambda_, name):
        """Creates a function with the extension of this text in a layer."""

        def create(text, extension="outer", **arguments):
            code = {"ZipFile": zipped({"app.py": FUNCTION})}
            layers = [layer(lambda_, name, {f"extensions/{extension}": text})]
            functions.create(name, "app.handler", **({"Code": code, "Layers": layers} | arguments))
            return name

        return create

    def heard(self, lines, kind):
        events = [json.loads(line.removeprefix("outer heard")) for line in lines if line.startswith("outer heard")]
        return [event for event in events if event["eventType"] == kind]

    def test_it_starts_before_the_runtime_and_hears_of_all(self, functions, lambda_, extended, logged):
        name = extended(OUTER, Environment={"Variables": {"MINE": "1"}})
        done = functions.invoke(name)
        assert done.payload is True
        again = functions.invoke(name)
        lambda_.update_function_configuration(FunctionName=name, Description="new")
        lines = logged(name, '"SHUTDOWN"')
        assert "EXTENSION\tName: outer\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n" in lines
        told_of = [event["requestId"] for event in self.heard(lines, "INVOKE")]
        assert told_of == [one.reply["ResponseMetadata"]["RequestId"] for one in (done, again)]
        assert self.heard(lines, "SHUTDOWN")[0]["shutdownReason"] == "spindown"
        assert self.heard(lines, "SHUTDOWN")[0]["deadlineMs"] > self.heard(lines, "INVOKE")[0]["deadlineMs"] - 60_000
        sees = json.loads(next(line for line in lines if line.startswith("outer sees")).removeprefix("outer sees"))
        assert {"MINE", "AWS_LAMBDA_RUNTIME_API", "AWS_ACCESS_KEY_ID", "AWS_LAMBDA_FUNCTION_NAME"} <= set(sees)
        assert not {"_HANDLER", "LAMBDA_TASK_ROOT", "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME"} & set(sees)

    def test_it_may_work_on_when_the_caller_has_its_answer(self, functions, s3, name, extended, logged):
        s3.create_bucket(Bucket=name)
        extended(OUTER, Environment={"Variables": {"wait": f"/{name}/go"}})
        done = functions.invoke(name)
        assert done.payload is True and "REPORT" not in done.log
        s3.put_object(Bucket=name, Key="go", Body=b"")
        lines = logged(name, f"REPORT RequestId: {done.reply['ResponseMetadata']['RequestId']}")
        assert "outer went on\n" in lines

    @pytest.mark.parametrize(
        ("event", "reason", "error"),
        [("exit", "failure", "Runtime.ExitError"), ("hang", "timeout", "Sandbox.Timedout")],
    )
    def test_it_learns_why_the_environment_ends(self, functions, extended, logged, event, reason, error):
        name = extended(OUTER, Timeout=2)
        done = functions.invoke(name, event)
        assert done.payload["errorType"] == error
        lines = logged(name, '"SHUTDOWN"')
        assert self.heard(lines, "SHUTDOWN")[0]["shutdownReason"] == reason
        assert functions.invoke(name).payload is True

    @pytest.mark.parametrize(
        ("text", "error", "message", "state"),
        [
            (EXTENSION + "import sys\nsys.exit(3)\n", "Extension.Crash", "exit status 3", "Extension.Crash"),
            (
                EXTENSION
                + "identifier, _ = register('outer')\n"
                + "headers = {'Lambda_Extension_Function_Error_Type': 'Extension.NoNuts'}\n"
                + "extension('POST', 'init/error', '{}', Lambda_Extension_Identifier=identifier, **headers)\n",
                "Extension.InitError",
                "extension `outer` reported Extension.NoNuts",
                "Extension.NoNuts",
            ),
            (
                "no program",
                "Extension.LaunchError",
                "fork/exec /opt/extensions/outer: exec format error",
                "UnknownError",
            ),
        ],
        ids=["crash", "init-error", "launch-error"],
    )
    def test_one_that_does_not_come_up_fails_init(self, functions, extended, logged, text, error, message, state):
        name = extended(text)
        done = functions.invoke(name)
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        assert done.payload == {"errorType": error, "errorMessage": f"RequestId: {request_id} Error: {message}"}
        lines = logged(name, f"REPORT RequestId: {request_id}")
        assert any(line.startswith("EXTENSION\tName: outer") and f"Error Type: {state}" in line for line in lines)
        reports = [line for line in lines if line.startswith("INIT_REPORT")]
        assert len(reports) == 2 and all(f"Error Type: {error}" in line for line in reports)

    def test_one_that_crashes_during_an_invocation_fails_it(self, functions, extended):
        crash = "identifier, _ = register('outer', 'INVOKE')\nnext_event(identifier)\nos._exit(5)\n"
        name = extended(EXTENSION + crash, Code={"ZipFile": zipped({"app.py": FUNCTION})})
        done = functions.invoke(name, "hang")
        assert (done.error, done.payload["errorType"]) == ("Unhandled", "Extension.Crash")
        assert done.payload["errorMessage"].endswith("Error: exit status 5")

    def test_there_are_ten_at_most(self, functions, lambda_, name):
        files = {f"extensions/{number:02}": "#!/bin/sh\nexec sleep 60\n" for number in range(11)}
        code = {"ZipFile": zipped({"app.py": FUNCTION})}
        functions.create(name, "app.handler", Code=code, Layers=[layer(lambda_, name, files)])
        done = functions.invoke(name)
        assert done.payload["errorType"] == "Extension.LaunchError"
