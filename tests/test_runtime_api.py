"""The public Runtime API, line by line, as a custom runtime sees it."""

import json
import re

import pytest

from functions import Functions, zipped
from kobel import arn

RUNTIME = '''#!/usr/bin/env python3
"""Asks what the event says, answers with what it was told: [status, content type, body] for each request."""
import http.client, json, os, socket, sys

host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
BASE = "/2018-06-01/runtime/"


def ask(method, path, body=None, headers={}, base=BASE):
    connection.request(method, base + path, body, headers)
    reply = connection.getresponse()
    text = reply.read().decode()
    return reply, text


def told(method, path, body=None, headers={}, base=BASE):
    reply, text = ask(method, path, body, headers, base)
    return [reply.status, reply.headers.get("Content-Type"), text]


def spoken(text):
    """What is on the wire after `text`, up to the end of a small answer."""
    with socket.create_connection((host, int(port))) as client:
        client.sendall(text.encode())
        client.settimeout(5)
        heard = b""
        while b"}" not in heard:
            part = client.recv(65536)
            if not part:
                break
            heard += part
        return heard.decode()


connection = http.client.HTTPConnection(host, int(port))
if os.environ["_HANDLER"] == "init":
    early = [told("POST", "invocation/any/response", "1"), told("POST", "invocation/any/error", "{}")]
    body = json.dumps({"errorMessage": json.dumps(early), "errorType": "Early"})
    ask("POST", "init/error", body, {"Lambda-Runtime-Function-Error-Type": "Runtime.TooEarly"})
    sys.exit(1)

previous = None
while True:
    event, body = ask("GET", "invocation/next")
    if event.status == 403:
        # It is not yet seen that the last response broke off.
        continue
    headers = dict(event.getheaders())
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    path = "invocation/" + request_id
    scope = dict(globals(), event=json.loads(body) if body[:1] == "{" else {}, result=None, done=False)
    exec(scope["event"].get("code", ""), scope)
    if not scope["done"]:
        ask("POST", path + "/response", json.dumps(scope["result"]))
    previous = request_id
'''
CODE = {"ZipFile": zipped({"bootstrap": RUNTIME})}


def transition(source, target):
    message = f"State transition from {source} to {target} failed for runtime. Error: State transition is not allowed"
    return [403, "application/json", f'{{"errorMessage":"{message}","errorType":"InvalidStateTransition"}}\n']


INVALID_ID = [400, "application/json", '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}\n']
ACCEPTED = [202, "application/json", '{"status":"OK"}\n']
OTHER_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def run(server):
    """Runs code inside the runtime of one function; `result` is the response unless the code sends one itself."""
    functions = Functions(server)
    functions.create("api", "any", "provided", Code=CODE)
    return lambda code, **arguments: functions.invoke("api", {"code": code}, **arguments)


def test_an_event_has_the_headers_of_lambda(run):
    done = run("result = headers", ClientContext="ewogICJjdXN0b20iOiB7Im51dCI6ICJOdcOfIn0KfQ==")
    headers = done.payload
    assert headers["Lambda-Runtime-Aws-Request-Id"] == done.reply["ResponseMetadata"]["RequestId"]
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == arn("lambda", "function:api")
    assert headers["Content-Type"] == "application/json"
    assert re.fullmatch(r"\d{13}", headers["Lambda-Runtime-Deadline-Ms"])
    assert re.match(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01]", headers["Lambda-Runtime-Trace-Id"])
    # JSON of several lines is one header.
    context = headers["Lambda-Runtime-Client-Context"].encode("latin-1").decode()
    assert json.loads(context) == {"custom": {"nut": "Nuß"}}
    assert "Lambda-Runtime-Cognito-Identity" not in headers


def test_what_is_empty_has_no_header(run):
    assert "Lambda-Runtime-Client-Context" not in run("result = headers").payload


def test_the_arn_is_the_one_that_the_caller_used(server, run):
    lambda_ = server.client("lambda")
    version = lambda_.publish_version(FunctionName="api")["Version"]
    lambda_.create_alias(FunctionName="api", Name="live", FunctionVersion=version)
    done = run("result = headers['Lambda-Runtime-Invoked-Function-Arn']", Qualifier="live")
    assert done.payload == arn("lambda", "function:api:live")


def test_names_of_headers_are_written_as_lambda_writes_them(run):
    text = "POST /2018-06-01/runtime/invocation/x/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}"
    heard = run(f'result = spoken("{text}")').payload
    assert heard.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert "\r\nContent-Type: application/json\r\n" in heard


