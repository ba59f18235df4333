"""Lambda layers: publishing, sharing, and what a function sees of them below /opt."""

import base64
import hashlib
import json

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from functions import Functions, zipped
from kobel import REGION, arn
from waiting import wait_until

LOOKER = """
import importlib, json, os, subprocess, sys

def handler(event, context):
    answer = {}
    for path in event.get("read", []):
        try:
            answer[path] = open(path).read()
        except OSError as error:
            answer[path] = type(error).__name__
    for module in event.get("import", []):
        answer[module] = importlib.import_module(module).NAME
    for command in event.get("run", []):
        answer[command] = subprocess.check_output([command], text=True).strip()
    for path in event.get("write", []):
        try:
            open(path, "w").close()
            answer[path] = "written"
        except OSError as error:
            answer[path] = os.strerror(error.errno)
    return answer
"""


@pytest.fixture
def other(server):
    """Lambda's client of another account."""
    return boto3.client(
        "lambda",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id="111111111111",
        aws_secret_access_key="test",
    )


def publish(lambda_, name, files, **arguments):
    return lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": zipped(files)}, **arguments)


@pytest.fixture
def looker(functions, name):
    """Creates a function with layers, which looks around."""

    def create(*layers, **arguments):
        settings = {"Code": {"ZipFile": zipped({"index.py": LOOKER})}, "Layers": list(layers)} | arguments
        functions.create(name, "index.handler", **settings)
        return name

    return create


def error_of(error):
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def invalid(message):
    return "InvalidParameterValueException", 400, message


def test_a_layer_version_is_published_and_read(lambda_, name):
    code = zipped({"python/one.py": "NAME = 1"})
    published = lambda_.publish_layer_version(
        LayerName=name,
        Description="first",
        Content={"ZipFile": code},
        CompatibleRuntimes=["python3.11", "python3.12"],
        CompatibleArchitectures=["x86_64"],
        LicenseInfo="MIT",
    )
    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (published["LayerArn"], published["Version"]) == (arn("lambda", f"layer:{name}"), 1)
    assert published["LayerVersionArn"] == arn("lambda", f"layer:{name}:1")
    assert published["Content"]["CodeSize"] == len(code)
    assert published["Content"]["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert requests.get(published["Content"]["Location"], timeout=10).content == code
    assert published["CreatedDate"].endswith("+0000")
    got = lambda_.get_layer_version(LayerName=name, VersionNumber=1)
    by_arn = lambda_.get_layer_version_by_arn(Arn=published["LayerVersionArn"])
    for answer in (published, got, by_arn):
        del answer["ResponseMetadata"]
    assert got == published
    assert by_arn == published


def test_the_content_comes_from_s3(lambda_, s3, name):
    code = zipped({"python/one.py": "NAME = 1"})
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="layer.zip", Body=code)
    published = lambda_.publish_layer_version(LayerName=name, Content={"S3Bucket": name, "S3Key": "layer.zip"})
    assert published["Content"]["CodeSize"] == len(code)
    with pytest.raises(ClientError) as error:
        lambda_.publish_layer_version(LayerName=name, Content={"S3Bucket": name, "S3Key": "nothing"})
    message = "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
    assert error_of(error) == invalid(message)


def test_numbers_rise_and_are_never_used_again(lambda_, name):
    numbers = [publish(lambda_, name, {"a": str(number)})["Version"] for number in range(3)]
    assert numbers == [1, 2, 3]
    for number in numbers:
        deleted = lambda_.delete_layer_version(LayerName=name, VersionNumber=number)
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    lambda_.delete_layer_version(LayerName=name, VersionNumber=3)
    assert lambda_.list_layer_versions(LayerName=name)["LayerVersions"] == []
    assert publish(lambda_, name, {"a": "3"})["Version"] == 4


