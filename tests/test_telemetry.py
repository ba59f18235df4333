"""The Telemetry API and the Logs API: what extensions are told of an environment's life and its log lines."""

import json
import re

import pytest

from extensions import EXTENSION, layer
from functions import zipped
from waiting import wait_until

LISTENER = EXTENSION + r"""
import queue, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer

done = queue.Queue()

def got(event):
    print("got", json.dumps(event), flush=True)
    if event["type"] == "platform.runtimeDone":
        print("done", event["record"]["requestId"], flush=True)
        done.put(event)

class Http(BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            got(event)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

class Tcp(StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            got(json.loads(line))

def listen():
    server = ThreadingHTTPServer if asked["destination"]["protocol"] == "HTTP" else ThreadingTCPServer
    handler = Http if server is ThreadingHTTPServer else Tcp
    threading.Thread(target=server(("sandbox.localdomain", 4243), handler).serve_forever, daemon=True).start()

asked = json.loads(os.environ["ASKED"])
listen()
identifier, _ = register("listener", "INVOKE", "SHUTDOWN")
answer, body = call("PUT", os.environ["API"], json.dumps(asked), Lambda_Extension_Identifier=identifier)
print("answered", answer.status, body, flush=True)
while True:
    _, event = next_event(identifier)
    if event["eventType"] == "SHUTDOWN":
        sys.exit(0)
    # As extensions do that send on what belongs to an invocation.
    done.get()
"""

FUNCTION = """
import json
def handler(event, context):
    print("plain")
    print(json.dumps({"level": "INFO", "message": "object"}))
    if event == "fail":
        raise ValueError("no nuts")
    return event
"""

