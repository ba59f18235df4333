"""The stage of the attack tests: a server with a victim, and attackers' functions on it."""

import os
import shutil
import socket
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from functions import HANDLERS, Functions, zipped
from kobel import Server, binary

UNPRIVILEGED = 65534
"""`nobody`: has no rights on the host, and no control groups."""
SERVER_MEMORY_MB_MAX = 600
"""What the server may come to hold in memory, whatever functions do."""


def own_address():
    """An address of this host that is not its loopback's, where it has one; else the gateway's, which stands for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        try:
            client.connect(("203.0.113.1", 9))
        except OSError:
            return "192.0.0.1"
        return client.getsockname()[0]


@pytest.fixture(scope="module", params=["root", "nobody"])
def stage(request):
    """A server run by root, and one run by a user without rights; where the caller has none, one of the caller's."""
    if os.getuid() == 0:
        yield from _serving(None if request.param == "root" else UNPRIVILEGED)
    elif request.param == "nobody":
        yield from _serving(None)
    else:
        pytest.skip("needs root")


@pytest.fixture(autouse=True)
def unharmed(stage):
    yield
    stage.assert_unharmed()


def _serving(user):
    """A server with a victim that is running."""
    folder = Path(tempfile.mkdtemp(prefix="kobel-attacks-"))
    server = Server(folder, user=user)
    if user is not None:
        os.chown(folder, user, user)
        # Where the binary was built may be closed to others.
        server.program = shutil.copy(binary(), folder / "kobel")
    server.start()
    stage = Stage(server, has_rights=user is None and os.getuid() == 0)
    try:
        yield stage
        stage.assert_unharmed()
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


class Stage:
    def __init__(self, server, has_rights):
        self.server = server
        self.has_rights = has_rights
        self.functions = Functions(server)
        self.lambda_ = server.client("lambda")
        self.pid = server.process.pid
        self.package = zipped({"attack.py": (HANDLERS / "attacks" / "attack.py").read_bytes()})
        victim = zipped({"victim.py": (HANDLERS / "attacks" / "victim.py").read_bytes()})
        environment = {"Variables": {"SECRET": "kobel-secret-in-environment"}}
        self.functions.create("victim", "victim.handler", Code={"ZipFile": victim}, Environment=environment)
        self.assert_unharmed()

    def attack(self, name, code, **arguments):
        """Runs `code` in a new function's environment; gives what `Functions.invoke` does."""
        event = {"code": code} | arguments.pop("event", {})
        self.functions.create(name, "attack.handler", Code={"ZipFile": self.package}, **arguments)
        try:
            return self.functions.invoke(name, event)
        finally:
            self.lambda_.delete_function(FunctionName=name)

    def result(self, name, code, **arguments):
        """What `code` left in `result`; the function itself must not have failed."""
        answer = self.attack(name, code, **arguments)
        assert answer.error is None, (answer.payload, answer.log)
        return answer.payload

    def assert_unharmed(self):
        """The server is the same process, of bounded size; its data folder is there; the victim answers."""
        assert self.server.process.poll() is None, self.server.log_tail()
        assert self.server.process.pid == self.pid
        assert (self.server.data / "code").is_dir()
        status = Path(f"/proc/{self.pid}/status").read_text()
        resident_kb = int(status.split("VmRSS:")[1].split()[0])
        assert resident_kb < SERVER_MEMORY_MB_MAX * 1024, f"the server holds {resident_kb} kB"
        victim = self.functions.invoke("victim")
        assert (victim.error, victim.payload) == (None, "kobel-secret-in-environment")
        log = self.server.log_tail()
        assert "panicked" not in log, log
        assert "the launcher died" not in log, log

    def host(self):
        """What an attacker would like to reach on this host."""
        return SimpleNamespace(data=str(self.server.data), pid=self.pid, port=self.server.port)
