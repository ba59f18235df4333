"""Lambda: event source mappings of SQS queues."""

import json

import pytest
from botocore.exceptions import ClientError

from functions import Functions
from kobel import arn
from waiting import receive, wait_until


@pytest.fixture
def queue(sqs, name):
    return sqs.create_queue(QueueName=name)["QueueUrl"]


@pytest.fixture
def mapping(lambda_, functions, queue, name):
    """A mapping of a queue and a function of one name."""
    functions.create(name, "handlers.batch")
    return create(lambda_, name)


def create(lambda_, name, **arguments):
    created = lambda_.create_event_source_mapping(
        EventSourceArn=arn("sqs", name), FunctionName=name, **arguments
    )
    wait_state(lambda_, created["UUID"], "Disabled" if arguments.get("Enabled") is False else "Enabled")
    return created


def wait_state(lambda_, uuid, state):
    wait_until(lambda: lambda_.get_event_source_mapping(UUID=uuid)["State"] == state, what=f"{uuid} is {state}")


def bodies_seen(logs, name):
    """Every body that the handler printed, over all its batches."""
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="batch")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [body for e in events for body in json.loads(e["message"].removeprefix("batch "))]


def is_empty(sqs, queue):
    got = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    return got["ApproximateNumberOfMessages"] == got["ApproximateNumberOfMessagesNotVisible"] == "0"


def error_of(error):
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_a_mapping_has_the_defaults_of_aws(lambda_, mapping, name):
    assert mapping["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert mapping["FunctionArn"] == arn("lambda", f"function:{name}")
    assert mapping["EventSourceArn"] == arn("sqs", name)
    assert mapping["EventSourceMappingArn"] == arn("lambda", f"event-source-mapping:{mapping['UUID']}")
    assert (mapping["State"], mapping["StateTransitionReason"]) == ("Creating", "USER_INITIATED")
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (10, 0)
    assert mapping["FunctionResponseTypes"] == []


def test_messages_are_handled_and_deleted(lambda_, sqs, logs, mapping, queue, name):
    for i in range(25):
        sqs.send_message(QueueUrl=queue, MessageBody=f"m{i}")
    wait_until(lambda: sorted(bodies_seen(logs, name)) == sorted(f"m{i}" for i in range(25)))
    wait_until(lambda: is_empty(sqs, queue))


def test_the_event_is_that_of_aws(lambda_, sqs, logs, functions, queue, name):
    functions.create(name, "handlers.log_event")
    create(lambda_, name, BatchSize=1)
    attributes = {"n": {"DataType": "Number", "StringValue": "6"}}
    sent = sqs.send_message(QueueUrl=queue, MessageBody="acorn", MessageAttributes=attributes)

    def logged():
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="EVENT")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return events and events[0]["message"]

    (record,) = json.loads(wait_until(logged).removeprefix("EVENT "))["Records"]
    assert (record["messageId"], record["body"]) == (sent["MessageId"], "acorn")
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert (record["eventSource"], record["eventSourceARN"]) == ("aws:sqs", arn("sqs", name))
    assert record["awsRegion"] == "us-east-1"
    assert set(record["attributes"]) >= {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }
    assert record["messageAttributes"]["n"]["stringValue"] == "6"
    assert record["messageAttributes"]["n"]["dataType"] == "Number"


def test_only_failed_messages_come_back_with_partial_responses(virtual, name):
    """They come back until the redrive policy of the queue moves them."""
    lambda_, sqs, logs = (virtual.client(s) for s in ("lambda", "sqs", "logs"))
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": arn("sqs", f"{name}-dead"), "maxReceiveCount": 3}
    queue = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(redrive)})["QueueUrl"]
    Functions(virtual).create(name, "handlers.batch")
    create(lambda_, name, FunctionResponseTypes=["ReportBatchItemFailures"])
    entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(["ok 1", "fail 2", "ok 3"])]
    sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    (message,) = receive(sqs, dead)
    assert message["Body"] == "fail 2"
    wait_until(lambda: is_empty(sqs, queue))
    wait_until(lambda: sorted(bodies_seen(logs, name)) == ["fail 2"] * 3 + ["ok 1", "ok 3"])


def test_a_failed_batch_comes_back_whole(virtual, name):
    lambda_, sqs = virtual.client("lambda"), virtual.client("sqs")
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": arn("sqs", f"{name}-dead"), "maxReceiveCount": 2}
    queue = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(redrive)})["QueueUrl"]
    Functions(virtual).create(name, "handlers.batch_raises")
    create(lambda_, name)
    for i in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=str(i))
    assert sorted(m["Body"] for m in receive(sqs, dead, count=3)) == ["0", "1", "2"]