def test_lists_are_filtered_and_paged(lambda_, name):
    for number in range(1, 4):
        runtimes = ["python3.11"] if number < 3 else ["nodejs20.x"]
        architectures = ["arm64"] if number == 1 else ["x86_64"]
        publish(
            lambda_, name, {"a": str(number)}, CompatibleRuntimes=runtimes, CompatibleArchitectures=architectures
        )
    publish(lambda_, f"{name}-bare", {"a": "bare"})

    def versions(**arguments):
        listed = lambda_.list_layer_versions(LayerName=name, **arguments)["LayerVersions"]
        return [version["Version"] for version in listed]

    assert versions() == [3, 2, 1]
    assert versions(CompatibleRuntime="python3.11") == [2, 1]
    assert versions(CompatibleArchitecture="arm64") == [1]
    assert versions(CompatibleRuntime="nodejs20.x", CompatibleArchitecture="arm64") == []
    pages = lambda_.get_paginator("list_layer_versions").paginate(LayerName=name, PaginationConfig={"PageSize": 2})
    assert [[version["Version"] for version in page["LayerVersions"]] for page in pages] == [[3, 2], [1]]

    def newest(**arguments):
        pages = lambda_.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 1}, **arguments)
        layers = [layer for page in pages for layer in page["Layers"] if layer["LayerName"].startswith(name)]
        return {layer["LayerName"]: layer["LatestMatchingVersion"]["Version"] for layer in layers}

    assert newest() == {name: 3, f"{name}-bare": 1}
    assert newest(CompatibleRuntime="python3.11") == {name: 2}
    assert newest(CompatibleArchitecture="arm64") == {name: 1}
    assert newest(CompatibleRuntime="ruby3.3") == {}


def test_what_is_not_there_is_said_in_the_words_of_aws(lambda_, name):
    with pytest.raises(ClientError) as error:
        lambda_.get_layer_version(LayerName=name, VersionNumber=1)
    assert error_of(error) == ("ResourceNotFoundException", 404, "The resource you requested does not exist.")
    with pytest.raises(ClientError) as error:
        lambda_.get_layer_version(LayerName=name, VersionNumber=0)
    assert error_of(error) == invalid("Layer Version Cannot be less than 1")
    with pytest.raises(ClientError) as error:
        publish(lambda_, name, {"a": "1"}, CompatibleRuntimes=["cobol85"])
    code, status, message = error_of(error)
    assert (code, status) == ("ValidationException", 400)
    assert "Value '[cobol85]' at 'compatibleRuntimes'" in message
    with pytest.raises(ClientError) as error:
        lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": b"no zip"})
    assert error_of(error) == invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
    assert lambda_.list_layer_versions(LayerName=name)["LayerVersions"] == []


