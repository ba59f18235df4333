"""Functions in virtual machines. QEMU emulates the processor, so that it runs without KVM, but slowly: one machine must do."""

import base64
import json
import os
import re
from pathlib import Path

import pytest

from functions import Functions, zipped
from kobel import Server, binary, client_environment, run
from waiting import wait_until

CACHE = Path(os.environ.get("KOBEL_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kobel")
BOOT_TIMEOUT_S = 240
CODE = """
import os, platform, urllib.request

def handler(event, context):
    print("on", platform.release())
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + "/?Action=GetCallerIdentity&Version=2011-06-15", method="POST")
    request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0")
    return [event, platform.release(), urllib.request.urlopen(request).status]
"""


def kernel():
    """The kernel that scripts/setup unpacked for guests, or the one that the caller names."""
    named = os.environ.get("KOBEL_MICROVM_KERNEL")
    return named or str(next(CACHE.glob("microvm/boot/vmlinuz-*"), "/boot/vmlinuz"))


@pytest.fixture
def microvms(tmp_path):
    arguments = ("--isolation", "microvm", "--microvm-emulate", "--microvm-kernel", kernel())
    server = Server(tmp_path, *arguments)
    server.start()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def machines(server):
    """The QEMU processes that see this server's data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if b"kobel.link" in command and str(server.data) in (process / "mountinfo").read_text():
                found.append(process.name)
        except (OSError, UnicodeDecodeError):
            continue  # it has ended meanwhile
    return found


def test_a_function_runs_in_a_machine_that_ends_with_the_server(microvms):
    functions = Functions(microvms)
    package = zipped({"app.py": CODE})
    functions.create("guest", "app.handler", Code={"ZipFile": package}, Timeout=200, MemorySize=256)
    lambda_ = microvms.client("lambda", read_timeout=BOOT_TIMEOUT_S)
    reply = lambda_.invoke(FunctionName="guest", Payload=json.dumps({"n": 1}), LogType="Tail")
    payload = json.loads(reply["Payload"].read())
    assert "FunctionError" not in reply, payload
    assert payload[0] == {"n": 1}
    assert payload[1] != os.uname().release
    assert payload[2] == 200
    log = base64.b64decode(reply["LogResult"]).decode()
    assert f"on {payload[1]}" in log and "Max Memory Used" in log
    assert machines(microvms)
    microvms.kill()
    wait_until(lambda: not machines(microvms), what="the machine has ended")


class TestDoctor:
    """What the command says, whether this machine has KVM or not."""

    def test_it_says_why_there_are_no_machines_or_that_there_are(self):
        environment = client_environment() | {"KOBEL_MICROVM_KERNEL": kernel()}
        summary = run([binary(), "doctor"], environment).stdout
        verdict = re.search(r"(yes|no) +microVMs +(.+)", summary)
        assert verdict, summary
        asked = run([binary(), "doctor", "--isolation", "microvm"], environment, check=False)
        if verdict[1] == "yes":
            assert asked.returncode == 0 and "Isolation: microvm" in asked.stdout
        else:
            assert asked.returncode == 1
            # The speed that it measured is never twice the same.
            said = [re.sub(r"\d+ ns", "N ns", text) for text in (verdict[2].strip(), asked.stderr)]
            assert said[0] in said[1] and len(asked.stderr.strip().splitlines()) == 1
            assert "/dev/kvm" in asked.stderr

    def test_an_emulated_processor_has_to_be_asked_for(self):
        environment = client_environment() | {"KOBEL_MICROVM_KERNEL": kernel(), "KOBEL_MICROVM_EMULATE": "1"}
        done = run([binary(), "doctor", "--isolation", "microvm"], environment, check=False)
        assert done.returncode == 0, done.stderr
        assert "emulator" in done.stdout

    @pytest.mark.parametrize("content", [None, b"text"])
    def test_a_kernel_that_is_none_is_told(self, tmp_path, content):
        named = tmp_path / "vmlinuz"
        if content:
            named.write_bytes(content)
        command = [binary(), "doctor", "--isolation", "microvm", "--microvm-emulate", "--microvm-kernel", named]
        done = run(command, client_environment(), check=False)
        assert done.returncode == 1
        assert str(named) in done.stderr and len(done.stderr.strip().splitlines()) == 1