def test_a_batching_window_collects(virtual, name):
    lambda_, sqs, logs = (virtual.client(s) for s in ("lambda", "sqs", "logs"))
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    Functions(virtual).create(name, "handlers.batch")
    create(lambda_, name, BatchSize=100, MaximumBatchingWindowInSeconds=300, Enabled=False)
    uuid = lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]["UUID"]
    for i in range(30):
        sqs.send_message(QueueUrl=queue, MessageBody=str(i))
    lambda_.update_event_source_mapping(UUID=uuid, Enabled=True)
    wait_until(lambda: len(bodies_seen(logs, name)) == 30)
    batches = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="batch")["events"]
    assert len(batches) == 1


def test_filters_are_refused_until_there_is_an_engine_for_them(lambda_, functions, queue, name):
    functions.create(name, "handlers.batch")
    pattern = json.dumps({"body": {"kind": ["oak"]}})
    with pytest.raises(ClientError, match="does not implement FilterCriteria"):
        create(lambda_, name, FilterCriteria={"Filters": [{"Pattern": pattern}]})


def test_a_disabled_mapping_leaves_messages_alone(lambda_, sqs, logs, functions, queue, name):
    functions.create(name, "handlers.batch")
    created = create(lambda_, name, Enabled=False)
    sqs.send_message(QueueUrl=queue, MessageBody="later")
    assert not is_empty(sqs, queue)
    lambda_.update_event_source_mapping(UUID=created["UUID"], Enabled=True)
    wait_until(lambda: bodies_seen(logs, name) == ["later"])
    lambda_.update_event_source_mapping(UUID=created["UUID"], Enabled=False)
    wait_state(lambda_, created["UUID"], "Disabled")


def test_a_mapping_is_listed_updated_and_deleted(lambda_, mapping, name):
    uuid = mapping["UUID"]
    by_function = lambda_.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    by_source = lambda_.list_event_source_mappings(EventSourceArn=arn("sqs", name))["EventSourceMappings"]
    assert [m["UUID"] for m in by_function] == [m["UUID"] for m in by_source] == [uuid]
    assert lambda_.update_event_source_mapping(UUID=uuid, BatchSize=5)["BatchSize"] == 5
    wait_state(lambda_, uuid, "Enabled")
    assert lambda_.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"

    def gone():
        try:
            lambda_.get_event_source_mapping(UUID=uuid)
        except lambda_.exceptions.ResourceNotFoundException as error:
            assert str(error).endswith("The resource you requested does not exist.")
            return True

    wait_until(gone)


def test_a_pair_is_mapped_once(lambda_, mapping, name):
    with pytest.raises(ClientError) as error:
        create(lambda_, name)
    assert error_of(error) == (
        "ResourceConflictException",
        409,
        f'An event source mapping with SQS arn (" {arn("sqs", name)} ") and function (" {name} ") already exists. '
        f"Please update or delete the existing mapping with UUID {mapping['UUID']}",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"BatchSize": 11}, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"),
        ({"DestinationConfig": {"OnFailure": {"Destination": arn("sqs", "x")}}}, "Unsupported DestinationConfig parameter for given event source mapping type."),
    ],
    ids=["window", "destination"],
)  # fmt: skip
def test_wrong_settings_are_named(lambda_, functions, queue, name, arguments, message):
    functions.create(name)
    with pytest.raises(ClientError) as error:
        create(lambda_, name, **arguments)
    assert error_of(error) == ("InvalidParameterValueException", 400, message)


def test_a_missing_queue_or_function_is_named(lambda_, functions, sqs, name):
    functions.create(name)
    with pytest.raises(ClientError) as error:
        create(lambda_, name)
    text = (
        "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
        "SQS Error Message: The specified queue does not exist."
    )
    assert error_of(error) == ("InvalidParameterValueException", 400, text)
    sqs.create_queue(QueueName=f"{name}-q")
    with pytest.raises(ClientError) as error:
        create(lambda_, f"{name}-q")
    assert error_of(error) == ("InvalidParameterValueException", 400, "Function does not exist")


def test_a_short_visibility_timeout_is_refused(lambda_, functions, sqs, name):
    sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5"})
    functions.create(name, Timeout=10)
    with pytest.raises(ClientError) as error:
        create(lambda_, name)
    text = "Queue visibility timeout: 5 seconds is less than Function timeout: 10 seconds"
    assert error_of(error)[0] == "InvalidParameterValueException"
    assert text in error_of(error)[2]
