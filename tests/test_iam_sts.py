"""IAM roles and STS identities."""

import json
import re
from datetime import timedelta
from email.utils import parsedate_to_datetime

import boto3
import pytest
from botocore.exceptions import ClientError

from kobel import ACCOUNT, LAMBDA_TRUST, REGION, aws_cli, client_environment, run

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@pytest.fixture
def role(iam, name):
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(LAMBDA_TRUST))
    return name


def error_of(error):
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_a_role_is_created_and_read(iam, name):
    created = iam.create_role(
        RoleName=name, Path="/tests/", AssumeRolePolicyDocument=json.dumps(LAMBDA_TRUST), Description="d"
    )["Role"]
    assert created["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/tests/{name}"
    assert re.fullmatch(r"AROA[A-Z0-9]{16,17}", created["RoleId"])
    got = iam.get_role(RoleName=name)["Role"]
    assert (got["Path"], got["Description"], got["MaxSessionDuration"]) == ("/tests/", "d", 3600)
    assert got["AssumeRolePolicyDocument"] == LAMBDA_TRUST


def test_a_role_exists_once(iam, role):
    with pytest.raises(ClientError) as error:
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(LAMBDA_TRUST))
    assert error_of(error) == ("EntityAlreadyExists", 409, f"Role with name {role} already exists.")


def test_a_missing_role_is_named(iam, name):
    with pytest.raises(ClientError) as error:
        iam.get_role(RoleName=name)
    assert error_of(error) == ("NoSuchEntity", 404, f"The role with name {name} cannot be found.")


def test_a_document_that_is_no_json_is_refused(iam, name):
    with pytest.raises(ClientError) as error:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{")
    assert error_of(error) == ("MalformedPolicyDocument", 400, "This policy contains invalid Json")


def test_inline_policies_are_put_read_and_deleted(iam, role):
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps(POLICY))
    got = iam.get_role_policy(RoleName=role, PolicyName="p")
    assert (got["RoleName"], got["PolicyName"], got["PolicyDocument"]) == (role, "p", POLICY)
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["p"]
    iam.delete_role_policy(RoleName=role, PolicyName="p")
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []


def test_managed_policies_are_attached_and_detached(iam, role):
    iam.attach_role_policy(RoleName=role, PolicyArn=BASIC)
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert attached == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}]
    iam.detach_role_policy(RoleName=role, PolicyArn=BASIC)
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_a_role_with_policies_is_not_deleted(iam, role):
    iam.attach_role_policy(RoleName=role, PolicyArn=BASIC)
    with pytest.raises(ClientError) as error:
        iam.delete_role(RoleName=role)
    assert error_of(error) == ("DeleteConflict", 409, "Cannot delete entity, must detach all policies first.")
    iam.detach_role_policy(RoleName=role, PolicyArn=BASIC)
    iam.delete_role(RoleName=role)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=role)


def test_the_caller_is_the_default_account(sts):
    caller = sts.get_caller_identity()
    assert caller["Account"] == ACCOUNT
    assert caller["Arn"].startswith(f"arn:aws:iam::{ACCOUNT}:")


def test_a_twelve_digit_access_key_names_the_account(server):
    def client(service):
        return boto3.client(
            service,
            endpoint_url=server.endpoint,
            region_name=REGION,
            aws_access_key_id="111122223333",
            aws_secret_access_key="x",
        )

    assert client("sts").get_caller_identity()["Account"] == "111122223333"
    assert client("sqs").create_queue(QueueName="elsewhere")["QueueUrl"].endswith("/111122223333/elsewhere")
    with pytest.raises(ClientError):
        server.client("sqs").get_queue_url(QueueName="elsewhere")


def test_a_role_is_assumed(sts, iam, role, server):
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    reply = sts.assume_role(RoleArn=arn, RoleSessionName="spring", DurationSeconds=900)
    assert reply["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/spring"
    assert re.fullmatch(r"AROA[A-Z0-9]+:spring", reply["AssumedRoleUser"]["AssumedRoleId"])
    credentials = reply["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA")
    now = parsedate_to_datetime(reply["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert abs(credentials["Expiration"] - now - timedelta(seconds=900)) < timedelta(seconds=30)
    session = boto3.client(
        "sts",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    assert session.get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/spring"


def test_the_cli_finds_the_server_by_its_environment(server):
    done = run([aws_cli(), "sts", "get-caller-identity"], client_environment(server.endpoint))
    assert json.loads(done.stdout)["Account"] == ACCOUNT
