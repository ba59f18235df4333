"""Lambda: asynchronous invocation on virtual time: retries, event age, destinations, dead-letter targets."""

import json
import re
import time

import pytest
from botocore.exceptions import ClientError

from kobel import REGION, arn
from waiting import receive, wait_until

TEST_S_MAX = 5
"""No test of a path that takes minutes of virtual time may take longer than this in real time."""


@pytest.fixture
def functions(virtual_functions):
    return virtual_functions


@pytest.fixture
def lambda_(virtual):
    return virtual.client("lambda")


@pytest.fixture
def sqs(virtual):
    return virtual.client("sqs")


@pytest.fixture
def queues(sqs, name):
    """Three queues by role, as `{role: url}`; their ARNs by `arn("sqs", f"{name}-{role}")`."""
    return {role: sqs.create_queue(QueueName=f"{name}-{role}")["QueueUrl"] for role in ("ok", "failed", "dead")}


@pytest.fixture
def destinations(name):
    return {
        "OnSuccess": {"Destination": arn("sqs", f"{name}-ok")},
        "OnFailure": {"Destination": arn("sqs", f"{name}-failed")},
    }


def record_from(sqs, url):
    return json.loads(receive(sqs, url)[0]["Body"])


def test_a_success_goes_to_its_destination(lambda_, sqs, functions, queues, destinations, name):
    functions.create(name, "handlers.raise_when_asked")
    lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig=destinations)
    request_id = functions.send(name, {"id": 7})
    record = record_from(sqs, queues["ok"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": arn("lambda", f"function:{name}:$LATEST"),
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"id": 7},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"done": 7},
    }


def test_a_failure_is_tried_three_times_in_three_minutes(virtual, lambda_, sqs, functions, queues, destinations, name):
    functions.create(name, "handlers.raise_when_asked", DeadLetterConfig={"TargetArn": arn("sqs", f"{name}-dead")})
    lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig=destinations)
    event = {"fail": "hollow"}
    started = time.monotonic()
    request_id = functions.send(name, event)

    record = record_from(sqs, queues["failed"])
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": arn("lambda", f"function:{name}:$LATEST"),
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["requestPayload"] == event
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert (record["responsePayload"]["errorType"], record["responsePayload"]["errorMessage"]) == ("ValueError", "hollow")

    (dead,) = receive(sqs, queues["dead"])
    assert json.loads(dead["Body"]) == event
    assert dead["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "hollow"},
    }
    assert time.monotonic() - started < TEST_S_MAX

    starts = attempt_times(virtual, name, request_id, 3)
    assert 59_000 <= starts[1] - starts[0] <= 75_000
    assert 119_000 <= starts[2] - starts[1] <= 135_000


def attempt_times(virtual, name, request_id, count):
    """When each attempt began, in ms, from the START lines: every attempt has the id of the event."""
    logs = virtual.client("logs")

    def starts():
        events = logs.filter_log_events(
            logGroupName=f"/aws/lambda/{name}", filterPattern=f'"START RequestId: {request_id}"'
        )["events"]
        return sorted(e["timestamp"] for e in events) if len(events) >= count else None

    return wait_until(starts)


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2)])
def test_retries_are_configured(lambda_, sqs, functions, queues, destinations, name, retries, attempts):
    functions.create(name, "handlers.raise_when_asked")
    lambda_.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=retries, DestinationConfig=destinations
    )
    functions.send(name, {"fail": "x"})
    context = record_from(sqs, queues["failed"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", attempts)


@pytest.mark.parametrize(("age", "attempts"), [(60, 1), (90, 2)])
def test_an_event_that_would_be_too_old_is_dropped_without_waiting(
    lambda_, sqs, functions, queues, destinations, name, age, attempts
):
    functions.create(name, "handlers.raise_when_asked")
    lambda_.put_function_event_invoke_config(
        FunctionName=name, MaximumEventAgeInSeconds=age, DestinationConfig=destinations
    )
    functions.send(name, {"fail": "x"})
    context = record_from(sqs, queues["failed"])["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", attempts)


def test_reserved_concurrency_of_zero_drops_at_once(lambda_, sqs, functions, queues, destinations, name):
    functions.create(name, "handlers.echo", DeadLetterConfig={"TargetArn": arn("sqs", f"{name}-dead")})
    lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig=destinations)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    functions.send(name, {"id": 1})
    record = record_from(sqs, queues["failed"])
    context = record["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("ZeroReservedConcurrency", 0)
    assert "responsePayload" not in record
    assert receive(sqs, queues["dead"])


def test_throttled_events_wait_and_all_succeed(lambda_, sqs, functions, queues, destinations, name):
    functions.create(name, "handlers.raise_when_asked")
    lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig=destinations)
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    sent = {functions.send(name, {"id": i}) for i in range(10)}
    records = [json.loads(m["Body"]) for m in receive(sqs, queues["ok"], count=10, timeout_s=40)]
    assert {r["requestContext"]["requestId"] for r in records} == sent
    assert {r["requestContext"]["approximateInvokeCount"] for r in records} == {1}


def test_a_destination_may_be_a_function_or_a_topic(virtual, lambda_, sqs, functions, queues, name):
    topic = virtual.client("sns").create_topic(Name=name)["TopicArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [statement | {"Resource": arn("sqs", f"{name}-ok")}]}
    sqs.set_queue_attributes(QueueUrl=queues["ok"], Attributes={"Policy": json.dumps(policy)})
    virtual.client("sns").subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn("sqs", f"{name}-ok"),
        Attributes={"RawMessageDelivery": "true"},
    )
    functions.create(f"{name}-2", "handlers.echo")
    functions.create(name, "handlers.echo")
    second = {"OnSuccess": {"Destination": arn("lambda", f"function:{name}-2")}}
    lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig=second)
    lambda_.put_function_event_invoke_config(
        FunctionName=f"{name}-2", DestinationConfig={"OnSuccess": {"Destination": topic}}
    )
    functions.send(name, {"id": 1})
    outer = record_from(sqs, queues["ok"])
    assert outer["requestContext"]["functionArn"] == arn("lambda", f"function:{name}-2:$LATEST")
    assert outer["requestPayload"]["requestPayload"] == {"id": 1}
    assert outer["requestPayload"]["requestContext"]["functionArn"] == arn("lambda", f"function:{name}:$LATEST")