def test_who_asks_again_gets_the_same_event(run):
    code = "again, text = ask('GET', 'invocation/next'); result = [again.headers['Lambda-Runtime-Aws-Request-Id'], text == body]"
    done = run(code)
    assert done.payload == [done.reply["ResponseMetadata"]["RequestId"], True]


class TestRefusals:
    def test_another_request_id_is_invalid(self, run):
        code = f"""
result = [told('POST', 'invocation/{OTHER_ID}/response', '1'), told('POST', 'invocation/{OTHER_ID}/error', '{{}}')]
"""
        assert run(code).payload == [INVALID_ID, INVALID_ID]

    def test_the_id_of_an_earlier_event_is_invalid(self, run):
        run("result = None")
        assert run("result = [previous != request_id, told('POST', f'invocation/{previous}/response', '1')]").payload == [True, INVALID_ID]

    def test_a_second_answer_is_refused(self, run):
        code = """
done = True
answers = [told("POST", path + "/response", '"first"'), told("POST", path + "/response", '"second"'), told("POST", path + "/error", "{}")]
open("/tmp/answers", "w").write(json.dumps(answers))
"""
        assert run(code).payload == "first"
        sent = [transition("ResponseSent", "InvocationResponse"), transition("ResponseSent", "InvocationErrorResponse")]
        assert run("result = json.load(open('/tmp/answers'))").payload == [ACCEPTED, *sent]

    def test_init_cannot_fail_any_more(self, run):
        assert run("result = told('POST', 'init/error', '{}')").payload == transition("Ready", "InitError")

    @pytest.mark.parametrize(
        ("method", "path", "base", "status", "text"),
        [
            ("GET", "unknown", "/2018-06-01/runtime/", 404, "404 page not found\n"),
            ("GET", "", "/", 404, "404 page not found\n"),
            ("GET", "restore/next", "/2018-06-01/runtime/", 404, "404 page not found\n"),
            ("GET", "invocation/next", "/2019-01-01/runtime/", 404, "404 page not found\n"),
            ("POST", "invocation/next", "/2018-06-01/runtime/", 405, ""),
            ("GET", "init/error", "/2018-06-01/runtime/", 405, ""),
            ("DELETE", "invocation/x/response", "/2018-06-01/runtime/", 405, ""),
            ("GET", "ping", "/2018-06-01/", 200, "pong"),
        ],
    )
    def test_paths_and_methods(self, run, method, path, base, status, text):
        told = run(f"result = told({method!r}, {path!r}, base={base!r})").payload
        assert [told[0], told[2]] == [status, text]

    def test_an_unknown_response_mode_is_an_error_of_the_function(self, run):
        code = """
done = True
answer = told("POST", path + "/response", "1", {"Lambda-Runtime-Function-Response-Mode": "dripping"})
open("/tmp/answer", "w").write(json.dumps(answer))
"""
        done = run(code)
        assert (done.error, done.payload["errorType"]) == ("Unhandled", "Runtime.InvalidResponseModeHeader")
        message = '{"errorMessage":"Invalid function response mode","errorType":"InvalidFunctionResponseMode"}\n'
        assert run("result = json.load(open('/tmp/answer'))").payload == [400, "application/json", message]


class TestMetadata:
    CALL = """
connection.request(method, "/2026-01-15/metadata/execution-environment", None, {"Authorization": authorization})
reply = connection.getresponse()
result = [reply.status, reply.read().decode(), reply.headers.get("Cache-Control")]
"""

    @pytest.mark.parametrize(
        ("method", "authorization", "answer"),
        [
            ("GET", "'Bearer ' + token", [200, '{"AvailabilityZoneID":"use1-az1"}', "private, max-age=43200, immutable"]),
            ("POST", "'Bearer ' + token", [405, "", None]),
        ],
    )
    def test_it_names_the_availability_zone(self, run, method, authorization, answer):
        begin = f"method, token = {method!r}, os.environ['AWS_LAMBDA_METADATA_TOKEN']\nauthorization = {authorization}\n"
        assert run(begin + self.CALL).payload == answer

    @pytest.mark.parametrize("authorization", ["token", "'Bearer wrong'", "''"])
    def test_without_its_token_it_tells_nothing(self, run, authorization):
        begin = f"method, token = 'GET', os.environ['AWS_LAMBDA_METADATA_TOKEN']\nauthorization = {authorization}\n"
        assert run(begin + self.CALL).payload[0] == 401

    def test_managed_runtimes_have_it_too(self, functions, name):
        code = """
import os, urllib.request
def handler(event, context):
    url = f"http://{os.environ['AWS_LAMBDA_METADATA_API']}/2026-01-15/metadata/execution-environment"
    token = {"Authorization": "Bearer " + os.environ["AWS_LAMBDA_METADATA_TOKEN"]}
    return urllib.request.urlopen(urllib.request.Request(url, headers=token), timeout=5).read().decode()
"""
        functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": code})})
        assert functions.invoke(name).payload == '{"AvailabilityZoneID":"use1-az1"}'


