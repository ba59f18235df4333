"""CloudFormation: stacks, updates, change sets, rollback, errors."""

import json

import pytest
from botocore.exceptions import ClientError

from kobel import ACCOUNT, REGION, arn
from waiting import wait_until

QUEUE = """
Parameters:
  Delay: {Type: Number, Default: 5}
  Stage: {Type: String, Default: test, AllowedValues: [test, prod]}
Mappings:
  Retention:
    test: {Seconds: 120}
    prod: {Seconds: 600}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      DelaySeconds: !Ref Delay
      MessageRetentionPeriod: !FindInMap [Retention, !Ref Stage, Seconds]
      VisibilityTimeout: !If [IsProd, 60, !Ref AWS::NoValue]
  Topic:
    Type: AWS::SNS::Topic
    Condition: IsProd
Outputs:
  Url: {Value: !Ref Queue}
  Joined: {Value: !Join ["-", [!GetAtt Queue.QueueName, !Ref "AWS::Region"]]}
  Text: {Value: !Sub "${AWS::AccountId}/${Queue.Arn}/${!Literal}"}
  TopicArn: {Value: !Ref Topic, Condition: IsProd}
"""
FAILING = """
Resources:
  Good:
    Type: AWS::SQS::Queue
    Properties: {QueueName: %(name)s-good}
  Bad:
    Type: AWS::SQS::Queue
    DependsOn: Good
    Properties: {QueueName: %(name)s-bad, VisibilityTimeout: 99999}
"""


