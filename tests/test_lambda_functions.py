"""Lambda: the control plane of functions."""

import base64
import hashlib
import io
import json
import zipfile

import pytest
import requests
from botocore.exceptions import ClientError

from functions import package, zipped
from kobel import arn


@pytest.fixture
def function(functions, name):
    functions.create(name)
    return name


def error_of(error):
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_a_new_function_is_pending_with_the_defaults_of_aws(lambda_, server, functions, name):
    created = lambda_.create_function(
        FunctionName=name,
        Role=server.role(),
        Runtime="python3.11",
        Handler="handlers.echo",
        Code={"ZipFile": package("python")},
    )
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert created["FunctionArn"] == arn("lambda", f"function:{name}")
    assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
    assert created["StateReason"] == "The function is being created."
    assert "LastUpdateStatus" not in created
    assert (created["Timeout"], created["MemorySize"], created["Version"]) == (3, 128, "$LATEST")
    assert (created["Description"], created["PackageType"], created["Architectures"]) == ("", "Zip", ["x86_64"])
    assert created["EphemeralStorage"] == {"Size": 512}
    assert created["TracingConfig"] == {"Mode": "PassThrough"}
    assert created["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    assert created["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}
    assert created["CodeSize"] == len(package("python"))
    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(package("python")).digest()).decode()
    assert created["LastModified"].endswith("+0000")
    functions.wait_active(name)
    active = lambda_.get_function_configuration(FunctionName=name)
    assert (active["State"], active["LastUpdateStatus"]) == ("Active", "Successful")
    assert active["RevisionId"] != created["RevisionId"]


def test_get_function_tells_where_the_code_is(lambda_, function):
    got = lambda_.get_function(FunctionName=function)
    assert got["Configuration"]["FunctionName"] == function
    assert got["Code"]["RepositoryType"] == "S3"
    code = requests.get(got["Code"]["Location"], timeout=10)
    assert code.content == package("python")
    assert "Tags" not in got
    assert "Concurrency" not in got


@pytest.mark.parametrize(
    "form", ["{name}", "function:{name}", "000000000000:function:{name}", "arn:aws:lambda:us-east-1:000000000000:function:{name}"]
)
def test_a_function_is_found_by_every_form_of_its_name(lambda_, function, form):
    got = lambda_.get_function_configuration(FunctionName=form.format(name=function))
    assert got["FunctionArn"] == arn("lambda", f"function:{function}")


def test_a_qualifier_shows_in_the_arn(lambda_, function):
    got = lambda_.get_function_configuration(FunctionName=function, Qualifier="$LATEST")
    assert got["FunctionArn"] == arn("lambda", f"function:{function}:$LATEST")
    with pytest.raises(ClientError) as error:
        lambda_.get_function_configuration(FunctionName=f"{function}:$LATEST", Qualifier="1")
    assert error_of(error)[:2] == ("InvalidParameterValueException", 400)
    assert "The derived qualifier from the function name does not match the specified qualifier." in str(error.value)


def test_functions_are_listed_in_pages_without_their_state(lambda_, functions, name):
    names = [f"{name}-{i}" for i in range(3)]
    for each in names:
        functions.create(each)
    pages = list(lambda_.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    listed = {f["FunctionName"]: f for page in pages for f in page["Functions"]}
    assert set(names) <= set(listed)
    assert all(len(page["Functions"]) <= 2 for page in pages)
    assert "State" not in listed[names[0]]


def test_code_comes_from_s3(lambda_, s3, functions, server, name):
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="code/a b.zip", Body=package("python"))
    functions.create(name, Code={"S3Bucket": name, "S3Key": "code/a b.zip"})
    assert functions.invoke(name, {"from": "s3"}).payload == {"from": "s3"}


def test_missing_code_in_s3_is_named(lambda_, s3, functions, name):
    s3.create_bucket(Bucket=name)
    with pytest.raises(ClientError) as error:
        functions.create(name, Code={"S3Bucket": name, "S3Key": "none.zip"})
    assert error_of(error) == (
        "InvalidParameterValueException",
        400,
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
    )


