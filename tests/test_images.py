"""Functions of the package type Image: from a registry or an archive, in the sandbox, without a container engine."""

import base64
import json
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from functions import Functions, package
from images import MACHINE, Image, Registry, echo_image, layer
from waiting import wait_until

NOT_VALID = "Source image {} is not valid. Provide a valid source image. Cause: "


@pytest.fixture(scope="module")
def registry():
    with Registry().serving() as registry:
        yield registry


def create(server, name, uri, **arguments):
    return Functions(server).create_image(name, uri, **arguments)


def refused(call, code="InvalidParameterValueException"):
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == code
    return error.value.response["Error"]["Message"]


def left(server):
    """The images and layers in the data folder, and what is half-done."""
    return sorted(str(path.relative_to(server.data)) for path in (server.data / "images").glob("*/*"))


def test_an_image_of_a_registry_runs(server, registry, functions, name):
    digest = registry.push("team/echo", echo_image())
    uri = f"{registry.host}/team/echo:latest"
    created = create(server, name, uri, Environment={"Variables": {"STAGE": "test"}})
    assert created["PackageType"] == "Image"
    assert created["CodeSize"] == 0
    assert created["CodeSha256"] == digest.removeprefix("sha256:")
    assert not {"Runtime", "Handler", "Layers", "ImageConfigResponse"} & created.keys()
    got = functions.lambda_.get_function(FunctionName=name)
    resolved = f"{registry.host}/team/echo@{digest}"
    assert got["Code"] == {"RepositoryType": "ECR", "ImageUri": uri, "ResolvedImageUri": resolved}
    for _ in range(2):
        answer = functions.invoke(name, {"a": [1, "ä"]})
        assert answer.error is None, answer.log
        assert answer.payload == {
            "event": {"a": [1, "ä"]},
            "arguments": "app.handler",
            "handler": "app.handler",
            "folder": "/work",
            "own": "image",
            "stage": "test",
            "root": "read-only",
            "version": "1",
        }
    assert "REPORT RequestId" in answer.log and "INIT_START" not in answer.log


def test_the_configuration_of_the_image_is_overridden_and_restored(server, registry, functions, name):
    registry.push("echo", echo_image())
    given = {"Command": ["other.handler", "x"], "WorkingDirectory": "/bin", "EntryPoint": ["/bin/sh", "/entry.sh"]}
    created = create(server, name, f"{registry.host}/echo", ImageConfig=given)
    assert created["ImageConfigResponse"] == {"ImageConfig": given}
    answer = functions.invoke(name).payload
    assert (answer["arguments"], answer["handler"], answer["folder"]) == ("other.handler x", "other.handler", "/bin")
    updated = functions.lambda_.update_function_configuration(FunctionName=name, ImageConfig={"Command": ["third"]})
    assert updated["ImageConfigResponse"] == {"ImageConfig": {"Command": ["third"]}}
    functions.wait_active(name)
    answer = functions.invoke(name).payload
    assert (answer["arguments"], answer["folder"]) == ("third", "/work")
    updated = functions.lambda_.update_function_configuration(FunctionName=name, ImageConfig={})
    assert "ImageConfigResponse" not in updated
    functions.wait_active(name)
    assert functions.invoke(name).payload["arguments"] == "app.handler"


def test_a_tag_is_read_once_and_versions_keep_their_image(server, registry, functions, name):
    first = registry.push("moving", echo_image("1"))
    uri = f"{registry.host}/moving:latest"
    create(server, name, uri, Publish=True)
    second = registry.push("moving", echo_image("2"))
    assert functions.invoke(name).payload["version"] == "1"
    planned = functions.lambda_.update_function_code(FunctionName=name, ImageUri=uri, DryRun=True)
    assert planned["CodeSha256"] == second.removeprefix("sha256:")
    assert functions.invoke(name).payload["version"] == "1"
    updated = functions.lambda_.update_function_code(FunctionName=name, ImageUri=uri)
    assert updated["CodeSha256"] == second.removeprefix("sha256:")
    functions.wait_active(name)
    assert functions.invoke(name).payload["version"] == "2"
    assert functions.invoke(name, Qualifier="1").payload["version"] == "1"
    same = functions.lambda_.publish_version(FunctionName=name, CodeSha256=second.removeprefix("sha256:"))
    assert same["Version"] == "2"
    wrong = refused(lambda: functions.lambda_.publish_version(FunctionName=name, CodeSha256=first.removeprefix("sha256:")))
    assert wrong.startswith(f"CodeSHA256 ({first.removeprefix('sha256:')}) is different from current CodeSHA256")