class Stack:
    def __init__(self, client, name):
        self.client, self.name = client, name

    def create(self, body, wait="CREATE_COMPLETE", **arguments):
        created = self.client.create_stack(StackName=self.name, TemplateBody=body, **arguments)
        self.id = created["StackId"]
        return self.wait(wait)

    def update(self, body, wait="UPDATE_COMPLETE", **arguments):
        self.client.update_stack(StackName=self.name, TemplateBody=body, **arguments)
        return self.wait(wait)

    def describe(self, by=None):
        return self.client.describe_stacks(StackName=by or self.name)["Stacks"][0]

    def wait(self, status, by=None):
        def ended():
            stack = self.describe(by)
            done = not stack["StackStatus"].endswith("IN_PROGRESS")
            assert not done or stack["StackStatus"] == status, (stack, self.reasons())
            return stack if done else None

        return wait_until(ended, 60, f"{self.name} is {status}")

    def outputs(self):
        return {o["OutputKey"]: o["OutputValue"] for o in self.describe().get("Outputs", [])}

    def events(self, by=None):
        """Oldest first, as (logical id, status, reason)."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=by or self.name)
        events = [e for page in pages for e in page["StackEvents"]][::-1]
        return [(e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason")) for e in events]

    def reasons(self):
        return [e for e in self.events(getattr(self, "id", None)) if e[2]]


@pytest.fixture
def stack(cloudformation, name):
    return Stack(cloudformation, name)


def parameters(**values):
    return [{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()]


def error_of(error):
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_a_stack_is_created_with_its_outputs(stack, sqs, name):
    described = stack.create(QUEUE, Tags=[{"Key": "tree", "Value": "oak"}])
    assert described["StackId"].startswith(f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/")
    assert {p["ParameterKey"]: p["ParameterValue"] for p in described["Parameters"]} == {"Delay": "5", "Stage": "test"}
    assert described["Tags"] == [{"Key": "tree", "Value": "oak"}]
    outputs = stack.outputs()
    assert set(outputs) == {"Url", "Joined", "Text"}
    queue_name = outputs["Url"].rsplit("/", 1)[1]
    assert queue_name.startswith(f"{name}-Queue-")
    assert outputs["Joined"] == f"{queue_name}-{REGION}"
    assert outputs["Text"] == f"{ACCOUNT}/{arn('sqs', queue_name)}/${{Literal}}"
    got = sqs.get_queue_attributes(QueueUrl=outputs["Url"], AttributeNames=["All"])["Attributes"]
    assert (got["DelaySeconds"], got["MessageRetentionPeriod"], got["VisibilityTimeout"]) == ("5", "120", "30")


def test_events_tell_the_story(stack, name):
    stack.create(QUEUE)
    assert stack.events() == [
        (name, "CREATE_IN_PROGRESS", "User Initiated"),
        ("Queue", "CREATE_IN_PROGRESS", None),
        ("Queue", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        ("Queue", "CREATE_COMPLETE", None),
        (name, "CREATE_COMPLETE", None),
    ]
    (resource,) = stack.client.describe_stack_resources(StackName=name)["StackResources"]
    assert (resource["LogicalResourceId"], resource["ResourceType"]) == ("Queue", "AWS::SQS::Queue")
    assert resource["PhysicalResourceId"] == stack.outputs()["Url"]
    assert resource["ResourceStatus"] == "CREATE_COMPLETE"


def test_an_update_changes_in_place_and_adds(stack, sqs):
    stack.create(QUEUE)
    url = stack.outputs()["Url"]
    stack.update(QUEUE, Parameters=parameters(Stage="prod", Delay="7"))
    outputs = stack.outputs()
    assert outputs["Url"] == url
    assert outputs["TopicArn"].startswith("arn:aws:sns:")
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (got["DelaySeconds"], got["MessageRetentionPeriod"], got["VisibilityTimeout"]) == ("7", "600", "60")
    stack.update(QUEUE, Parameters=parameters(Stage="test"))
    assert "TopicArn" not in stack.outputs()
    with pytest.raises(ClientError) as error:
        stack.update(QUEUE, Parameters=parameters(Stage="test"))
    assert error_of(error) == ("ValidationError", 400, "No updates are to be performed.")


def test_a_deleted_stack_leaves_nothing_but_its_events(stack, sqs, name):
    stack.create(QUEUE)
    url, stack_id = stack.outputs()["Url"], stack.id
    stack.client.delete_stack(StackName=name)
    stack.wait("DELETE_COMPLETE", stack_id)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    with pytest.raises(ClientError) as error:
        stack.describe()
    assert error_of(error) == ("ValidationError", 400, f"Stack with id {name} does not exist")
    assert stack.events(stack_id)[-1][:2] == (name, "DELETE_COMPLETE")
    stack.client.delete_stack(StackName=name)


def test_a_retained_resource_stays(stack, sqs, name):
    stack.create(
        f"Resources: {{Kept: {{Type: AWS::SQS::Queue, DeletionPolicy: Retain, Properties: {{QueueName: {name}}}}}}}"
    )
    stack.client.delete_stack(StackName=name)
    stack.wait("DELETE_COMPLETE", stack.id)
    assert sqs.get_queue_url(QueueName=name)
    assert ("Kept", "DELETE_SKIPPED", None) in stack.events(stack.id)


class TestRollback:
    def test_a_failed_creation_leaves_nothing(self, stack, sqs, name):
        stack.create(FAILING % {"name": name}, wait="ROLLBACK_COMPLETE")
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            sqs.get_queue_url(QueueName=f"{name}-good")
        events = stack.events()
        (failed,) = [e for e in events if e[:2] == ("Bad", "CREATE_FAILED")]
        assert failed[2].startswith('Resource handler returned message: "')
        assert "VisibilityTimeout" in failed[2]
        rollback = "The following resource(s) failed to create: [Bad]. Rollback requested by user."
        assert (name, "ROLLBACK_IN_PROGRESS", rollback) in events
        assert ("Good", "DELETE_COMPLETE", None) in events
        with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated."):
            stack.update(QUEUE)

    def test_a_failed_update_restores_what_was(self, stack, sqs, name):
        body = f"Resources: {{Good: {{Type: AWS::SQS::Queue, Properties: {{QueueName: {name}-good, DelaySeconds: 3}}}}}}"
        stack.create(body)
        stack.update(FAILING % {"name": name}, wait="UPDATE_ROLLBACK_COMPLETE")
        url = sqs.get_queue_url(QueueName=f"{name}-good")["QueueUrl"]
        got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]
        assert got == {"DelaySeconds": "3"}
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            sqs.get_queue_url(QueueName=f"{name}-bad")
        assert stack.client.get_template(StackName=name)["TemplateBody"] == body
        stack.update(body.replace("3", "4"))

    def test_a_function_that_cannot_be_made_is_rolled_back(self, stack, lambda_, server, name):
        body = json.dumps(
            {
                "Resources": {
                    "F": {
                        "Type": "AWS::Lambda::Function",
                        "Properties": {
                            "FunctionName": name,
                            "Role": server.role(),
                            "Runtime": "python3.11",
                            "Handler": "a.b",
                            "Code": {"S3Bucket": f"{name}-none", "S3Key": "k"},
                        },
                    }
                }
            }
        )
        stack.create(body, wait="ROLLBACK_COMPLETE")
        assert "NoSuchBucket" in str(stack.reasons())
        with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
            lambda_.get_function(FunctionName=name)


class TestChangeSets:
    def prepare(self, stack, kind, body=QUEUE, status="CREATE_COMPLETE", **arguments):
        created = stack.client.create_change_set(
            StackName=stack.name, ChangeSetName="c", ChangeSetType=kind, TemplateBody=body, **arguments
        )
        stack.id = created["StackId"]

        def ready():
            described = stack.client.describe_change_set(StackName=stack.name, ChangeSetName="c")
            return described if not described["Status"].endswith(("PENDING", "IN_PROGRESS")) else None

        described = wait_until(ready)
        assert described["Status"] == status, described
        return described

    def test_a_stack_comes_from_a_change_set(self, stack, name):
        described = self.prepare(stack, "CREATE")
        assert described["ExecutionStatus"] == "AVAILABLE"
        (change,) = described["Changes"]
        assert (change["Type"], change["ResourceChange"]["Action"]) == ("Resource", "Add")
        assert change["ResourceChange"]["LogicalResourceId"] == "Queue"
        assert stack.describe()["StackStatus"] == "REVIEW_IN_PROGRESS"
        stack.client.execute_change_set(StackName=name, ChangeSetName="c")
        stack.wait("CREATE_COMPLETE")
        assert stack.events()[0] == (name, "REVIEW_IN_PROGRESS", "User Initiated")

    def test_an_update_shows_what_it_would_change(self, stack):
        stack.create(QUEUE)
        described = self.prepare(stack, "UPDATE", Parameters=parameters(Stage="prod"))
        changes = {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in described["Changes"]}
        assert (changes["Queue"]["Action"], changes["Queue"]["Replacement"]) == ("Modify", "False")
        assert changes["Topic"]["Action"] == "Add"
        assert "TopicArn" not in stack.outputs()

    def test_a_change_set_without_changes_fails(self, stack):
        stack.create(QUEUE)
        described = self.prepare(stack, "UPDATE", status="FAILED")
        assert described["ExecutionStatus"] == "UNAVAILABLE"
        assert described["StatusReason"].startswith("The submitted information didn't contain changes.")

    def test_a_deleted_change_set_is_gone(self, stack, name):
        self.prepare(stack, "CREATE")
        stack.client.delete_change_set(StackName=name, ChangeSetName="c")
        with pytest.raises(ClientError) as error:
            stack.client.execute_change_set(StackName=name, ChangeSetName="c")
        assert error_of(error) == ("ChangeSetNotFound", 404, "ChangeSet [c] does not exist")

    def test_sam_is_transformed(self, stack, functions, name):
        body = f"""
            Transform: AWS::Serverless-2016-10-31
            Resources:
              Hello:
                Type: AWS::Serverless::Function
                Properties:
                  FunctionName: {name}
                  Runtime: python3.11
                  Handler: index.handler
                  InlineCode: "def handler(event, context): return event"
        """
        self.prepare(stack, "CREATE", body, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
        stack.client.execute_change_set(StackName=name, ChangeSetName="c")
        stack.wait("CREATE_COMPLETE")
        assert functions.invoke(name, {"a": 1}).payload == {"a": 1}
        types = {r["ResourceType"] for r in stack.client.list_stack_resources(StackName=name)["StackResourceSummaries"]}
        assert types == {"AWS::Lambda::Function", "AWS::IAM::Role"}
        assert functions.lambda_.list_tags(Resource=arn("lambda", f"function:{name}"))["Tags"]["lambda:createdBy"] == "SAM"


class TestCapabilities:
    ROLE = '{"Resources":{"R":{"Type":"AWS::IAM::Role","Properties":{%s"AssumeRolePolicyDocument":{}}}}}'
    SAM = '{"Transform":"AWS::Serverless-2016-10-31","Resources":{"Q":{"Type":"AWS::SQS::Queue"}}}'

    @pytest.mark.parametrize(
        ("body", "capability"),
        [
            (ROLE % "", "CAPABILITY_IAM"),
            (ROLE % '"RoleName":"r",', "CAPABILITY_NAMED_IAM"),
            (SAM, "CAPABILITY_AUTO_EXPAND"),
        ],
        ids=["iam", "named", "sam"],
    )
    def test_they_are_required(self, stack, body, capability):
        with pytest.raises(ClientError) as error:
            stack.create(body)
        text = f"Requires capabilities : [{capability}]"
        assert error_of(error) == ("InsufficientCapabilitiesException", 400, text)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "Template format error: JSON not well-formed."),
        ("Resources: [", "Template format error: YAML not well-formed."),
        ("Outputs: {}", "Template format error: At least one Resources member must be defined."),
        ("Resources: {A: x}", "Template format error: Any Resources member must be an object."),
        ("Resources: {A: {}}", "Template format error: [/Resources/A] Every Resources object must contain a Type member."),
        ("Resources: {A_b: {Type: 'AWS::SQS::Queue'}}", "Template format error: Resource name A_b is non alphanumeric."),
        ("Resources: {A: {Type: 'AWS::SQS::Queue', Properties: {QueueName: {Ref: B}}}}", "Template format error: Unresolved resource dependencies [B] in the Resources block of the template"),
        ("Resources: {A: {Type: 'AWS::SQS::Queue'}}\nOutputs: {O: {Value: {Ref: B}}}", "Unresolved resource dependencies [B] in the Outputs block of the template"),
        ("Resources: {A: {Type: 'AWS::SQS::Queue'}}\nOutputs: {O: {}}", "Every Outputs member must contain a Value object"),
        ("Resources: {Oak: {Type: 'AWS::Nut::Tree'}}", "AWS::Nut::Tree"),
    ],
)  # fmt: skip
def test_a_malformed_template_is_explained(stack, body, message):
    with pytest.raises(ClientError) as error:
        stack.create(body)
    assert error_of(error)[:2] == ("ValidationError", 400)
    assert message in error_of(error)[2]


def test_a_circular_template_is_explained(stack):
    ref = "{Type: 'AWS::SQS::Queue', Properties: {Tags: [{Key: k, Value: {Ref: %s}}]}}"
    with pytest.raises(ClientError, match="Circular dependency between resources: \\[(A, B|B, A)\\]"):
        stack.create(f"Resources: {{A: {ref % 'B'}, B: {ref % 'A'}}}")


def test_a_value_that_is_not_allowed_is_refused(stack):
    with pytest.raises(ClientError, match="Stage") as error:
        stack.create(QUEUE, Parameters=parameters(Stage="moon"))
    assert error_of(error)[:2] == ("ValidationError", 400)


def test_a_stack_exists_once(stack, name):
    stack.create(QUEUE)
    with pytest.raises(ClientError) as error:
        stack.create(QUEUE)
    assert error_of(error) == ("AlreadyExistsException", 400, f"Stack [{name}] already exists")


def test_stacks_are_listed_and_templates_read(stack, cloudformation, name):
    stack.create(QUEUE)
    pages = cloudformation.get_paginator("list_stacks").paginate(StackStatusFilter=["CREATE_COMPLETE"])
    assert name in [s["StackName"] for p in pages for s in p["StackSummaries"]]
    assert cloudformation.get_template(StackName=name)["TemplateBody"] == QUEUE
    valid = cloudformation.validate_template(TemplateBody=QUEUE)
    assert {p["ParameterKey"]: p["DefaultValue"] for p in valid["Parameters"]} == {"Delay": "5", "Stage": "test"}


def test_the_cli_deploys_a_template(server, name, tmp_path):
    (tmp_path / "t.yaml").write_text(QUEUE)
    server.aws("cloudformation", "deploy", "--template-file", tmp_path / "t.yaml", "--stack-name", name)
    done = server.aws("cloudformation", "describe-stacks", "--stack-name", name, "--query", "Stacks[0].StackStatus")
    assert json.loads(done.stdout) == "CREATE_COMPLETE"
