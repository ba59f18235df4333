"""Image functions of templates: images beside them, and images that a container engine builds."""

import shutil
import subprocess

import pytest

from images import echo_image
from kobel import COMMAND_TIMEOUT_S, binary, client_environment

SAM = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: %(name)s
      PackageType: Image
      ImageUri: %(uri)s
      ImageConfig: {Command: [from.sam]}
"""
UNBUILT = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties: {PackageType: Image}
    Metadata: {Dockerfile: Dockerfile, DockerContext: ./app, DockerTag: v1}
"""


def deploy(server, template, stack, path=""):
    """Deploys where `path` is all that is on the PATH: what container engines the host has does not matter."""
    command = [binary(), "deploy", template, "--stack-name", stack]
    environment = client_environment(server.endpoint) | {"PATH": str(path), "XDG_CACHE_HOME": str(template.parent / "cache")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)


def test_images_beside_a_template_are_deployed(server, functions, name, tmp_path):
    echo_image("layout").write_layout(tmp_path / "layout", tag="v1")
    (tmp_path / "saved.tar").write_bytes(echo_image("saved").saved())
    template = tmp_path / "template.yaml"
    for uri, version in [
        ("oci:./layout:v1", "layout"),
        ("docker-archive:saved.tar", "saved"),
        ("oci:layout", "layout"),
        ("./saved.tar", "saved"),
    ]:
        template.write_text(SAM % {"name": name, "uri": uri})
        ended = deploy(server, template, name)
        assert ended.returncode == 0, ended.stderr
        answer = functions.invoke(name).payload
        assert (answer["version"], answer["arguments"]) == (version, "from.sam"), uri
    template.write_text(SAM % {"name": name, "uri": "oci:layout:v2"})
    ended = deploy(server, template, name)
    assert ended.returncode == 1
    assert "Function: the image `v2` does not exist: the layout has no image of that name" in ended.stderr


def test_an_image_that_is_to_be_built_is_told(server, name, tmp_path):
    template = tmp_path / "template.yaml"
    template.write_text(UNBUILT)
    ended = deploy(server, template, name)
    assert ended.returncode == 1
    assert "template.yaml:7:" in ended.stderr
    assert "to build Function by `Dockerfile` takes one: install Docker or Podman" in ended.stderr


ENGINE = """#!/bin/sh
# The command line of a container engine. What it is asked to build is there: it only says so.
echo "$*" >> $(dirname $0)/asked
case "$1 $2" in
  "image inspect") [ "$5" = hello:v1 ] && echo sha256:c0ffee ;;
  "build "*) exit 0 ;;
  "save --output") cat $(dirname $0)/image.tar > "$3" ;;
  *) exit 1 ;;
esac
"""
BUILT = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: %s, PackageType: Image}
    Metadata:
      Dockerfile: docker/Dockerfile
      DockerContext: ./app
      DockerTag: v1
      DockerBuildTarget: final
      DockerBuildArgs: {STAGE: test}
"""


@pytest.fixture
def engine(tmp_path):
    """A folder with the command of a container engine; `asked` in it tells what it was asked."""
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "docker").write_text(ENGINE)
    (folder / "docker").chmod(0o755)
    (folder / "image.tar").write_bytes(echo_image("built").saved())
    for tool in ("sh", "cat", "dirname"):
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def test_a_container_engine_builds_what_a_template_says(server, functions, name, tmp_path, engine):
    (tmp_path / "app/docker").mkdir(parents=True)
    (tmp_path / "app/docker/Dockerfile").write_text("FROM scratch")
    template = tmp_path / "template.yaml"
    template.write_text(BUILT % name)
    for _ in range(2):
        ended = deploy(server, template, name, engine)
        assert ended.returncode == 0, ended.stderr
    assert functions.invoke(name).payload["version"] == "built"
    asked = (engine / "asked").read_text().splitlines()
    builds = [line for line in asked if line.startswith("build ")]
    assert len(builds) == 1, "what has not changed is not built again"
    options = f"build --file {tmp_path}/./app/docker/Dockerfile --tag kobel/function:"
    assert builds[0].startswith(options), builds
    assert builds[0].endswith(f" --target final --build-arg STAGE=test {tmp_path}/./app"), builds
    (tmp_path / "app/new").write_text("changed")
    (engine / "image.tar").write_bytes(echo_image("again").saved())
    assert deploy(server, template, name, engine).returncode == 0
    assert functions.invoke(name).payload["version"] == "again"


def test_an_image_that_a_container_engine_keeps_is_taken_from_it(server, functions, name, tmp_path, engine):
    template = tmp_path / "template.yaml"
    template.write_text(SAM % {"name": name, "uri": "hello:v1"})
    ended = deploy(server, template, name, engine)
    assert ended.returncode == 0, ended.stderr
    assert functions.invoke(name).payload["version"] == "built"
