"""Lambda: responses that are streamed, from the function to the official client."""

import base64
import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from functions import zipped
from waiting import wait_until

# A runtime of a package's own, over the public Runtime API.
BOOTSTRAP = """#!/usr/bin/env python3
import base64, http.client, json, os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
while True:
    api = http.client.HTTPConnection(host, int(port))
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    taken = api.getresponse()
    event = json.loads(taken.read())
    name = taken.headers["Lambda-Runtime-Aws-Request-Id"]
    connection = socket.create_connection((host, int(port)))
    lines = [
        f"POST /2018-06-01/runtime/invocation/{name}/response HTTP/1.1", f"Host: {host}", "Transfer-Encoding: chunked",
        "Lambda-Runtime-Function-Response-Mode: streaming",
        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
    ]
    connection.sendall(("\\r\\n".join(lines) + "\\r\\n\\r\\n").encode())
    for text in event["texts"]:
        connection.sendall(f"{len(text):x}\\r\\n{text}\\r\\n".encode())
    end = "0\\r\\n"
    if "error" in event:
        body = base64.b64encode(json.dumps(event["error"]).encode()).decode()
        end += f"Lambda-Runtime-Function-Error-Type: Function.Snap\\r\\nLambda-Runtime-Function-Error-Body: {body}\\r\\n"
    connection.sendall((end + "\\r\\n").encode())
    http.client.HTTPResponse(connection).begin()
"""


@pytest.fixture(scope="module")
def gates(server):
    """A bucket whose objects open the gates that functions wait at."""
    server.client("s3").create_bucket(Bucket="gates")
    return "gates"


def begin(functions, name, event=None, **arguments):
    return functions.lambda_.invoke_with_response_stream(
        FunctionName=name, Payload=json.dumps(event), **({"LogType": "Tail"} | arguments)
    )


def stream(functions, name, event=None, **arguments):
    """Invokes and reads to the end: `text` of all chunks, `error` and `details`, `log`, `reply`."""
    reply = begin(functions, name, event, **arguments)
    events = list(reply["EventStream"])
    chunks, complete = events[:-1], events[-1]["InvokeComplete"]
    return SimpleNamespace(
        text=b"".join(e["PayloadChunk"]["Payload"] for e in chunks).decode(),
        error=complete.get("ErrorCode"),
        details=json.loads(complete.get("ErrorDetails", "null")),
        log=base64.b64decode(complete.get("LogResult", "")).decode(errors="replace"),
        reply=reply,
    )


def test_chunks_arrive_in_order_and_before_the_function_ends(functions, server, gates, name):
    functions.create(name, "streaming.gated", "node")
    reply = begin(functions, name, {"texts": ["one", "two", "three"], "gate": f"{gates}/{name}"})
    assert (reply["StatusCode"], reply["ExecutedVersion"]) == (200, "$LATEST")
    assert reply["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    events = iter(reply["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"one"}}
    # The function waits for this object: had its response been held back, the first chunk would never have come.
    server.client("s3").put_object(Bucket=gates, Key=name)
    *chunks, last = events
    assert b"".join(e["PayloadChunk"]["Payload"] for e in chunks) == b"twothree"
    complete = last["InvokeComplete"]
    assert "ErrorCode" not in complete
    log = base64.b64decode(complete["LogResult"]).decode()
    request_id = reply["ResponseMetadata"]["RequestId"]
    assert f"START RequestId: {request_id} Version: $LATEST" in log
    assert f"REPORT RequestId: {request_id}\t" in log


def test_without_the_tail_there_is_no_log(functions, name):
    functions.create(name, "streaming.json", "node")
    assert stream(functions, name, {"a": 1}, LogType="None").log == ""


def test_a_function_goes_on_when_its_client_is_gone(functions, server, gates, name):
    functions.create(name, "streaming.gated", "node")
    reply = begin(functions, name, {"texts": ["one", "x" * 1_000_000, "end"], "gate": f"{gates}/{name}"})
    next(iter(reply["EventStream"]))
    reply["EventStream"].close()
    server.client("s3").put_object(Bucket=gates, Key=name)

    def messages():
        found = server.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return [e["message"] for e in found if e["message"].startswith("REPORT")] and [e["message"] for e in found]

    written = wait_until(messages)
    assert any("wrote the last text" in message for message in written)
    assert "Status: " not in written[-1]


