"""SNS: topics, subscriptions, fan-out to queues and functions."""

import json

import pytest
from botocore.exceptions import ClientError

from kobel import ACCOUNT, arn
from waiting import receive, wait_until


@pytest.fixture
def topic(sns, name):
    return sns.create_topic(Name=name)["TopicArn"]


@pytest.fixture
def queue(sqs, name):
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [statement | {"Resource": arn("sqs", name)}]}
    return sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy)})["QueueUrl"]


def subscribe(sns, topic, name, **attributes):
    return sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", name), Attributes=attributes, ReturnSubscriptionArn=True
    )["SubscriptionArn"]


def test_a_topic_has_its_arn_and_attributes(sns, topic, name):
    assert topic == arn("sns", name)
    assert sns.create_topic(Name=name)["TopicArn"] == topic
    got = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (got["TopicArn"], got["Owner"], got["DisplayName"]) == (topic, ACCOUNT, "")
    assert (got["SubscriptionsConfirmed"], got["SubscriptionsPending"]) == ("0", "0")
    assert topic in [t["TopicArn"] for p in sns.get_paginator("list_topics").paginate() for t in p["Topics"]]


def test_a_display_name_is_set(sns, topic):
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Nuts")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"] == "Nuts"


def test_a_queue_receives_the_envelope(sns, sqs, topic, queue, name):
    subscription = subscribe(sns, topic, name)
    assert subscription.startswith(f"{topic}:")
    sent = sns.publish(
        TopicArn=topic,
        Message="acorn",
        Subject="News",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "oak"}},
    )
    (message,) = receive(sqs, queue)
    body = json.loads(message["Body"])
    assert body["Type"] == "Notification"
    assert (body["MessageId"], body["TopicArn"]) == (sent["MessageId"], topic)
    assert (body["Subject"], body["Message"]) == ("News", "acorn")
    assert body["MessageAttributes"] == {"kind": {"Type": "String", "Value": "oak"}}
    assert {"Timestamp", "SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL"} <= set(body)


def test_absent_subject_and_attributes_are_left_out_of_the_envelope(sns, sqs, topic, queue, name):
    subscribe(sns, topic, name)
    sns.publish(TopicArn=topic, Message="plain")
    body = json.loads(receive(sqs, queue)[0]["Body"])
    assert "Subject" not in body
    assert "MessageAttributes" not in body


def test_raw_delivery_passes_message_and_attributes_on(sns, sqs, topic, queue, name):
    subscribe(sns, topic, name, RawMessageDelivery="true")
    attributes = {"kind": {"DataType": "String", "StringValue": "oak"}}
    sns.publish(TopicArn=topic, Message="acorn", MessageAttributes=attributes)
    (message,) = receive(sqs, queue)
    assert message["Body"] == "acorn"
    assert message["MessageAttributes"] == attributes


def test_a_filter_policy_selects_messages(sns, sqs, topic, queue, name):
    subscribe(sns, topic, name, FilterPolicy=json.dumps({"kind": ["oak", {"prefix": "ha"}]}))
    for kind in ("beech", "hazel", "oak"):
        sns.publish(
            TopicArn=topic, Message=kind, MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}}
        )
    bodies = {json.loads(m["Body"])["Message"] for m in receive(sqs, queue, count=2)}
    assert bodies == {"hazel", "oak"}


def test_a_function_receives_the_sns_event(sns, logs, topic, functions, name):
    functions.create(name, "handlers.log_event")
    functions.lambda_.add_permission(
        FunctionName=name,
        StatementId="sns",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn("lambda", f"function:{name}"))
    sns.publish(TopicArn=topic, Message="acorn")

    def logged():
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="EVENT")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return events and events[0]["message"]

    event = json.loads(wait_until(logged).removeprefix("EVENT "))
    (record,) = event["Records"]
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    assert record["EventSubscriptionArn"].startswith(f"{topic}:")
    sns_part = record["Sns"]
    assert (sns_part["Message"], sns_part["Subject"], sns_part["MessageAttributes"]) == ("acorn", None, {})
    assert {"SigningCertUrl", "UnsubscribeUrl"} <= set(sns_part)


def test_subscriptions_are_listed_changed_and_removed(sns, topic, queue, name):
    subscription = subscribe(sns, topic, name)
    assert subscribe(sns, topic, name) == subscription
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (listed["Protocol"], listed["Endpoint"], listed["Owner"]) == ("sqs", arn("sqs", name), ACCOUNT)
    sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true"
    )
    got = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert (got["RawMessageDelivery"], got["PendingConfirmation"]) == ("true", "false")
    for _ in range(2):
        sns.unsubscribe(SubscriptionArn=subscription)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    with pytest.raises(ClientError, match="Subscription does not exist") as error:
        sns.get_subscription_attributes(SubscriptionArn=subscription)
    assert error.value.response["Error"]["Code"] == "NotFound"


def test_a_batch_is_published(sns, sqs, topic, queue, name):
    subscribe(sns, topic, name, RawMessageDelivery="true")
    entries = [{"Id": str(i), "Message": f"m{i}"} for i in range(3)]
    reply = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert sorted(s["Id"] for s in reply["Successful"]) == ["0", "1", "2"]
    assert sorted(m["Body"] for m in receive(sqs, queue, count=3)) == ["m0", "m1", "m2"]


def test_deleting_a_topic_is_idempotent(sns, topic):
    for _ in range(2):
        sns.delete_topic(TopicArn=topic)
    with pytest.raises(ClientError, match="Topic does not exist") as error:
        sns.publish(TopicArn=topic, Message="x")
    assert error.value.response["Error"]["Code"] == "NotFound"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c, t: c.publish(TopicArn=t, Message=""), "Invalid parameter: Empty message"),
        (lambda c, t: c.publish(TopicArn=t, Message="x" * 262145), "Invalid parameter: Message too long"),
        (
            lambda c, t: c.subscribe(TopicArn=t, Protocol="pigeon", Endpoint="e"),
            "Invalid parameter: Amazon SNS does not support this protocol string: pigeon",
        ),
        (
            lambda c, t: c.subscribe(TopicArn=t, Protocol="sqs", Endpoint="http://127.0.0.1/q"),
            "Invalid parameter: SQS endpoint ARN",
        ),
    ],
    ids=["empty", "long", "protocol", "endpoint"],
)
def test_bad_parameters_are_named(sns, topic, call, message):
    with pytest.raises(ClientError) as error:
        call(sns, topic)
    assert error.value.response["Error"]["Code"] == "InvalidParameter"
    assert error.value.response["Error"]["Message"] == message


def test_tags_are_kept(sns, topic):
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "tree", "Value": "oak"}, {"Key": "age", "Value": "9"}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["age"])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "tree", "Value": "oak"}]
