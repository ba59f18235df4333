"""A loaded server is killed at random moments, again and again: nothing that it acknowledged is lost."""

import itertools
import json
import os
import random
import threading

import pytest
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from functions import Functions, package
from kobel import arn
from waiting import receive

KILLS = 20
ACKNOWLEDGED_BETWEEN_KILLS = (1, 60)
KILL_DELAY_S_MAX = 0.02
EMPTY_RECEIVES_MAX = 6
QUEUE, DONE, BUCKET, WORKER = "crash-messages", "crash-done", "crash-objects", "crash-worker"
ROLE = "arn:aws:iam::000000000000:role/tests"


class Load:
    """Threads that write without pause. What was acknowledged is remembered by kind."""

    def __init__(self, server):
        self.server = server
        self.queue_url = server.client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"]
        self.acknowledged = {"messages": set(), "objects": {}, "deleted": set(), "functions": set(), "events": set()}
        self.progress = threading.Condition()
        self.count = 0
        self.up = threading.Event()
        self.ended = threading.Event()
        self.errors = []
        writers = (self.send_message, self.put_object, self.create_function, self.invoke_asynchronously)
        self.threads = [threading.Thread(target=self.run, args=(w,), daemon=True) for w in writers]

    def start(self):
        self.up.set()
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ended.set()
        self.up.set()
        for thread in self.threads:
            thread.join(timeout=60)
        assert not self.errors, self.errors

    def run(self, write):
        for number in itertools.count():
            self.up.wait()
            if self.ended.is_set():
                return
            try:
                write(number)
            except (ConnectionError, HTTPClientError):
                continue  # the server died before it answered: nothing was promised
            except ClientError as error:
                self.errors.append(error)
                return
            with self.progress:
                self.count += 1
                self.progress.notify_all()

    def wait_for(self, more):
        """Until `more` further writes were acknowledged."""
        with self.progress:
            target = self.count + more
            assert self.progress.wait_for(lambda: self.count >= target or self.errors, timeout=60), self.count
            assert not self.errors, self.errors

    def send_message(self, number):
        body = f"message {number}"
        self.server.client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=body)
        self.acknowledged["messages"].add(body)

    def put_object(self, number):
        key, body = f"{number}", os.urandom(64 + number % 3 * 40_000)
        s3 = self.server.client("s3")
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        self.acknowledged["objects"][key] = body
        if number % 4 == 0:
            # Between the request and its answer the object may be there or not.
            del self.acknowledged["objects"][key]
            s3.delete_object(Bucket=BUCKET, Key=key)
            self.acknowledged["deleted"].add(key)

    def create_function(self, number):
        name = f"crash-{number}"
        self.server.client("lambda").create_function(
            FunctionName=name,
            Role=ROLE,
            Runtime="python3.11",
            Handler="handlers.echo",
            Code={"ZipFile": package("python")},
        )
        self.acknowledged["functions"].add(name)

    def invoke_asynchronously(self, number):
        reply = self.server.client("lambda").invoke(
            FunctionName=WORKER, InvocationType="Event", Payload=json.dumps({"id": number})
        )
        self.acknowledged["events"].add((number, reply["ResponseMetadata"]["RequestId"]))


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_over_twenty_kills(fresh_server):
    server = fresh_server
    seed = int(os.environ.get("KOBEL_CRASH_SEED", random.randrange(2**32)))
    print(f"KOBEL_CRASH_SEED={seed}")
    chance = random.Random(seed)
    prepare(server)
    load = Load(server)
    load.start()
    for _ in range(KILLS):
        load.wait_for(chance.randint(*ACKNOWLEDGED_BETWEEN_KILLS))
        # Not only right after an answer: also in the middle of what follows it.
        threading.Event().wait(chance.uniform(0, KILL_DELAY_S_MAX))
        load.up.clear()
        server.kill()
        server.start()
        load.up.set()
    load.wait_for(20)
    load.stop()
    server.kill()
    server.start()
    verify(server, load.acknowledged)


def prepare(server):
    assert server.role() == ROLE
    sqs = server.client("sqs")
    for queue in (QUEUE, DONE):
        # A message that was received by a client which then died comes back soon.
        sqs.create_queue(QueueName=queue, Attributes={"VisibilityTimeout": "5"})
    server.client("s3").create_bucket(Bucket=BUCKET)
    Functions(server).create(WORKER, "handlers.raise_when_asked")
    server.client("lambda").put_function_event_invoke_config(
        FunctionName=WORKER, DestinationConfig={"OnSuccess": {"Destination": arn("sqs", DONE)}}
    )


def verify(server, acknowledged):
    assert all(acknowledged.values()), {kind: len(kept) for kind, kept in acknowledged.items()}
    s3, lambda_ = server.client("s3"), server.client("lambda")
    for key, body in acknowledged["objects"].items():
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body
    for key in acknowledged["deleted"]:
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket=BUCKET, Key=key)

    pages = lambda_.get_paginator("list_functions").paginate()
    names = {function["FunctionName"] for page in pages for function in page["Functions"]}
    assert acknowledged["functions"] <= names
    functions = Functions(server)
    some = min(acknowledged["functions"])
    functions.wait_active(some)
    assert functions.invoke(some, {"alive": True}).payload == {"alive": True}

    assert missing(server, QUEUE, acknowledged["messages"], lambda body: body) == set()
    assert missing(server, DONE, acknowledged["events"], event_of) == set()


def event_of(body):
    record = json.loads(body)
    return record["requestPayload"]["id"], record["requestContext"]["requestId"]


def missing(server, queue, expected, read):
    """Drains the queue until all that is expected was seen; what was not acknowledged may be there too."""
    sqs = server.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    left = set(expected)
    empty_in_a_row = 0
    while left and empty_in_a_row < EMPTY_RECEIVES_MAX:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5).get("Messages", [])
        for message in messages:
            left.discard(read(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        empty_in_a_row = 0 if messages else empty_in_a_row + 1
    return left


def test_a_half_written_object_is_not_there_after_a_kill(fresh_server):
    s3 = fresh_server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=b"one")
    fresh_server.kill()
    fresh_server.start()
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=BUCKET, Key="parts")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == b"one"


def test_everything_is_as_it_was_after_a_stop(fresh_server):
    functions = Functions(fresh_server)
    functions.create("kept", "handlers.echo", Environment={"Variables": {"NUT": "acorn"}})
    sqs = fresh_server.client("sqs")
    url = sqs.create_queue(QueueName="kept", Attributes={"DelaySeconds": "0"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    before = functions.lambda_.get_function_configuration(FunctionName="kept")
    assert fresh_server.stop() == 0
    fresh_server.start()
    after = functions.lambda_.get_function_configuration(FunctionName="kept")
    del before["ResponseMetadata"], after["ResponseMetadata"]
    assert after == before
    assert functions.invoke("kept", 1).payload == 1
    assert receive(sqs, url)[0]["Body"] == "kept"


def test_what_was_due_later_is_still_due_after_a_kill(fresh_virtual):
    sqs = fresh_virtual.client("sqs")
    url = sqs.create_queue(QueueName="delayed", Attributes={"DelaySeconds": "600"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="later")
    fresh_virtual.kill()
    fresh_virtual.start()
    assert receive(sqs, url)[0]["Body"] == "later"