TELEMETRY, LOGS = "/2022-07-01/telemetry", "/2020-08-15/logs"
HTTP = {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243/events"}


@pytest.fixture
def told(functions, lambda_, name, logged):
    """Runs a function with a listener for each event and returns what listeners got in the end: one in each environment."""

    def run(asked, *events, api=TELEMETRY, **arguments):
        asked = {"buffering": {"timeoutMs": 25}} | asked
        variables = {"ASKED": json.dumps(asked), "API": api}
        functions.create(
            name,
            "app.handler",
            Code={"ZipFile": zipped({"app.py": FUNCTION})},
            Layers=[layer(lambda_, name, {"extensions/listener": LISTENER})],
            Environment={"Variables": variables},
            **arguments,
        )
        done = [functions.invoke(name, event).reply["ResponseMetadata"]["RequestId"] for event in events]
        lambda_.update_function_configuration(FunctionName=name, Description="new")
        lines = logged(name, '"platform.report"', *(f"done {request_id}" for request_id in done))
        return [json.loads(line.removeprefix("got")) for line in lines if line.startswith("got ")], lines

    return run


def records(events, kind):
    return [event["record"] for event in events if event["type"] == kind]


def test_a_listener_is_told_of_the_whole_life(told, name):
    asked = {"schemaVersion": "2022-12-13", "types": ["platform", "function"], "destination": HTTP}
    events, lines = told(asked, 1, "fail")
    assert "TELEMETRY\tName: listener\tState: Subscribed\tTypes: [Platform, Function]\n" in lines
    assert any(line.startswith('answered 200 "OK"') for line in lines)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"]) for event in events)
    assert records(events, "platform.initStart")[0].items() >= {
        "initializationType": "on-demand",
        "phase": "init",
        "functionName": name,
        "functionVersion": "$LATEST",
    }.items()
    subscribed = {"name": "listener", "state": "Subscribed", "types": ["platform", "function"]}
    assert records(events, "platform.telemetrySubscription")[0] == subscribed
    ready = {"name": "listener", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}
    assert records(events, "platform.extension")[0] == ready
    runtime_done = {"initializationType": "on-demand", "phase": "init", "status": "success"}
    assert records(events, "platform.initRuntimeDone")[0] == runtime_done
    report = records(events, "platform.initReport")[0]
    assert report["status"] == "success" and report["metrics"]["durationMs"] > 0
    starts = {start["requestId"]: start for start in records(events, "platform.start")}
    dones = {done["status"]: done for done in records(events, "platform.runtimeDone")}
    assert {done["requestId"] for done in dones.values()} == starts.keys() and len(starts) == 2
    start = starts[dones["success"]["requestId"]]
    assert start["version"] == "$LATEST" and start["tracing"]["value"].startswith("Root=1-")
    assert (dones["success"]["metrics"]["producedBytes"], dones["error"]["errorType"]) == (1, "ValueError")
    report = records(events, "platform.report")[0]
    assert report["status"] == dones["success" if report["requestId"] == start["requestId"] else "error"]["status"]
    assert report["metrics"].keys() >= {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB"}
    function = records(events, "function")
    assert {"plain", '{"level": "INFO", "message": "object"}'} <= set(function)
    assert not records(events, "platform.end") and not records(events, "extension")


def test_records_of_json_logs_are_objects(told):
    asked = {"schemaVersion": "2022-12-13", "types": ["function", "platform"], "destination": HTTP}
    events, _ = told(asked, 1, LoggingConfig={"LogFormat": "JSON"})
    assert {"level": "INFO", "message": "object"} in records(events, "function")


def test_the_logs_api_speaks_its_own_events_over_tcp(told):
    asked = {"types": ["platform", "function"], "destination": {"protocol": "TCP", "port": 4243}}
    events, lines = told(asked, 1, 2, api=LOGS)
    assert "LOGS\tName: listener\tState: Subscribed\tTypes: [Platform, Function]\n" in lines
    subscribed = {"name": "listener", "state": "Subscribed", "types": ["platform", "function"]}
    assert records(events, "platform.logsSubscription")[0] == subscribed
    assert records(events, "function")[0] == "plain"
    starts = {start["requestId"] for start in records(events, "platform.start")}
    ends = {end["requestId"] for end in records(events, "platform.end")}
    assert ends and ends <= starts
    assert not records(events, "platform.initStart")


def test_what_is_no_subscription_is_refused(functions, lambda_, name, logged):
    cases = [
        (TELEMETRY, {"types": ["platform"], "destination": HTTP}),
        (TELEMETRY, {"schemaVersion": "2022-12-13", "types": ["metrics"], "destination": HTTP}),
        (
            TELEMETRY,
            {
                "schemaVersion": "2022-12-13",
                "types": ["platform"],
                "destination": HTTP,
                "buffering": {"maxItems": 10},
            },
        ),
        (LOGS, {"types": ["platform"], "destination": {"protocol": "HTTP", "URI": "http://example.com:80"}}),
    ]
    extension = EXTENSION + (
        "identifier, _ = register('asker', 'INVOKE')\n"
        f"cases = json.loads({json.dumps(json.dumps(cases))})\n"
        "for path, body in cases:\n"
        "    answer, error = call('PUT', path, json.dumps(body), Lambda_Extension_Identifier=identifier)\n"
        "    print('refused', json.dumps([answer.status, error['errorType'], error['errorMessage']]), flush=True)\n"
        "next_event(identifier)\n"
        "late = {'schemaVersion': '2022-12-13', 'types': ['platform'], 'destination': cases[0][1]['destination']}\n"
        "for headers in ({'Lambda_Extension_Identifier': identifier}, {}):\n"
        "    answer, error = call('PUT', cases[0][0], json.dumps(late), **headers)\n"
        "    print('refused', json.dumps([answer.status, error['errorType'], error['errorMessage']]), flush=True)\n"
        "next_event(identifier)\n"
    )
    layers = [layer(lambda_, name, {"extensions/asker": extension})]
    functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": FUNCTION})}, Layers=layers)
    functions.invoke(name)
    lines = logged(name, "MissingExtensionIdentifier")
    refused = [json.loads(line.removeprefix("refused")) for line in lines if line.startswith("refused")]
    assert [(status, error_type) for status, error_type, _ in refused] == [
        (400, "ValidationError"),
        (400, "ValidationError"),
        (400, "ValidationError"),
        (400, "Logs.ValidationError"),
        (403, "Telemetry.SubscriptionClosed"),
        (403, "Extension.MissingExtensionIdentifier"),
    ]
    assert "maxItems must be between 1000 and 10000" in refused[2][2]


def test_a_listener_that_never_comes_to_an_end_harms_nobody_else(functions, lambda_, name, logs, logged):
    endless = LISTENER.replace(
        "        self.end_headers()\n",
        "        self.end_headers()\n"
        "        try:\n"
        "            while True:\n"
        "                self.wfile.write(bytes(65536))\n"
        "        except OSError:\n"
        "            print('hung up', flush=True)\n",
    )
    assert endless != LISTENER
    asked = {"schemaVersion": "2022-12-13", "types": ["platform"], "destination": HTTP, "buffering": {"timeoutMs": 25}}
    functions.create(
        name,
        "app.handler",
        Code={"ZipFile": zipped({"app.py": FUNCTION})},
        Layers=[layer(lambda_, name, {"extensions/listener": endless})],
        Environment={"Variables": {"ASKED": json.dumps(asked), "API": TELEMETRY}},
    )

    def hung_up():
        # Between invocations the listener stands still, and notices nothing.
        assert functions.invoke(name, 1).payload == 1
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        return any("hung up" in event["message"] for event in found)

    wait_until(hung_up, what="the listener is hung up on")
    logged(name, "platform.runtimeDone")
