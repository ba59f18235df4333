"""`kobel up`: one command from a template to a running application."""

import json
import os
import re
import signal
import subprocess
import zipfile

import pytest
import requests

from functions import Functions
from images import echo_image
from kobel import Server, binary, client_environment
from waiting import wait_until

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Greeting: {Type: String, Default: Hello}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: hello
      CodeUri: src/
      Handler: app.handler
      Runtime: python3.11
      Environment: {Variables: {GREETING: !Ref Greeting}}
Outputs:
  Name: {Value: !Ref Hello}
"""
CODE = 'import os\n\n\ndef handler(event, context):\n    print("called")\n    return f"{os.environ[\'GREETING\']} %s"\n'
SLOW = """
import time


def handler(event, context):
    print("begun")
    time.sleep(1)
    return "done"
"""


class Up(Server):
    """`kobel up` in a folder: a server that deploys what is there."""

    def __init__(self, folder, *arguments):
        super().__init__(folder, *arguments)
        # Beside the folder: what is written in it would be a change.
        self.log = self.folder.parent / "kobel.log"

    def start(self):
        port_file = self.folder.parent / "port"
        port_file.unlink(missing_ok=True)
        command = [binary(), "up", "--port", str(self.port), "--port-file", port_file, *self.arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=client_environment()
            )
        self.port = int(wait_until(lambda: self.alive() and port_file.exists() and port_file.read_text().strip()))
        wait_until(self.deployed, 60, "the stack is there")
        return self

    def alive(self):
        assert self.process.poll() is None, self.log_tail()
        return True

    def deployed(self):
        self.alive()
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        return stacks and all(s["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE") for s in stacks)

    def wait_for(self, pattern, timeout_s=30):
        def found():
            printed = re.search(pattern, self.log_tail(100_000))
            return printed or (self.alive() and None)

        return wait_until(found, timeout_s, f"{pattern!r} in the output")


@pytest.fixture
def folder(tmp_path):
    shop = tmp_path / "shop"
    (shop / "src").mkdir(parents=True)
    (shop / "template.yaml").write_text(TEMPLATE)
    (shop / "src" / "app.py").write_text(CODE % "one")
    return shop


@pytest.fixture
def up(folder):
    """Starts `kobel up` with the given arguments; all end with the test."""
    started = []

    def start(*arguments):
        started.append(Up(folder, *arguments).start())
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()


def test_the_application_runs_and_tells_how_to_call_it(up):
    server = up()
    functions = Functions(server)
    assert functions.invoke("hello").payload == "Hello one"
    server.wait_for(r"hello")
    server.wait_for(r"called")
    assert "\x1b[" not in server.log_tail(100_000)
    assert "http://127.0.0.1" in server.log_tail(100_000)


def test_parameters_are_passed(up):
    server = up("--parameter", "Greeting=Bonjour", "--stack-name", "french")
    assert Functions(server).invoke("hello").payload == "Bonjour one"
    assert server.client("cloudformation").describe_stacks(StackName="french")["Stacks"]


def test_a_change_in_the_code_is_deployed(up, folder):
    server = up()
    functions = Functions(server)
    assert functions.invoke("hello").payload == "Hello one"
    (folder / "src" / "app.py").write_text(CODE % "two")
    wait_until(lambda: functions.invoke("hello").payload == "Hello two", 20)


def test_a_broken_template_is_told_and_the_old_one_goes_on(up, folder):
    server = up()
    (folder / "template.yaml").write_text(TEMPLATE + "Outputs: [")
    server.wait_for(r"template\.yaml:\d+:\d+")
    assert Functions(server).invoke("hello").payload == "Hello one"
    (folder / "template.yaml").write_text(TEMPLATE.replace("Default: Hello", "Default: Salve"))
    wait_until(lambda: Functions(server).invoke("hello").payload == "Salve one", 20)


def test_the_next_start_finds_everything_as_it_was(up, folder):
    server = up()
    url = server.client("sqs").create_queue(QueueName="by-hand")["QueueUrl"]
    assert url
    assert server.stop() == 0
    assert (folder / ".kobel").is_dir()
    server.start()
    assert Functions(server).invoke("hello").payload == "Hello one"
    assert server.client("sqs").get_queue_url(QueueName="by-hand")


def test_an_ephemeral_server_leaves_nothing(up, folder):
    server = up("--ephemeral")
    assert Functions(server).invoke("hello").payload == "Hello one"
    assert server.stop() == 0
    left = {path for path in (folder / ".kobel").rglob("*") if path.is_file()} if (folder / ".kobel").exists() else set()
    assert not [path for path in left if "build" not in path.parts]


def test_ctrl_c_waits_for_what_runs(up, folder):
    (folder / "src" / "app.py").write_text(SLOW)
    server = up()
    running = subprocess.Popen(
        [binary(), "invoke", "hello", "--payload", "{}"],
        stdout=subprocess.PIPE,
        env=client_environment(server.endpoint),
    )
    server.wait_for("begun")
    os.kill(server.process.pid, signal.SIGINT)
    out, _ = running.communicate(timeout=30)
    assert json.loads(out) == "done"
    assert server.process.wait(30) == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.endpoint}/_kobel/health", timeout=5)


LAYERED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Shared:
    Type: AWS::Serverless::LayerVersion
    Properties:
      ContentUri: layer/
  Built:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: python3.11}
    Properties:
      ContentUri: built/
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: hello
      CodeUri: src/
      Handler: app.handler
      Runtime: python3.11
      Layers: [!Ref Shared, !Ref Built]
"""


def test_layers_are_packed_and_built_from_their_folders(up, folder):
    (folder / "layer" / "python").mkdir(parents=True)
    (folder / "layer" / "python" / "shared.py").write_text("NAME = 'one'")
    # A finished wheel: pip needs no network for it.
    package = folder / "dep-1-py3-none-any.whl"
    with zipfile.ZipFile(package, "w") as wheel:
        wheel.writestr("dep.py", "NAME = 'dep'")
        wheel.writestr("dep-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: dep\nVersion: 1\n")
        wheel.writestr("dep-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("dep-1.dist-info/RECORD", "")
    (folder / "built").mkdir()
    (folder / "built" / "requirements.txt").write_text(f"{package}\n")
    (folder / "src" / "app.py").write_text(
        "import dep, shared\n\n\ndef handler(event, context):\n    return [shared.NAME, dep.NAME, dep.__file__]\n"
    )
    (folder / "template.yaml").write_text(LAYERED)
    server = up()
    functions = Functions(server)
    assert functions.invoke("hello").payload == ["one", "dep", "/opt/python/dep.py"]
    (folder / "layer" / "python" / "shared.py").write_text("NAME = 'two'")
    wait_until(lambda: functions.invoke("hello").payload == ["two", "dep", "/opt/python/dep.py"], 20)


IMAGE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: hello
      PackageType: Image
      ImageUri: docker-archive:image/fn.tar
"""


def test_an_image_beside_the_template_is_deployed_whenever_it_is_built(up, folder):
    (folder / "template.yaml").write_text(IMAGE)
    (folder / "image").mkdir()
    (folder / "image/fn.tar").write_bytes(echo_image("one").saved())
    server = up()
    functions = Functions(server)
    assert functions.invoke("hello").payload["version"] == "one"
    for version in ("two", "three"):
        (folder / "image/new.tar").write_bytes(echo_image(version).saved())
        (folder / "image/new.tar").rename(folder / "image/fn.tar")
        wait_until(lambda: functions.invoke("hello").payload["version"] == version, 30)