def test_results_that_are_no_objects_are_passed_as_they_are(lambda_, sqs, functions, queues, destinations, name):
    functions.create(name, "handlers.echo")
    lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig=destinations)
    for value in (None, "text", 3, [1]):
        functions.send(name, value)
    got = [json.loads(m["Body"])["responsePayload"] for m in receive(sqs, queues["ok"], count=4)]
    assert sorted(map(str, got)) == sorted(map(str, [None, "text", 3, [1]]))


def test_a_large_event_is_accepted_up_to_one_megabyte(lambda_, functions, name):
    functions.create(name, "handlers.nothing")
    functions.send(name, "x" * 900_000)
    with pytest.raises(ClientError) as error:
        functions.send(name, "x" * 1_100_000)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


class TestConfiguration:
    @pytest.fixture
    def function(self, functions, name):
        functions.create(name)
        return name

    def test_put_replaces_and_update_merges(self, lambda_, function):
        put = lambda_.put_function_event_invoke_config(
            FunctionName=function, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=3600
        )
        assert put["FunctionArn"] == f"arn:aws:lambda:{REGION}:000000000000:function:{function}:$LATEST"
        assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
        lambda_.update_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
        got = lambda_.get_function_event_invoke_config(FunctionName=function)
        assert (got["MaximumRetryAttempts"], got["MaximumEventAgeInSeconds"]) == (0, 3600)
        put = lambda_.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=2)
        assert "MaximumEventAgeInSeconds" not in put

    def test_a_deleted_configuration_is_gone(self, lambda_, function):
        lambda_.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=1)
        lambda_.delete_function_event_invoke_config(FunctionName=function)
        for call in (lambda_.get_function_event_invoke_config, lambda_.delete_function_event_invoke_config):
            with pytest.raises(ClientError) as error:
                call(FunctionName=function)
            assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
            assert f"function:{function}:$LATEST doesn't have an EventInvokeConfig" in str(error.value)

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ({}, "InvalidParameterValueException", "You must specify at least one of error handling or destination setting."),
            ({"MaximumRetryAttempts": 3}, "ValidationException", "Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: Member must have value less than or equal to 2"),
            ({"MaximumEventAgeInSeconds": 59}, "ValidationException", "Value '59' at 'maximumEventAgeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 60"),
        ],
        ids=["nothing", "retries", "age"],
    )  # fmt: skip
    def test_wrong_settings_are_named(self, virtual, function, arguments, code, message):
        lambda_ = virtual.client("lambda", parameter_validation=False)
        with pytest.raises(ClientError) as error:
            lambda_.put_function_event_invoke_config(FunctionName=function, **arguments)
        assert error.value.response["Error"]["Code"] == code
        assert message in error.value.response["Error"]["Message"]

    def test_a_function_is_no_destination_of_itself(self, lambda_, function):
        with pytest.raises(ClientError, match="You can't specify the function as a destination for itself."):
            lambda_.put_function_event_invoke_config(
                FunctionName=function,
                DestinationConfig={"OnFailure": {"Destination": arn("lambda", f"function:{function}")}},
            )

    def test_a_missing_function_is_named(self, lambda_, name):
        with pytest.raises(ClientError, match="The function doesn't exist."):
            lambda_.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
