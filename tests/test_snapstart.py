"""SnapStart: published versions whose environments are forked from the runtime after its init."""

import concurrent.futures
import json
from pathlib import Path

import boto3
import botocore
import pytest
from botocore.exceptions import ClientError

from functions import Functions, zipped
from waiting import wait_until

SNAP_START = {"ApplyOn": "PublishedVersions"}
PYTHON = {"Runtime": "python3.12", "SnapStart": SNAP_START}


@pytest.fixture
def published(functions, name):
    """Creates a function with SnapStart and publishes it; the answer of publishing."""

    def publish(handler="snapstart.handler", **arguments):
        functions.create(name, handler, **(PYTHON | arguments))
        return functions.lambda_.publish_version(FunctionName=name)

    return publish


def wait_settled(functions, name, version="1"):
    def settled():
        configuration = functions.lambda_.get_function_configuration(FunctionName=name, Qualifier=version)
        return configuration["State"] != "Pending" and configuration

    return wait_until(settled, what="the snapshot is taken")


def test_environments_come_from_one_init(functions, name, published):
    answer = published()
    assert answer["State"] in ("Pending", "Active")
    configuration = wait_settled(functions, name)
    assert configuration["State"] == "Active"
    assert configuration["SnapStart"] == SNAP_START | {"OptimizationStatus": "On"}
    functions.lambda_.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    first = functions.invoke(name, "one", Qualifier="1")
    assert first.error is None, first.payload
    assert first.payload["events"] == ["init", "before", "after", "one"]
    assert first.payload["type"] == "snap-start"
    assert "RESTORE_START Runtime Version: python3.12\t" in first.log
    report = first.log[first.log.index("REPORT ") :]
    assert "\tRestore Duration: " in report and "\tBilled Restore Duration: " in report
    assert "Init Duration" not in report
    again = functions.invoke(name, "two", Qualifier="1")
    assert again.payload["events"] == ["init", "before", "after", "one", "two"]
    assert "RESTORE_START" not in again.log


def test_concurrent_environments_share_the_init_and_nothing_else(functions, name, server):
    code = (
        "import os, random, time, uuid\nINIT = str(uuid.uuid4())\nN = []\n"
        "def handler(event, context):\n    N.append(1)\n    time.sleep(0.5)\n"
        "    return {'init': INIT, 'n': len(N), 'random': random.random(), 'boot': open('/proc/sys/kernel/random/uuid').read()}\n"
    )
    functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": code})}, **PYTHON)
    functions.lambda_.publish_version(FunctionName=name)
    wait_settled(functions, name)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: Functions(server).invoke(name, Qualifier="1"), range(4)))
    assert [reply.error for reply in replies] == [None] * 4
    assert len({reply.payload["init"] for reply in replies}) == 1
    assert [reply.payload["n"] for reply in replies] == [1] * 4
    assert len({reply.payload["random"] for reply in replies}) == 4


def test_credentials_come_from_the_endpoint(functions, name, published):
    published()
    wait_settled(functions, name)
    payload = functions.invoke(name, Qualifier="1").payload
    assert payload["keys"] == []
    assert payload["logs"] == [None, None]
    assert set(payload["credentials"]) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert payload["refused"] == 403


def test_the_newest_code_is_not_a_snapshot(functions, name, published):
    published()
    latest = functions.lambda_.get_function_configuration(FunctionName=name)
    assert latest["SnapStart"] == SNAP_START | {"OptimizationStatus": "Off"}
    reply = functions.invoke(name, "x")
    assert reply.error and "AWS_CONTAINER_AUTHORIZATION_TOKEN" in json.dumps(reply.payload)
    assert "INIT_START" in reply.log or "START" in reply.log


def test_a_hook_that_fails_before_the_snapshot_fails_the_version(functions, name, published):
    published(Environment={"Variables": {"FAIL_BEFORE": "1"}})
    configuration = wait_settled(functions, name)
    assert (configuration["State"], configuration["StateReasonCode"]) == ("Failed", "FunctionError")
    with pytest.raises(ClientError) as caught:
        functions.invoke(name, Qualifier="1")
    assert caught.value.response["Error"]["Code"] == "SnapStartException"
    assert "not ready for winter" in caught.value.response["Error"]["Message"]


def test_a_hook_that_fails_after_restoring_fails_the_invocation(functions, name, published):
    published(Environment={"Variables": {"FAIL_AFTER": "1"}})
    assert wait_settled(functions, name)["State"] == "Active"
    with pytest.raises(ClientError) as caught:
        functions.invoke(name, Qualifier="1")
    assert caught.value.response["Error"]["Code"] == "SnapStartException"
    assert "afterRestore" in caught.value.response["Error"]["Message"]


def test_a_version_that_is_not_ready_says_so(functions, name):
    code = "import time\ntime.sleep(3)\ndef handler(event, context):\n    return event\n"
    functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": code})}, **PYTHON)
    assert functions.lambda_.publish_version(FunctionName=name)["State"] == "Pending"
    with pytest.raises(ClientError) as caught:
        functions.invoke(name, Qualifier="1")
    assert caught.value.response["Error"]["Code"] == "SnapStartNotReadyException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    wait_settled(functions, name)
    assert functions.invoke(name, 5, Qualifier="1").payload == 5


def test_a_runtime_that_cannot_be_forked_runs_its_whole_init(functions, name):
    code = (
        "import threading, time\nimport snapshot_restore_py\nEVENTS = []\n"
        "snapshot_restore_py.register_before_snapshot(EVENTS.append, 'before')\n"
        "snapshot_restore_py.register_after_restore(EVENTS.append, 'after')\n"
        "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
        "def handler(event, context):\n    return EVENTS\n"
    )
    functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": code})}, **PYTHON)
    functions.lambda_.publish_version(FunctionName=name)
    configuration = wait_settled(functions, name)
    assert configuration["State"] == "Active"
    assert configuration["SnapStart"]["OptimizationStatus"] == "Off"
    assert functions.invoke(name, Qualifier="1").payload == ["before", "after"]


