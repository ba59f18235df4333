"""Standby: environments of functions in use that were started ahead of their first invocation."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from functions import Functions, zipped
from kobel import Server
from waiting import wait_until

# Tells when its environment was initialised, and which one it is.
SOURCE = """
import os, time
initialised = time.time()

def handler(event, context):
    began = time.time()
    if event.get("hold"):
        print("holds")
        time.sleep(HOLD_S)
    return {"version": VERSION, "initialised": initialised, "began": began, "stream": context.log_stream_name,
            "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]}
"""
USES = 3
"""So many invocations put a function in use."""


HOLD_S = 4
"""For so long a function is busy that was told to hold."""


def code(version):
    return zipped({"app.py": SOURCE.replace("VERSION", str(version)).replace("HOLD_S", str(HOLD_S))})


@pytest.fixture
def used(server, functions, name):
    """A function that has been used until one of its environments stands by."""
    functions.create(name, "app.handler", Code={"ZipFile": code(1)})
    streams = {functions.invoke(name, {}).payload["stream"] for _ in range(USES)}
    assert len(streams) == 1
    wait_until(lambda: steps(server, name, "init"), what="an environment stands by")
    return name


def steps(server, name, action):
    """The journal's events of a function."""
    events = requests.get(f"{server.endpoint}/_kobel/events").json()["events"]
    return [event for event in events if event["action"] == action and f":{name}" in event["resource"]]


def streams_with(server, name, pattern):
    """The log streams that have such a line."""
    events = server.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=pattern)
    return {event["logStreamName"] for event in events["events"]}


def two_at_once(server, functions, name):
    """An invocation that holds its environment, and one that came meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(functions.invoke, name, {"hold": True})
        wait_until(lambda: streams_with(server, name, "holds"), what="the first one runs")
        second = functions.invoke(name, {})
        return [holding.result(), second]


def test_a_second_concurrent_invocation_finds_an_environment_that_is_initialised(server, functions, used):
    done = two_at_once(server, functions, used)
    streams = {each.payload["stream"] for each in done}
    assert len(streams) == 2
    wait_until(lambda: streams_with(server, used, "INIT_START") >= streams, what="both inits are in the log")
    for each in done:
        assert each.payload["initialised"] < min(other.payload["began"] for other in done)
        assert each.payload["type"] == "on-demand"
        assert "Init Duration" not in each.log and "INIT_START" not in each.log


def test_the_journal_tells_what_stood_by(server, functions, used):
    (init,) = steps(server, used, "init")
    cause = next(step for step in steps(server, used, "invoke") if step["span"] == init["parent"])
    assert (init["outcome"], init["detail"], init["root"]) == ("ok", "standby", cause["root"])
    two_at_once(server, functions, used)
    assert sum("from standby" in step["detail"] for step in steps(server, used, "invoke")) == 1


def test_no_environment_of_old_code_stands_by(server, functions, used):
    functions.lambda_.update_function_code(FunctionName=used, ZipFile=code(2))
    functions.wait_active(used)
    assert {each.payload["version"] for each in two_at_once(server, functions, used)} == {2}


def test_a_function_used_once_or_twice_sees_no_init_that_it_did_not_cause(server, functions, name):
    functions.create(name, "app.handler", Code={"ZipFile": code(1)})
    for _ in range(USES - 1):
        stream = functions.invoke(name, {}).payload["stream"]
    server.restart()
    assert streams_with(server, name, "INIT_START") == {stream}


@pytest.mark.parametrize("memory", [0, 127])
def test_without_memory_for_it_nothing_stands_by(tmp_path, memory):
    server = Server(tmp_path, "--standby-memory", str(memory)).start()
    try:
        functions = Functions(server)
        functions.create("f", "app.handler", Code={"ZipFile": code(1)})
        streams = {functions.invoke("f", {}).payload["stream"] for _ in range(2 * USES)}
        assert sum("Init Duration" in each.log for each in two_at_once(server, functions, "f")) == 1
        # What was begun has ended once the server has stopped.
        server.restart()
        assert len(streams_with(server, "f", "INIT_START") - streams) == 1
    finally:
        server.stop()
