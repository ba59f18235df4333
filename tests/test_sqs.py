"""SQS: queues, messages, visibility, redrive, batches, FIFO queues."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from kobel import ACCOUNT, arn
from waiting import receive, wait_until


@pytest.fixture
def queue(sqs, name):
    return sqs.create_queue(QueueName=name)["QueueUrl"]


def attributes(sqs, queue, *names):
    return sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(names))["Attributes"]


def test_a_queue_has_the_defaults_of_aws(sqs, server, queue, name):
    assert queue == f"{server.endpoint}/{ACCOUNT}/{name}"
    got = attributes(sqs, queue, "All")
    assert set(got) == {
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "CreatedTimestamp",
        "DelaySeconds",
        "LastModifiedTimestamp",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "QueueArn",
        "ReceiveMessageWaitTimeSeconds",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    }
    assert got["QueueArn"] == arn("sqs", name)
    assert (got["VisibilityTimeout"], got["MessageRetentionPeriod"]) == ("30", "345600")
    assert got["MaximumMessageSize"] == "1048576"


def test_creating_again_depends_on_the_attributes(sqs, queue, name):
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == queue
    with pytest.raises(ClientError, match="different value for attribute VisibilityTimeout") as error:
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5"})
    assert error.value.response["Error"]["Code"] == "QueueAlreadyExists"


def test_queues_are_found_by_name_and_prefix(sqs, queue, name):
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == queue
    assert sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [queue]
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix=f"{name}-none")


def test_a_missing_queue_has_the_code_of_the_query_protocol(sqs, name):
    with pytest.raises(ClientError, match="The specified queue does not exist.") as error:
        sqs.get_queue_url(QueueName=name)
    assert error.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert isinstance(error.value, sqs.exceptions.QueueDoesNotExist)


def test_a_message_is_received_with_attributes_and_deleted(sqs, queue):
    sent = sqs.send_message(
        QueueUrl=queue,
        MessageBody="acorn",
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "oak"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    )
    assert sent["MD5OfMessageBody"] == hashlib.md5(b"acorn").hexdigest()
    (message,) = receive(sqs, queue)
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "acorn")
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["MessageAttributes"]["kind"] == {"DataType": "String", "StringValue": "oak"}
    assert message["MessageAttributes"]["raw"]["BinaryValue"] == b"\x00\x01"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert set(message["Attributes"]) >= {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"}
    assert attributes(sqs, queue, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"] == "0"


def test_attributes_come_only_when_asked_for(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="b", MessageAttributes={"k": {"DataType": "Number", "StringValue": "6"}})
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert set(message) == {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}


def test_a_received_message_is_hidden_until_its_visibility_is_changed(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="b")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    counts = attributes(sqs, queue, "All")
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "1"
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    (again,) = receive(sqs, queue)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_long_poll_ends_when_a_message_arrives(sqs, server, queue):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20)
        wait_until(waiting.running)
        server.client("sqs", read_timeout=30).send_message(QueueUrl=queue, MessageBody="now")
        assert waiting.result(timeout=10)["Messages"][0]["Body"] == "now"


def test_redelivers_after_visibility_timeout(virtual, name):
    sqs = virtual.client("sqs")
    queue = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="b")
    assert sqs.receive_message(QueueUrl=queue)["Messages"]
    (again,) = receive(sqs, queue, timeout_s=30)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_delayed_message_appears_after_its_delay(virtual, name):
    sqs = virtual.client("sqs")
    queue = sqs.create_queue(QueueName=name, Attributes={"DelaySeconds": "900"})["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="late")
    (message,) = receive(sqs, queue)
    waited_ms = int(message["Attributes"]["ApproximateFirstReceiveTimestamp"]) - int(message["Attributes"]["SentTimestamp"])
    assert waited_ms >= 900_000


def test_a_message_received_too_often_moves_to_the_dead_letter_queue(sqs, name):
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": arn("sqs", f"{name}-dead"), "maxReceiveCount": 2})
    queue = sqs.create_queue(
        QueueName=name, Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "0"}
    )["QueueUrl"]
    sent = sqs.send_message(QueueUrl=queue, MessageBody="bitter")
    for _ in range(2):
        assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    (message,) = receive(sqs, dead)
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "bitter")
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn("sqs", name)


def test_a_batch_reports_each_entry(sqs, name):
    queue = sqs.create_queue(QueueName=name, Attributes={"MaximumMessageSize": "1024"})["QueueUrl"]
    entries = [{"Id": "ok", "MessageBody": "a"}, {"Id": "long", "MessageBody": "x" * 1025}]
    reply = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert [s["Id"] for s in reply["Successful"]] == ["ok"]
    (failed,) = reply["Failed"]
    assert (failed["Id"], failed["SenderFault"], failed["Code"]) == ("long", True, "InvalidParameterValue")
    assert failed["Message"].endswith("Message must be shorter than 1024 bytes.")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    deleted = sqs.delete_message_batch(
        QueueUrl=queue, Entries=[{"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}]
    )
    assert deleted["Successful"] == [{"Id": "1"}]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "AWS.SimpleQueueService.EmptyBatchRequest"),
        ([{"Id": "a", "MessageBody": "1"}] * 2, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "MessageBody": "1"}], "AWS.SimpleQueueService.InvalidBatchEntryId"),
        ([{"Id": str(i), "MessageBody": "1"} for i in range(11)], "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
    ],
)
def test_a_malformed_batch_is_refused_whole(sqs, queue, entries, code):
    with pytest.raises(ClientError) as error:
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert error.value.response["Error"]["Code"] == code
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"MaxNumberOfMessages": 11}, "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."),
        ({"WaitTimeSeconds": 21}, "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."),
    ],
)
def test_receive_parameters_out_of_range_are_refused(sqs, queue, arguments, message):
    with pytest.raises(ClientError) as error:
        sqs.receive_message(QueueUrl=queue, **arguments)
    assert error.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert error.value.response["Error"]["Message"] == message


def test_an_unknown_receipt_handle_is_refused(sqs, queue):
    with pytest.raises(ClientError, match="is not a valid receipt handle") as error:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="nonsense")
    assert error.value.response["Error"]["Code"] == "ReceiptHandleIsInvalid"


def test_purge_empties_once_a_minute(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="b")
    sqs.purge_queue(QueueUrl=queue)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    with pytest.raises(ClientError, match="every 60 seconds") as error:
        sqs.purge_queue(QueueUrl=queue)
    assert error.value.response["Error"]["Code"] == "AWS.SimpleQueueService.PurgeQueueInProgress"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_tags_are_kept(sqs, queue):
    sqs.tag_queue(QueueUrl=queue, Tags={"tree": "oak", "age": "9"})
    sqs.untag_queue(QueueUrl=queue, TagKeys=["age"])
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"tree": "oak"}


def test_a_deleted_queue_is_gone(sqs, queue, name):
    sqs.delete_queue(QueueUrl=queue)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.send_message(QueueUrl=queue, MessageBody="b")


def test_the_cli_sends_and_receives(server, queue):
    server.aws("sqs", "send-message", "--queue-url", queue, "--message-body", "from the shell")
    reply = json.loads(server.aws("sqs", "receive-message", "--queue-url", queue, "--wait-time-seconds", "5").stdout)
    assert reply["Messages"][0]["Body"] == "from the shell"
