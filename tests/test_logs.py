"""CloudWatch Logs: groups, streams, events, filters."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from kobel import arn


@pytest.fixture
def group(logs, name):
    logs.create_log_group(logGroupName=f"/tests/{name}")
    return f"/tests/{name}"


@pytest.fixture
def stream(logs, group):
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    return "s"


def put(logs, group, *messages, stream="s", start=None):
    start = start or int(time.time() * 1000)
    events = [{"timestamp": start + i, "message": m} for i, m in enumerate(messages)]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def found(logs, group, pattern):
    return [e["message"] for e in logs.filter_log_events(logGroupName=group, filterPattern=pattern)["events"]]


def test_groups_are_described_by_prefix(logs, group):
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert described["logGroupName"] == group
    assert described["arn"] == arn("logs", f"log-group:{group}:*")
    with pytest.raises(ClientError, match="The specified log group already exists") as error:
        logs.create_log_group(logGroupName=group)
    assert error.value.response["Error"]["Code"] == "ResourceAlreadyExistsException"


def test_streams_are_described_in_order(logs, group):
    for stream in ("b", "a", "c"):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    put(logs, group, "new", stream="b")
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert [s["logStreamName"] for s in streams] == ["a", "b", "c"]
    assert streams[0]["arn"] == arn("logs", f"log-group:{group}:log-stream:a")
    latest = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=1)
    assert latest["logStreams"][0]["logStreamName"] == "b"
    with pytest.raises(ClientError, match="The specified log stream already exists"):
        logs.create_log_stream(logGroupName=group, logStreamName="a")


def test_events_are_read_back_in_order_with_tokens(logs, group, stream):
    put(logs, group, *[f"m{i}" for i in range(5)])
    arguments = {"logGroupName": group, "logStreamName": stream}
    first = logs.get_log_events(**arguments, startFromHead=True, limit=3)
    assert [e["message"] for e in first["events"]] == ["m0", "m1", "m2"]
    assert {"timestamp", "ingestionTime"} <= set(first["events"][0])
    rest = logs.get_log_events(**arguments, startFromHead=True, nextToken=first["nextForwardToken"])
    assert [e["message"] for e in rest["events"]] == ["m3", "m4"]
    end = logs.get_log_events(**arguments, startFromHead=True, nextToken=rest["nextForwardToken"])
    assert (end["events"], end["nextForwardToken"]) == ([], rest["nextForwardToken"])
    latest = logs.get_log_events(**arguments, limit=2)
    assert [e["message"] for e in latest["events"]] == ["m3", "m4"]


def test_events_are_selected_by_time(logs, group, stream):
    start = int(time.time() * 1000) - 10_000
    put(logs, group, "m0", "m1", "m2", start=start)
    reply = logs.get_log_events(
        logGroupName=group, logStreamName=stream, startTime=start + 1, endTime=start + 2, startFromHead=True
    )
    assert [e["message"] for e in reply["events"]] == ["m1"]


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("", ["ERROR one", "WARN two", "error three", '{"level":"ERROR","ms":12}']),
        ("ERROR", ["ERROR one", '{"level":"ERROR","ms":12}']),
        ("ERROR one", ["ERROR one"]),
        ("?one ?two", ["ERROR one", "WARN two"]),
        ("ERROR -one", ['{"level":"ERROR","ms":12}']),
        ('"WARN two"', ["WARN two"]),
        ('{ $.level = "ERR*" && $.ms > 10 }', ['{"level":"ERROR","ms":12}']),
    ],
)
def test_filter_patterns_select(logs, group, stream, pattern, matching):
    put(logs, group, "ERROR one", "WARN two", "error three", '{"level":"ERROR","ms":12}')
    assert found(logs, group, pattern) == matching


def test_filtering_goes_over_streams_in_pages(logs, group):
    now = int(time.time() * 1000)
    for i, stream in enumerate(("x/1", "x/2", "y")):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        put(logs, group, f"{stream} first", f"{stream} second", stream=stream, start=now - 100 + 10 * i)
    pages = list(
        logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, logStreamNamePrefix="x/", PaginationConfig={"PageSize": 1}
        )
    )
    events = [e for p in pages for e in p["events"]]
    assert [e["message"] for e in events] == ["x/1 first", "x/1 second", "x/2 first", "x/2 second"]
    assert len({e["eventId"] for e in events}) == 4


def test_events_out_of_order_are_refused(logs, group, stream):
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": "b"}, {"timestamp": now - 1, "message": "a"}]
    with pytest.raises(
        ClientError, match="Log events in a single PutLogEvents request must be in chronological order."
    ) as error:
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    assert error.value.response["Error"]["Code"] == "InvalidParameterException"


def test_events_too_new_are_rejected_by_index(logs, group, stream):
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": "now"}, {"timestamp": now + 3 * 3_600_000, "message": "later"}]
    reply = logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
    assert reply["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"] == 1
    assert found(logs, group, "") == ["now"]


def test_missing_groups_and_streams_are_told_apart(logs, group):
    with pytest.raises(ClientError, match="The specified log group does not exist.") as error:
        put(logs, f"{group}-none", "x")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    with pytest.raises(ClientError, match="The specified log stream does not exist."):
        put(logs, group, "x", stream="none")


def test_a_deleted_group_is_gone(logs, group, stream):
    logs.delete_log_group(logGroupName=group)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []


def test_the_cli_filters_a_group(server, logs, group, stream):
    put(logs, group, "for the shell")
    reply = json.loads(server.aws("logs", "filter-log-events", "--log-group-name", group).stdout)
    assert reply["events"][0]["message"] == "for the shell"