def test_snapshots_are_taken_again_after_a_restart(fresh_server, name):
    functions = Functions(fresh_server)
    functions.create(name, "snapstart.handler", **PYTHON)
    functions.lambda_.publish_version(FunctionName=name)
    wait_settled(functions, name)
    before = functions.invoke(name, Qualifier="1").payload
    fresh_server.kill()
    fresh_server.start()
    functions = Functions(fresh_server)

    def taken():
        configuration = functions.lambda_.get_function_configuration(FunctionName=name, Qualifier="1")
        assert configuration["State"] == "Active"
        return configuration["SnapStart"]["OptimizationStatus"] == "On"

    wait_until(taken, what="the snapshot is taken again")
    after = functions.invoke(name, Qualifier="1").payload
    assert after["events"][:3] == ["init", "before", "after"]
    assert after["init"] != before["init"]


def test_boto3_clients_of_the_init_work_in_every_environment(functions, name, server):
    code = (
        "import boto3\nSQS = boto3.client('sqs')\nBEFORE = SQS.list_queues()['ResponseMetadata']['HTTPStatusCode']\n"
        "def handler(event, context):\n"
        "    keys = SQS._request_signer._credentials.get_frozen_credentials()\n"
        "    return [BEFORE, SQS.list_queues()['ResponseMetadata']['HTTPStatusCode'], keys.access_key]\n"
    )
    layer = boto3_layer(server)
    functions.create(
        name, "app.handler", Code={"ZipFile": zipped({"app.py": code})}, MemorySize=512, Layers=[layer], **PYTHON
    )
    functions.lambda_.publish_version(FunctionName=name)
    assert wait_settled(functions, name)["SnapStart"]["OptimizationStatus"] == "On"
    reply = functions.invoke(name, Qualifier="1")
    assert reply.error is None, reply.payload
    assert reply.payload[:2] == [200, 200]


def boto3_layer(server):
    """A layer of the tests' own boto3."""
    site = Path(boto3.__file__).parent.parent
    wanted = ("boto3", "s3transfer", "jmespath", "dateutil", "urllib3")
    files = {}
    for path in (path for one in wanted for path in (site / one).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files[f"python/{path.relative_to(site)}"] = path.read_bytes()
    files["python/six.py"] = (site / "six.py").read_bytes()
    core = Path(botocore.__file__).parent
    for path in core.rglob("*"):
        parts = path.relative_to(core).parts
        if not path.is_file() or "__pycache__" in parts:
            continue
        # Of the many models only what is used.
        if parts[0] == "data" and len(parts) > 2 and parts[1] not in ("sqs",):
            continue
        files[f"python/botocore/{path.relative_to(core)}"] = path.read_bytes()
    layer = server.client("lambda").publish_layer_version(LayerName="boto3", Content={"ZipFile": zipped(files)})
    return layer["LayerVersionArn"]


def test_a_stack_waits_for_its_snapshot(server, name):
    cloudformation = server.client("cloudformation")
    template = {
        "Resources": {
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": name,
                    "Runtime": "python3.12",
                    "Handler": "index.handler",
                    "Role": server.role(),
                    "SnapStart": SNAP_START,
                    "Code": {"ZipFile": "import time\ntime.sleep(1)\ndef handler(event, context):\n    return 6\n"},
                },
            },
            "Version": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Function"}}},
        }
    }
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    configuration = server.client("lambda").get_function_configuration(FunctionName=name, Qualifier="1")
    assert configuration["State"] == "Active"
    assert Functions(server).invoke(name, Qualifier="1").payload == 6


def test_nodejs_has_it_by_a_tag(functions, name):
    code = (
        "const { randomUUID } = require('crypto');\nconst INIT = randomUUID();\nlet count = 0;\n"
        "exports.handler = async () => [INIT, randomUUID(), ++count, process.env.AWS_LAMBDA_INITIALIZATION_TYPE];\n"
    )
    settings = {"Runtime": "nodejs22.x", "Code": {"ZipFile": zipped({"index.js": code})}}
    functions.create(name, "index.handler", Tags={"kobel:snap-start": "PublishedVersions"}, **settings)
    functions.lambda_.publish_version(FunctionName=name)
    configuration = wait_settled(functions, name)
    assert configuration["SnapStart"] == SNAP_START | {"OptimizationStatus": "On"}
    assert functions.lambda_.publish_version(FunctionName=name)["Version"] == "1"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda _: functions.invoke(name, Qualifier="1"), range(2)))
    assert [reply.error for reply in replies] == [None, None], replies
    assert len({reply.payload[0] for reply in replies}) == 1
    assert len({reply.payload[1] for reply in replies}) == 2
    assert {reply.payload[3] for reply in replies} == {"snap-start"}
    assert any("RESTORE_START" in reply.log for reply in replies)
    with pytest.raises(ClientError) as caught:
        arn = functions.lambda_.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        functions.lambda_.tag_resource(Resource=arn, Tags={"kobel:snap-start": "sometimes"})
    assert "PublishedVersions or None" in str(caught.value)


def test_what_has_no_snapstart_is_refused(functions, name):
    with pytest.raises(ClientError) as caught:
        functions.create(name, language="node", SnapStart=SNAP_START)
    assert "is not supported for SnapStart enabled functions" in str(caught.value)