def test_an_index_is_followed_to_the_image_for_this_machine(server, registry, functions, name):
    registry.push_index("many", {"mips64": echo_image("wrong"), MACHINE: echo_image("right")})
    create(server, name, f"{registry.host}/many")
    assert functions.invoke(name).payload["version"] == "right"


def test_an_archive_of_docker_save_in_s3_runs(server, functions, s3, name):
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="fn/image.tar", Body=echo_image("saved").saved())
    uri = f"s3://{name}/fn/image.tar"
    created = create(server, name, uri)
    assert functions.invoke(name).payload["version"] == "saved"
    code = functions.lambda_.get_function(FunctionName=name)["Code"]
    assert code["ResolvedImageUri"] == f"{uri}@sha256:{created['CodeSha256']}"
    missing = refused(lambda: create(server, name + "-2", f"s3://{name}/none"))
    assert missing == (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."
    )


def test_one_that_needs_a_login_is_denied_without(server, name):
    registry = Registry()
    registry.password = "secret"
    registry.push("closed", echo_image())
    with registry.serving():
        message = refused(lambda: create(server, name, f"{registry.host}/closed"), "AccessDeniedException")
    assert message == "Lambda does not have permission to access the ECR image. Check the ECR permissions."
    assert any(path.startswith("/token?service=tests&scope=repository%3Aclosed%3Apull") for path in registry.asked)


def test_images_that_cannot_be_are_refused_and_leave_nothing(fresh_server, name):
    registry = Registry()
    registry.push("other", echo_image("1", Entrypoint=None), tag="other")
    foreign = Image([layer({"a": "b"})], {"Cmd": ["/a"]}, architecture="s390x")
    registry.push("other", foreign, tag="foreign")
    broken = Image([layer({"a": "b" * 10_000})], {"Cmd": ["/a"]})
    registry.push("other", broken, tag="broken")
    for digest, blob in registry.blobs.items():
        if digest == json.loads(registry.tags["other", "broken"])["layers"][0]["digest"]:
            registry.blobs[digest] = blob[:-20] + bytes(20)
    outside = Image([layer({"../../../tmp/outside": "x"})], {"Cmd": ["/a"]})
    registry.push("other", outside, tag="outside")
    with registry.serving():
        base = f"{registry.host}/other"
        none = f"{base}:none"
        message = refused(lambda: create(fresh_server, name, none))
        assert message == f"Source image {none} does not exist. Provide a valid source image."
        for tag, cause in [
            ("foreign", f"the image is not valid: it is for linux/s390x, and this machine is linux/{MACHINE}."),
            ("broken", "the image is not valid: "),
            ("outside", "the image is not valid: the entry `../../../tmp/outside` has no place in it."),
        ]:
            uri = f"{base}:{tag}"
            message = refused(lambda uri=uri: create(fresh_server, name, uri))
            assert message.startswith(NOT_VALID.format(uri) + cause), message
    uri = "127.0.0.1:1/none"
    message = refused(lambda: create(fresh_server, name, uri))
    assert message.startswith(NOT_VALID.format(uri) + "the registry `127.0.0.1:1` cannot be used: "), message
    for uri in ["oci:/etc", "docker-archive:/etc/passwd", "archive:/etc/passwd", "/etc/passwd", "UPPER", "s3://bucket"]:
        assert refused(lambda uri=uri: create(fresh_server, name, uri)).startswith(NOT_VALID.format(uri)), uri
    assert left(fresh_server) == []


@pytest.mark.parametrize(
    ("config", "error_type", "message"),
    [
        ({"Entrypoint": None, "Cmd": None}, "Runtime.InvalidEntrypoint", "neither ENTRYPOINT nor CMD"),
        ({"Entrypoint": ["/none"]}, "Runtime.InvalidEntrypoint", "fork/exec /none: no such file or directory"),
        ({"Entrypoint": ["/version"]}, "Runtime.InvalidEntrypoint", "fork/exec /version: exec format error"),
        ({"WorkingDir": "/none"}, "Runtime.InvalidWorkingDir", "chdir /none: no such file or directory"),
        ({"Entrypoint": ["/bin/sh", "-c", "exit 3"]}, "Runtime.ExitError", "exit status 3"),
    ],
)
def test_an_image_that_does_not_start_is_told_as_aws_does(server, registry, functions, name, config, error_type, message):
    registry.push(name, echo_image(**config))
    create(server, name, f"{registry.host}/{name}")
    answer = functions.invoke(name)
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == error_type
    assert message in answer.payload["errorMessage"]