def test_a_policy_is_kept_for_each_version(lambda_, name):
    version = {"LayerName": name, "VersionNumber": 1}
    layer = publish(lambda_, name, {"a": "1"})["LayerVersionArn"]
    with pytest.raises(ClientError) as error:
        lambda_.get_layer_version_policy(**version)
    none = "No policy is associated with the given resource."
    assert error_of(error) == ("ResourceNotFoundException", 404, none)
    statement = {"Action": "lambda:GetLayerVersion", "StatementId": "one", "Principal": "111111111111"}
    added = lambda_.add_layer_version_permission(**version, **statement)
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 201
    expected = {
        "Sid": "one",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": "lambda:GetLayerVersion",
        "Resource": layer,
    }
    assert json.loads(added["Statement"]) == expected
    got = lambda_.get_layer_version_policy(**version)
    assert json.loads(got["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [expected]}
    assert got["RevisionId"] == added["RevisionId"]
    with pytest.raises(ClientError) as error:
        lambda_.add_layer_version_permission(**version, **statement)
    assert error_of(error)[:2] == ("ResourceConflictException", 409)
    assert "The statement id (one) provided already exists." in str(error.value)
    with pytest.raises(ClientError) as error:
        lambda_.remove_layer_version_permission(**version, StatementId="one", RevisionId="stale")
    code, status, message = error_of(error)
    assert (code, status) == ("PreconditionFailedException", 412)
    assert "Call the GetLayerPolicy API to retrieve the latest Revision Id" in message
    with pytest.raises(ClientError) as error:
        lambda_.remove_layer_version_permission(**version, StatementId="two")
    assert error_of(error)[2] == "Statement two is not found in resource policy."
    lambda_.remove_layer_version_permission(**version, StatementId="one", RevisionId=added["RevisionId"])
    with pytest.raises(ClientError):
        lambda_.get_layer_version_policy(**version)
    with pytest.raises(ClientError) as error:
        lambda_.add_layer_version_permission(**version | {"VersionNumber": 2}, **statement)
    assert error_of(error)[2] == f"Layer version {arn('lambda', f'layer:{name}:2')} does not exist."


def test_another_account_has_a_layer_only_by_its_policy(lambda_, other, name):
    layer = publish(lambda_, name, {"a": "1"})["LayerVersionArn"]
    function = {
        "FunctionName": name,
        "Role": "arn:aws:iam::111111111111:role/r",
        "Runtime": "python3.11",
        "Handler": "index.handler",
        "Code": {"ZipFile": zipped({"index.py": LOOKER})},
        "Layers": [layer],
    }

    def is_refused(call, *arguments, **members):
        with pytest.raises(ClientError) as error:
            call(*arguments, **members)
        code, status, message = error_of(error)
        assert (code, status) == ("AccessDeniedException", 403)
        assert "is not authorized to perform: lambda:" in message
        assert message.endswith("action") and f":layer:{name}" in message
        return True

    assert is_refused(other.get_layer_version_by_arn, Arn=layer)
    assert is_refused(other.create_function, **function)
    statement = {"Action": "lambda:GetLayerVersion", "StatementId": "one", "Principal": "111111111111"}
    lambda_.add_layer_version_permission(LayerName=name, VersionNumber=1, **statement)
    assert other.get_layer_version_by_arn(Arn=layer)["Version"] == 1
    assert other.create_function(**function)["Layers"][0]["Arn"] == layer
    assert is_refused(other.delete_layer_version, LayerName=layer.rsplit(":", 1)[0], VersionNumber=1)
    assert is_refused(other.add_layer_version_permission, LayerName=layer.rsplit(":", 1)[0], VersionNumber=1, **statement)


def test_a_function_shows_its_layers_and_refuses_bad_ones(lambda_, looker, name):
    one = publish(lambda_, name, {"a": "1"})
    two = publish(lambda_, name, {"a": "2"})
    others = [publish(lambda_, f"{name}-{number}", {"a": "1"})["LayerVersionArn"] for number in range(5)]
    looker(one["LayerVersionArn"], others[0])
    shown = lambda_.get_function_configuration(FunctionName=name)["Layers"]
    assert [layer["Arn"] for layer in shown] == [one["LayerVersionArn"], others[0]]
    assert shown[0]["CodeSize"] == one["Content"]["CodeSize"]

    absent = arn("lambda", f"layer:{name}:9")
    elsewhere = one["LayerVersionArn"].replace(REGION, "eu-west-1")
    pair = f"{one['LayerVersionArn']} and {two['LayerVersionArn']}"
    same = (
        "Two different versions of the same layer are not allowed to be referenced in the same function. "
        f"{pair} are versions of the same layer."
    )
    cases = [
        ([one["LayerVersionArn"], *others], "Cannot reference more than 5 layers."),
        ([one["LayerVersionArn"], two["LayerVersionArn"]], same),
        ([absent], f"Layer version {absent} does not exist."),
        (
            [elsewhere],
            f"Layers are not in the same region as the function. Layers are expected to be in region {REGION}.",
        ),
    ]
    for layers, message in cases:
        with pytest.raises(ClientError) as error:
            lambda_.update_function_configuration(FunctionName=name, Layers=layers)
        assert error_of(error) == invalid(message)
    with pytest.raises(ClientError) as error:
        lambda_.update_function_configuration(FunctionName=name, Layers=[one["LayerArn"]])
    assert error_of(error)[0] == "ValidationException"
    assert len(lambda_.get_function_configuration(FunctionName=name)["Layers"]) == 2
    lambda_.update_function_configuration(FunctionName=name, Layers=[])
    assert "Layers" not in lambda_.get_function_configuration(FunctionName=name)


def test_code_and_layers_together_have_a_limit(lambda_, looker, name):
    half = bytes(140 * 1024 * 1024)
    layers = [publish(lambda_, f"{name}-{one}", {one: half})["LayerVersionArn"] for one in ("a", "b")]
    looker(layers[0])
    with pytest.raises(ClientError) as error:
        lambda_.update_function_configuration(FunctionName=name, Layers=layers)
    code, status, message = error_of(error)
    assert (code, status) == ("InvalidParameterValueException", 400)
    total = 2 * len(half) + len(LOOKER)
    expected = "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. "
    assert message == f"{expected}The actual size is {total} bytes."
    with pytest.raises(ClientError) as error:
        lambda_.update_function_code(FunctionName=name, ZipFile=zipped({"c": half}))
    assert error_of(error)[2].startswith(expected)


def test_layers_are_merged_in_order_and_read_only(lambda_, functions, looker, name):
    layers = [
        publish(lambda_, f"{name}-low", {"shared": "low", "low": "low", "bin/tool": "#!/bin/sh\necho low\n"}),
        publish(lambda_, f"{name}-high", {"shared": "high", "high": "high", "deep/er/file": "deep"}),
    ]
    looker(*[layer["LayerVersionArn"] for layer in layers])
    event = {
        "read": ["/opt/shared", "/opt/low", "/opt/high", "/opt/deep/er/file", "/opt/none"],
        "write": ["/opt/new", "/opt/shared", "/opt/deep/new"],
        "run": ["tool"],
    }
    refused = "Read-only file system"
    assert functions.invoke(name, event).payload == {
        "/opt/shared": "high",
        "/opt/low": "low",
        "/opt/high": "high",
        "/opt/deep/er/file": "deep",
        "/opt/none": "FileNotFoundError",
        "/opt/new": refused,
        "/opt/shared": refused,
        "/opt/deep/new": refused,
        "tool": "low",
    } | {"/opt/shared": refused}
    del event["write"]
    lambda_.update_function_configuration(FunctionName=name, Layers=[layer["LayerVersionArn"] for layer in layers[::-1]])
    assert functions.invoke(name, event).payload["/opt/shared"] == "low"


def test_python_imports_from_layers(lambda_, functions, looker, name):
    files = {
        "python/plain.py": "NAME = 'plain'",
        "python/lib/python3.11/site-packages/exact.py": "NAME = 'exact'",
        "python/both.py": "NAME = 'python'",
        "python/lib/python3.11/site-packages/both.py": "NAME = 'site-packages'",
        "python/own.py": "NAME = 'layer'",
    }
    layer = publish(lambda_, name, files)["LayerVersionArn"]
    code = zipped({"index.py": LOOKER, "own.py": "NAME = 'function'"})
    looker(layer, Code={"ZipFile": code})
    found = functions.invoke(name, {"import": ["plain", "exact", "both", "own"]}).payload
    assert found == {"plain": "plain", "exact": "exact", "both": "site-packages", "own": "function"}


def test_nodejs_requires_from_layers(lambda_, functions, name):
    files = {
        "nodejs/node_modules/plain/index.js": "module.exports = 'plain'",
        "nodejs/node20/node_modules/exact/index.js": "module.exports = 'exact'",
    }
    layer = publish(lambda_, name, files)["LayerVersionArn"]
    code = {"ZipFile": zipped({"index.js": "exports.handler = async () => [require('plain'), require('exact')]"})}
    functions.create(name, "index.handler", "node", Code=code, Layers=[layer])
    assert functions.invoke(name).payload == ["plain", "exact"]


def test_a_layer_brings_the_bootstrap_of_a_custom_runtime(lambda_, functions, name):
    bootstrap = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while :; do
  id=$(curl -sS -D - -o /dev/null "$api/next" | tr -d '\\r' | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p')
  curl -sS -o /dev/null -d "\\"from $0\\"" "$api/$id/response"
done
"""
    layer = publish(lambda_, name, {"bootstrap": bootstrap})["LayerVersionArn"]
    code = {"ZipFile": zipped({"index.txt": "no code"})}
    functions.create(name, "any", "provided", Code=code, Layers=[layer])
    assert functions.invoke(name).payload == "from /opt/bootstrap"


def test_a_deleted_layer_goes_on_working_where_it_is_used(fresh_server):
    lambda_, functions = fresh_server.client("lambda"), Functions(fresh_server)
    layer = publish(lambda_, "shared", {"python/plain.py": "NAME = 'plain'"})["LayerVersionArn"]
    for name in ("old", "older"):
        functions.create(name, "index.handler", Code={"ZipFile": zipped({"index.py": LOOKER})}, Layers=[layer])
    lambda_.delete_layer_version(LayerName="shared", VersionNumber=1)
    assert functions.invoke("old", {"import": ["plain"]}).payload == {"plain": "plain"}
    fresh_server.restart()
    lambda_, functions = fresh_server.client("lambda"), Functions(fresh_server)
    assert functions.invoke("old", {"import": ["plain"]}).payload == {"plain": "plain"}
    assert lambda_.get_function_configuration(FunctionName="old")["Layers"][0]["Arn"] == layer
    with pytest.raises(ClientError) as error:
        lambda_.update_function_configuration(FunctionName="old", Layers=[layer])
    assert error_of(error) == invalid(f"Layer version {layer} does not exist.")
    lambda_.delete_function(FunctionName="old")
    assert functions.invoke("older", {"import": ["plain"]}).payload == {"plain": "plain"}
    lambda_.delete_function(FunctionName="older")
    code = fresh_server.data / "code"
    wait_until(lambda: not list(code.iterdir()), what=f"{code} is empty")


STACK = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Shared:
    Type: AWS::Serverless::LayerVersion
    Properties:
      LayerName: %(name)s
      ContentUri: s3://%(name)s/%(key)s
      CompatibleRuntimes: [python3.11]
      RetentionPolicy: Delete
  Permission:
    Type: AWS::Lambda::LayerVersionPermission
    Properties:
      Action: lambda:GetLayerVersion
      LayerVersionArn: !Ref Shared
      Principal: "111111111111"
  Function:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: %(name)s
      Runtime: python3.11
      Handler: index.handler
      Layers: [!Ref Shared]
      InlineCode: |
        import plain
        def handler(event, context):
            return plain.NAME
Outputs:
  Layer: {Value: !Ref Shared}
"""


def test_a_stack_makes_replaces_and_deletes_layers(server, lambda_, s3, cloudformation, functions, other, name):
    s3.create_bucket(Bucket=name)
    for text in ("one", "two"):
        s3.put_object(Bucket=name, Key=text, Body=zipped({"python/plain.py": f"NAME = '{text}'"}))

    def deploy(call, key):
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        call(StackName=name, TemplateBody=STACK % {"name": name, "key": key}, Capabilities=capabilities)
        waiter = "stack_create_complete" if call == cloudformation.create_stack else "stack_update_complete"
        cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200})
        outputs = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        return outputs[0]["OutputValue"]

    assert deploy(cloudformation.create_stack, "one") == arn("lambda", f"layer:{name}:1")
    assert functions.invoke(name).payload == "one"
    assert other.get_layer_version_by_arn(Arn=arn("lambda", f"layer:{name}:1"))["Version"] == 1
    assert deploy(cloudformation.update_stack, "two") == arn("lambda", f"layer:{name}:2")
    assert functions.invoke(name).payload == "two"
    assert [v["Version"] for v in lambda_.list_layer_versions(LayerName=name)["LayerVersions"]] == [2]
    cloudformation.delete_stack(StackName=name)
    wait_until(lambda: not lambda_.list_layer_versions(LayerName=name)["LayerVersions"])