def test_updated_code_runs_at_the_next_invocation(lambda_, functions, function):
    assert functions.invoke(function, 1).payload == 1
    updated = lambda_.update_function_code(
        FunctionName=function, ZipFile=zipped({"handlers.py": "def echo(event, context):\n    return 'new'\n"})
    )
    assert updated["LastUpdateStatus"] == "InProgress"
    functions.wait_active(function)
    assert functions.invoke(function, 1).payload == "new"


def test_configuration_is_updated_member_by_member(lambda_, functions, function):
    before = lambda_.get_function_configuration(FunctionName=function)
    lambda_.update_function_configuration(
        FunctionName=function, Description="d", MemorySize=256, Environment={"Variables": {"NUT": "acorn"}}
    )
    functions.wait_active(function)
    got = lambda_.get_function_configuration(FunctionName=function)
    assert (got["Description"], got["MemorySize"], got["Timeout"]) == ("d", 256, before["Timeout"])
    assert got["Environment"] == {"Variables": {"NUT": "acorn"}}
    assert got["RevisionId"] != before["RevisionId"]
    lambda_.update_function_configuration(FunctionName=function, Environment={"Variables": {}})
    functions.wait_active(function)
    assert lambda_.get_function_configuration(FunctionName=function)["Environment"] == {"Variables": {}}


def test_a_stale_revision_is_refused(lambda_, function):
    with pytest.raises(ClientError) as error:
        lambda_.update_function_configuration(
            FunctionName=function, Description="x", RevisionId="00000000-0000-0000-0000-000000000000"
        )
    assert error_of(error)[:2] == ("PreconditionFailedException", 412)


def test_a_deleted_function_is_gone(lambda_, function):
    lambda_.delete_function(FunctionName=function)
    for call in (lambda_.get_function, lambda_.delete_function):
        with pytest.raises(ClientError) as error:
            call(FunctionName=function)
        expected = f"Function not found: {arn('lambda', f'function:{function}')}"
        assert error_of(error) == ("ResourceNotFoundException", 404, expected)


def test_creating_twice_conflicts(functions, function):
    with pytest.raises(ClientError) as error:
        functions.create(function)
    assert error_of(error) == ("ResourceConflictException", 409, f"Function already exist: {function}")


def test_a_package_that_is_no_zip_is_refused(functions, name):
    with pytest.raises(ClientError) as error:
        functions.create(name, Code={"ZipFile": b"not a zip"})
    text = "Could not unzip uploaded file. Please check your file, then try to upload again."
    assert error_of(error) == ("InvalidParameterValueException", 400, text)