def test_what_belongs_to_packages_is_refused_with_an_image(server, registry, functions, name):
    registry.push("echo", echo_image())
    uri = f"{registry.host}/echo"
    wanted = "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
    arn = "arn:aws:lambda:us-east-1:000000000000:layer:l:1"
    for arguments in [{"Runtime": "python3.12"}, {"Handler": "a.b"}, {"Layers": [arn]}]:
        assert refused(lambda arguments=arguments: create(server, name, uri, **arguments)) == wanted
    both = {"ImageUri": uri, "ZipFile": package("python")}
    assert refused(lambda: create(server, name, uri, Code=both)).startswith("Please do not provide other FunctionCode")
    without = refused(lambda: create(server, name, uri, Code={"ZipFile": package("python")}))
    assert without == "Please provide ImageUri when creating a function with packageType Image."
    create(server, name, uri)
    client = functions.lambda_
    change = refused(lambda: client.update_function_code(FunctionName=name, ZipFile=package("python")))
    assert change == "Please provide ImageUri when updating a function with packageType Image."
    assert refused(lambda: client.update_function_configuration(FunctionName=name, Handler="a.b")) == wanted
    functions.create(name + "-zip")
    change = refused(lambda: client.update_function_code(FunctionName=name + "-zip", ImageUri=uri))
    assert change == "Please don't provide ImageUri when updating a function with packageType Zip."
    given = {"FunctionName": name + "-zip", "ImageConfig": {"Command": ["x"]}}
    assert "PackageType Zip" in refused(lambda: client.update_function_configuration(**given))


def test_an_image_survives_a_restart_and_goes_with_its_last_function(fresh_server, name):
    server, functions, registry = fresh_server, Functions(fresh_server), Registry()
    with registry.serving():
        registry.push("echo", echo_image())
        uri = f"{registry.host}/echo"
        create(server, name, uri)
        asked = len(registry.asked)
        create(server, name + "-2", uri)
        blobs = [path for path in registry.asked[asked:] if "/blobs/" in path]
        assert len(blobs) == 1, "its configuration: its layers were there"
    assert functions.invoke(name).payload["version"] == "1"
    server.kill()
    server.start()
    functions = Functions(server)
    assert functions.invoke(name, 1).payload["event"] == 1, "without the registry"
    functions.lambda_.delete_function(FunctionName=name)
    assert functions.invoke(name + "-2", 2).payload["event"] == 2
    assert len([path for path in left(server) if path.startswith("images/roots/")]) == 1
    functions.lambda_.delete_function(FunctionName=name + "-2")
    wait_until(lambda: left(server) == [], what="the image and its layers are gone")


def test_an_image_that_is_half_there_is_gone_after_a_crash(fresh_server, name):
    registry = Registry()
    registry.push("slow", echo_image())
    with registry.serving():
        registry.stalls.set()
        uri = f"{registry.host}/slow"
        caller = threading.Thread(target=lambda: pytest.raises(BotoCoreError, create, fresh_server, name, uri))
        caller.start()
        assert registry.stalled.wait(20)
        assert left(fresh_server), "it is on its way"
        fresh_server.kill()
        caller.join()
        fresh_server.start()
        assert left(fresh_server) == []
        registry.stalls.clear()
        create(fresh_server, name, uri)
    assert Functions(fresh_server).invoke(name).payload["version"] == "1"


def test_a_login_of_docker_is_used(fresh_server, name, tmp_path, monkeypatch):
    registry = Registry()
    registry.password = "secret"
    registry.push("closed", echo_image())
    with registry.serving():
        auth = base64.b64encode(b"user:secret").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        fresh_server.restart()
        create(fresh_server, name, f"{registry.host}/closed")
    assert Functions(fresh_server).invoke(name).payload["version"] == "1"


