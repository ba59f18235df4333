"""The example from upload to result, as `kobel deploy` puts it there: on real and on virtual time."""

import json
import time

import pytest

from kobel import ACCOUNT, Server, arn
from waiting import receive, wait_until

STACK = "pipeline"
UPLOADS = f"upload-pipeline-uploads-{ACCOUNT}"
RESULTS = f"upload-pipeline-results-{ACCOUNT}"


@pytest.fixture(scope="module", params=["real", "virtual"])
def pipeline(request, tmp_path_factory, example):
    """A server with the example deployed; `time` tells which clock it has."""
    server = Server(tmp_path_factory.mktemp(request.param), time=request.param).start()
    try:
        server.cli("deploy", example / "template.yaml", "--stack-name", STACK)
        yield server
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def outputs(pipeline):
    (stack,) = pipeline.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    return {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}


def upload(pipeline, key, body):
    return pipeline.client("s3").put_object(Bucket=UPLOADS, Key=key, Body=body)


def result_of(pipeline, key):
    s3 = pipeline.client("s3")

    def result():
        try:
            return s3.get_object(Bucket=RESULTS, Key=f"results/{key}.json")["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None

    return json.loads(wait_until(result, 60, f"the result of {key}"))


def test_an_upload_becomes_a_result(pipeline, outputs, name):
    key = f"incoming/{name} ü+.txt"
    put = upload(pipeline, key, b"one two\nthree\n")
    result = result_of(pipeline, key)
    assert (result["bucket"], result["key"], result["size"]) == (UPLOADS, key, 14)
    assert (result["summary"], result["kind"], result["attempts"]) == ("3 words on 2 lines", "short", 1)

    (message,) = receive(pipeline.client("sqs"), outputs["AuditQueueUrl"])
    envelope = json.loads(message["Body"])
    assert (envelope["Type"], envelope["TopicArn"]) == ("Notification", outputs["TopicArn"])
    record = json.loads(envelope["Message"])
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["functionArn"] == arn(
        "lambda", f"function:{outputs['InspectFunctionName']}:$LATEST"
    )
    (upload_record,) = record["requestPayload"]["Records"]
    assert upload_record["eventName"] == "ObjectCreated:Put"
    assert record["responsePayload"]["eTag"] == put["ETag"].strip('"')
    assert record["responsePayload"]["lines"] == 2


def test_objects_outside_the_filter_start_nothing(pipeline, outputs, name):
    upload(pipeline, f"elsewhere/{name}.txt", b"x")
    upload(pipeline, f"incoming/{name}.bin", b"x")
    upload(pipeline, f"incoming/{name}.txt", b"x")
    result_of(pipeline, f"incoming/{name}.txt")
    (message,) = receive(pipeline.client("sqs"), outputs["AuditQueueUrl"])
    key = json.loads(json.loads(message["Body"])["Message"])["responsePayload"]["key"]
    assert key == f"incoming/{name}.txt"


def test_an_upload_that_fails_is_tried_three_times(pipeline, outputs, name):
    if pipeline.time == "real":
        return first_attempt_fails_and_waits(pipeline, outputs, name)
    started = time.monotonic()
    key = f"incoming/{name}-fail.txt"
    upload(pipeline, key, b"x")
    (message,) = receive(pipeline.client("sqs"), outputs["FailureQueueUrl"], timeout_s=60)
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"] == f"{outputs['SummarizeFunctionArn']}:$LATEST"
    assert record["responsePayload"]["errorType"] == "RefusedUpload"
    assert key in record["responsePayload"]["errorMessage"]
    assert record["requestPayload"]["Records"][0]["EventSource"] == "aws:sns"
    assert time.monotonic() - started < 30, "minutes of virtual time were waited for in real time"
    receive(pipeline.client("sqs"), outputs["AuditQueueUrl"])


def first_attempt_fails_and_waits(pipeline, outputs, name):
    """On real time the next attempt is a minute away: nothing may be in the failure queue yet."""
    upload(pipeline, f"incoming/{name}-fail.txt", b"x")
    function = outputs["SummarizeFunctionArn"].rsplit(":", 1)[1]
    logs = pipeline.client("logs")

    def failed():
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}", filterPattern="RefusedUpload")
        except logs.exceptions.ResourceNotFoundException:
            return None
        return events["events"]

    wait_until(failed, 60)
    counts = pipeline.client("sqs").get_queue_attributes(QueueUrl=outputs["FailureQueueUrl"], AttributeNames=["All"])
    assert counts["Attributes"]["ApproximateNumberOfMessages"] == "0"
    receive(pipeline.client("sqs"), outputs["AuditQueueUrl"])


def test_many_uploads_all_arrive(pipeline, outputs, name):
    keys = [f"incoming/{name}/{i}.txt" for i in range(20)]
    for key in keys:
        upload(pipeline, key, key.encode())
    for key in keys:
        assert result_of(pipeline, key)["key"] == key
    receive(pipeline.client("sqs"), outputs["AuditQueueUrl"], count=20, timeout_s=60)


def test_one_upload_is_one_tree_of_events(pipeline, outputs, name):
    key = f"incoming/{name}.txt"
    reply = upload(pipeline, key, b"x")
    result_of(pipeline, key)
    receive(pipeline.client("sqs"), outputs["AuditQueueUrl"])
    root = reply["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    functions = [outputs["InspectFunctionName"], outputs["SummarizeFunctionArn"].rsplit(":", 1)[1]]

    def complete():
        tree = pipeline.cli("events", root, check=False).stdout
        parts = ["PutObject", *functions, outputs["TopicArn"].rsplit(":", 1)[1], outputs["WriteResultFunctionName"]]
        return tree if all(part in tree for part in parts) else None

    tree = wait_until(complete, what="the tree of the upload")
    first, *rest = [line for line in tree.splitlines() if line.strip()]
    assert "PutObject" in first
    assert rest


def test_the_same_template_again_changes_nothing(pipeline, outputs, example):
    done = pipeline.cli("deploy", example / "template.yaml", "--stack-name", STACK)
    assert "no change" in (done.stdout + done.stderr).lower() or "No updates" in done.stdout + done.stderr


def test_everything_is_deleted(pipeline, outputs):
    """Runs last of the file: buckets are emptied first, as on AWS."""
    s3 = pipeline.client("s3")
    for bucket in (UPLOADS, RESULTS):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for page in pages:
            objects = [{"Key": o["Key"]} for o in page.get("Contents", [])]
            if objects:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    pipeline.cli("delete", STACK)
    assert not [f for f in pipeline.client("lambda").list_functions()["Functions"] if STACK in f["FunctionName"]]
    assert "QueueUrls" not in pipeline.client("sqs").list_queues()
    left = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert [name for name in left if not name.startswith("kobel-code-")] == []  # archives outlive stacks, as SAM's do