class TestErrors:
    def report(self, run, body, headers):
        return run(f"done = True; ask('POST', path + '/error', {body!r}, {headers!r})")

    def test_the_bytes_of_an_error_reach_the_caller(self, run):
        body = '{"any": "form", "errorType": "Mine"}'
        done = self.report(run, body, {"Lambda-Runtime-Function-Error-Type": "Function.Broken"})
        assert (done.error, done.payload) == ("Unhandled", json.loads(body))

    def test_the_cause_of_an_error_is_not_for_the_caller(self, run):
        body = json.dumps({"errorMessage": "m", "errorType": "t", "stackTrace": ["a"], "errorCause": {"paths": []}})
        done = self.report(run, body, {"Content-Type": "application/vnd.aws.lambda.error.cause+json"})
        assert done.payload == {"errorMessage": "m", "errorType": "t", "stackTrace": ["a"]}

    def test_a_cause_in_a_header_may_be_large(self, run):
        cause = json.dumps({"working_directory": "/", "exceptions": [], "paths": ["p" * 60_000]})
        done = self.report(run, '{"errorMessage": "m"}', {"Lambda-Runtime-Function-XRay-Error-Cause": cause})
        assert done.payload == {"errorMessage": "m"}

    def test_an_init_error_is_what_the_caller_gets(self, functions, name):
        functions.create(name, "init", "provided", Code=CODE)
        done = functions.invoke(name)
        assert (done.error, done.payload["errorType"]) == ("Unhandled", "Early")
        assert json.loads(done.payload["errorMessage"]) == [INVALID_ID, INVALID_ID]
        assert "Phase: invoke\tStatus: error\tError Type: Runtime.TooEarly" in done.log


class TestBodies:
    def test_a_response_may_come_in_chunks_over_a_connection_that_stays(self, run):
        code = """
done = True
connection.request("POST", BASE + path + "/response", iter([b'{"in":', b'"chunks"}']), {}, encode_chunked=True)
reply = connection.getresponse()
reply.read()
"""
        assert run(code).payload == {"in": "chunks"}

    def test_a_response_may_wait_for_the_word_to_go_on(self, run):
        code = r"""
done = True
body = json.dumps({"after": "continue"})
with socket.create_connection((host, int(port))) as client:
    head = f"POST {BASE}{path}/response HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    client.sendall(head.encode())
    client.settimeout(5)
    told_to_go_on = client.recv(100).startswith(b"HTTP/1.1 100 Continue")
    client.sendall(body.encode() if told_to_go_on else b"")
    client.recv(1000)
"""
        assert run(code).payload == {"after": "continue"}

    def test_what_is_no_json_is_handed_on(self, server, run):
        run("result = None")
        code = "done = True; ask('POST', path + '/response', b'\\xff no json')"
        reply = server.client("lambda").invoke(FunctionName="api", Payload=json.dumps({"code": code}))
        assert reply["Payload"].read() == b"\xff no json"

    def test_too_large_a_response_is_refused_and_told(self, run):
        code = """
done = True
answer = told("POST", path + "/response", "x" * 6_291_557)
connection.close()
open("/tmp/answer", "w").write(json.dumps(answer))
"""
        done = run(code)
        assert done.payload == {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        }
        message = "Exceeded maximum allowed payload size (6291556 bytes)."
        expected = [413, "application/json", f'{{"errorMessage":"{message}","errorType":"RequestEntityTooLarge"}}\n']
        assert run("result = json.load(open('/tmp/answer'))").payload == expected

    def test_a_response_that_breaks_off_is_an_error(self, run):
        code = r"""
done = True
with socket.create_connection((host, int(port))) as client:
    client.sendall(f"POST {BASE}{path}/response HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
"""
        assert run(code).payload["errorType"] == "Runtime.TruncatedResponse"