def test_a_stack_has_image_functions(cloudformation, registry, functions, lambda_, name):
    uris = {version: f"{registry.host}/{name}:{version}" for version in ("1", "2")}
    for version in uris:
        registry.push(name, echo_image(version), tag=version)

    def body(uri, **properties):
        function = {"FunctionName": name, "PackageType": "Image", "Role": "arn:aws:iam::000000000000:role/r"}
        function |= {"Code": {"ImageUri": uri}, **properties}
        return json.dumps({"Resources": {"Function": {"Type": "AWS::Lambda::Function", "Properties": function}}})

    stack = {"StackName": name}
    overrides = {"ImageConfig": {"Command": ["from.stack"], "WorkingDirectory": "/bin"}}
    cloudformation.create_stack(**stack, TemplateBody=body(uris["1"], **overrides))
    cloudformation.get_waiter("stack_create_complete").wait(**stack, WaiterConfig={"Delay": 0.1})
    answer = functions.invoke(name).payload
    assert (answer["version"], answer["arguments"], answer["folder"]) == ("1", "from.stack", "/bin")
    cloudformation.update_stack(**stack, TemplateBody=body(uris["2"]))
    cloudformation.get_waiter("stack_update_complete").wait(**stack, WaiterConfig={"Delay": 0.1})
    answer = functions.invoke(name).payload
    assert (answer["version"], answer["arguments"], answer["folder"]) == ("2", "app.handler", "/work")
    cloudformation.delete_stack(**stack)
    cloudformation.get_waiter("stack_delete_complete").wait(**stack, WaiterConfig={"Delay": 0.1})
    assert refused(lambda: lambda_.get_function(FunctionName=name), "ResourceNotFoundException")


LOOK = """#!/bin/sh
# Answers with what a hostile image finds: the processes, the devices, the host's files, and what it could change.
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while wget -S -q -O /tmp/event $api/next 2>/tmp/headers; do
  id=$(sed -n 's/.*Lambda-Runtime-Aws-Request-Id: *//Ip' /tmp/headers | tr -d '\\r')
  processes=0
  for entry in /proc/[0-9]*; do processes=$((processes + 1)); done
  changed=""
  for file in /version /bin/busybox /etc/hosts /entry.sh /opt/new /var/task/new; do
    (echo x >> $file) 2>/dev/null && changed="$changed $file"
  done
  answer="{\\"processes\\":$processes,\\"changed\\":\\"$changed\\",\\"etc\\":\\"$(echo /etc/*)\\",\\"dev\\":\\"$(echo /dev/*)\\",\\"user\\":$(id -u)}"
  wget -q -O /dev/null --post-data "$answer" $api/$id/response
done
"""


def test_a_function_of_an_image_sees_and_changes_nothing_but_its_own(server, registry, functions, name):
    image = echo_image()
    image.add({"entry.sh": LOOK})
    registry.push(name, image)
    create(server, name, f"{registry.host}/{name}")
    found = functions.invoke(name)
    assert found.error is None, found.log
    assert found.payload["processes"] <= 4, "its init, its shell, and what that runs"
    assert found.payload["changed"] == ""
    assert found.payload["etc"] == "/etc/hosts /etc/resolv.conf"
    devices = set(found.payload["dev"].split())
    assert devices == {f"/dev/{device}" for device in ("fd", "full", "null", "random", "stderr", "stdin", "stdout", "urandom", "zero")}
    assert found.payload["user"] == 993


EXTENSION = """#!/bin/sh
# Registers for nothing but the end, and says that it was there.
api=http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension
wget -S -q -O /dev/null --header "Lambda-Extension-Name: own" --post-data '{"events":["INVOKE"]}' $api/register 2>/tmp/registered
id=$(sed -n 's/.*Lambda-Extension-Identifier: *//Ip' /tmp/registered | tr -d '\r')
echo "registered as $id"
while wget -q -O /tmp/next --header "Lambda-Extension-Identifier: $id" $api/event/next; do :; done
"""


def test_an_image_brings_its_extensions(server, registry, functions, name):
    image = echo_image()
    image.add({"opt/extensions/own": EXTENSION})
    registry.push(name, image)
    create(server, name, f"{registry.host}/{name}")
    for event in (1, 2):
        answer = functions.invoke(name, event)
        assert answer.error is None, answer.log
        assert answer.payload["event"] == event
    events = server.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    assert any("registered as " in event["message"] for event in events)


def test_what_an_update_replaces_goes(fresh_server, name):
    registry, functions = Registry(), Functions(fresh_server)
    with registry.serving():
        registry.push("a", echo_image("1"), tag="1")
        registry.push("a", echo_image("2"), tag="2")
        create(fresh_server, name, f"{registry.host}/a:1")
        assert functions.invoke(name).payload["version"] == "1"
        functions.lambda_.update_function_code(FunctionName=name, ImageUri=f"{registry.host}/a:2")
    functions.wait_active(name)
    assert functions.invoke(name).payload["version"] == "2"
    roots = fresh_server.data / "images/roots"
    wait_until(lambda: len(list(roots.iterdir())) == 1, what="the first image is gone")
    wait_until(lambda: len(list((fresh_server.data / "images/layers").iterdir())) == 2, what="the layer that it alone had is gone")