def test_an_entry_that_leaves_the_package_does_no_harm(functions, server, name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../escaped", "x")
        archive.writestr("handlers.py", "def echo(event, context):\n    return event\n")
    try:
        functions.create(name, Code={"ZipFile": buffer.getvalue()})
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterValueException"
    assert not list(server.folder.rglob("escaped"))


def test_an_unknown_runtime_is_refused(functions, name):
    with pytest.raises(ClientError, match="Value cobol85 at 'runtime' failed to satisfy constraint") as error:
        functions.create(name, Runtime="cobol85")
    assert error_of(error)[:2] == ("InvalidParameterValueException", 400)


def test_reserved_environment_variables_are_refused(functions, name):
    with pytest.raises(ClientError, match="Reserved keys used in this request: AWS_REGION") as error:
        functions.create(name, Environment={"Variables": {"AWS_REGION": "x"}})
    assert error_of(error)[:2] == ("InvalidParameterValueException", 400)


def test_too_large_an_environment_is_refused(functions, name):
    with pytest.raises(ClientError, match="exceeded the 4KB limit") as error:
        functions.create(name, Environment={"Variables": {"LONG": "x" * 4097}})
    assert error_of(error)[:2] == ("InvalidParameterValueException", 400)


def test_tags_are_kept_and_shown(lambda_, functions, name):
    functions.create(name, Tags={"tree": "oak"})
    resource = arn("lambda", f"function:{name}")
    lambda_.tag_resource(Resource=resource, Tags={"age": "9"})
    assert lambda_.get_function(FunctionName=name)["Tags"] == {"tree": "oak", "age": "9"}
    lambda_.untag_resource(Resource=resource, TagKeys=["tree"])
    assert lambda_.list_tags(Resource=resource)["Tags"] == {"age": "9"}


class TestConcurrency:
    def test_reserved_concurrency_is_set_and_removed(self, lambda_, function):
        assert "ReservedConcurrentExecutions" not in lambda_.get_function_concurrency(FunctionName=function)
        put = lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=7)
        assert put["ReservedConcurrentExecutions"] == 7
        assert lambda_.get_function(FunctionName=function)["Concurrency"] == {"ReservedConcurrentExecutions": 7}
        lambda_.delete_function_concurrency(FunctionName=function)
        assert "ReservedConcurrentExecutions" not in lambda_.get_function_concurrency(FunctionName=function)

    def test_zero_throttles_every_invocation(self, lambda_, functions, function):
        lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        with pytest.raises(ClientError) as error:
            functions.invoke(function, 1)
        assert error_of(error)[:2] == ("TooManyRequestsException", 429)
        assert error.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"

    def test_the_unreserved_pool_keeps_its_minimum(self, lambda_, function):
        with pytest.raises(ClientError) as error:
            lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=901)
        text = (
            "Specified ReservedConcurrentExecutions for function decreases account's "
            "UnreservedConcurrentExecution below its minimum value of [100]."
        )
        assert error_of(error) == ("InvalidParameterValueException", 400, text)


class TestPolicy:
    def test_statements_are_added_read_and_removed(self, lambda_, function):
        added = lambda_.add_permission(
            FunctionName=function,
            StatementId="s3",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn="arn:aws:s3:::b",
            SourceAccount="000000000000",
        )
        statement = {
            "Sid": "s3",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": arn("lambda", f"function:{function}"),
            "Condition": {
                "StringEquals": {"AWS:SourceAccount": "000000000000"},
                "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"},
            },
        }
        assert json.loads(added["Statement"]) == statement
        policy = json.loads(lambda_.get_policy(FunctionName=function)["Policy"])
        assert policy == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
        lambda_.remove_permission(FunctionName=function, StatementId="s3")
        with pytest.raises(ClientError) as error:
            lambda_.get_policy(FunctionName=function)
        text = "The resource you requested does not exist."
        assert error_of(error) == ("ResourceNotFoundException", 404, text)

    def test_a_statement_id_is_used_once(self, lambda_, function):
        statement = {"FunctionName": function, "StatementId": "s", "Action": "lambda:InvokeFunction"}
        lambda_.add_permission(**statement, Principal="sns.amazonaws.com")
        with pytest.raises(ClientError, match=r"The statement id \(s\) provided already exists.") as error:
            lambda_.add_permission(**statement, Principal="s3.amazonaws.com")
        assert error_of(error)[:2] == ("ResourceConflictException", 409)

    def test_a_missing_statement_is_named(self, lambda_, function):
        lambda_.add_permission(
            FunctionName=function, StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
        )
        with pytest.raises(ClientError) as error:
            lambda_.remove_permission(FunctionName=function, StatementId="other")
        text = "Statement other is not found in resource policy."
        assert error_of(error) == ("ResourceNotFoundException", 404, text)


def test_the_cli_creates_and_invokes(server, lambda_, functions, name, tmp_path):
    (tmp_path / "code.zip").write_bytes(package("python"))
    server.aws(
        *("lambda", "create-function", "--function-name", name, "--runtime", "python3.11", "--role", server.role()),
        *("--handler", "handlers.echo", "--zip-file", f"fileb://{tmp_path}/code.zip"),
    )
    server.aws("lambda", "wait", "function-active-v2", "--function-name", name)
    server.aws("lambda", "invoke", "--function-name", name, "--payload", '{"from":"shell"}', tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {"from": "shell"}