def test_an_http_response_begins_with_its_metadata(functions, name):
    functions.create(name, "streaming.http", "node")
    prelude, body = stream(functions, name).text.split("\0" * 8)
    assert json.loads(prelude) == {"statusCode": 418, "headers": {"x-nut": "acorn"}}
    assert body == "a teapot"


def test_invoke_returns_the_whole_of_a_stream(functions, name):
    functions.create(name, "streaming.json", "node")
    assert functions.invoke(name, {"a": 1}).payload == {"got": {"a": 1}}
    functions.create(f"{name}-b", "streaming.bytes", "node", MemorySize=512, Timeout=60)
    done = functions.invoke(f"{name}-b", {"count": 6_291_557})
    assert (done.error, done.payload["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    # As a stream it may be larger.
    streamed = stream(functions, f"{name}-b", {"count": 6_300_000})
    assert (len(streamed.text), streamed.error) == (6_300_000, None)


def test_a_function_that_does_not_stream_answers_at_once(functions, name):
    functions.create(name)
    done = stream(functions, name, {"a": [1, 2]})
    assert (json.loads(done.text), done.error) == ({"a": [1, 2]}, None)
    functions.create(f"{name}-large", "handlers.large", MemorySize=512)
    done = stream(functions, f"{name}-large", {"bytes": 6_300_000})
    assert (done.text, done.details["errorType"]) == ("", "Function.ResponseSizeTooLarge")


@pytest.mark.parametrize("text", ["", "half"])
@pytest.mark.parametrize(
    ("how", "error_type", "message"),
    [
        ("throw", "RangeError", "the branch is thin"),
        ("exit", "Runtime.ExitError", "Runtime exited with error: exit status 7"),
        ("hang", "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        ("open", "Runtime.InvalidStreamingOperation", "Response stream is not finished."),
    ],
)
def test_an_error_ends_the_stream_before_and_after_its_first_byte(functions, name, how, text, error_type, message):
    functions.create(name, "streaming.fail", "node", Timeout=1 if how == "hang" else 10)
    done = stream(functions, name, {"how": how, "text": text})
    assert (done.reply["StatusCode"], done.text, done.error) == (200, text, "Unhandled")
    assert done.details["errorType"] == error_type
    assert message in done.details["errorMessage"]
    assert "REPORT RequestId: " in done.log


def test_code_that_cannot_be_loaded_ends_the_stream(functions, name):
    functions.create(name, "absent.handler", "node")
    done = stream(functions, name)
    assert (done.text, done.error, done.details["errorType"]) == ("", "Unhandled", "Runtime.ImportModuleError")


def test_a_custom_runtime_streams_over_the_runtime_api(functions, name):
    code = {"ZipFile": zipped({"bootstrap": BOOTSTRAP})}
    functions.create(name, "any", Runtime="provided.al2023", Code=code)
    done = stream(functions, name, {"texts": ["one", "two"]})
    assert (done.text, done.error) == ("onetwo", None)
    error = {"errorType": "Snap", "errorMessage": "the twig broke"}
    done = stream(functions, name, {"texts": ["one"], "error": error})
    assert (done.text, done.error, done.details) == ("one", "Unhandled", error)
    assert functions.invoke(name, {"texts": ['{"a":', "1}"]}).payload == {"a": 1}


def test_what_keeps_a_function_from_running_is_an_error_of_the_call(functions, name):
    with pytest.raises(ClientError) as error:
        begin(functions, name)
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    functions.create(name)
    with pytest.raises(ClientError) as error:
        functions.lambda_.invoke_with_response_stream(FunctionName=name, Payload=b"{nut")
    assert error.value.response["Error"]["Code"] == "InvalidRequestContentException"
    functions.lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as error:
        begin(functions, name)
    assert error.value.response["Error"]["Code"] == "TooManyRequestsException"


def test_a_dry_run_runs_nothing(functions, name):
    functions.create(name, "streaming.json", "node")
    reply = begin(functions, name, InvocationType="DryRun")
    assert reply["StatusCode"] == 204
    assert list(reply["EventStream"]) == []
