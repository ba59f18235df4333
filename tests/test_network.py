"""What functions reach: the outside by the gateway, names, the modes of the server and of functions' tags.

The outside is a server on this host's loopback, which functions may reach by `--network-allow`; names are answered by a
server of the test.
"""

import http.server
import os
import shutil
import socket
import socketserver
import tempfile
import threading
from pathlib import Path

import botocore.exceptions
import pytest

from functions import HANDLERS, Functions, zipped
from kobel import Server, binary
from waiting import wait_until

pytestmark = pytest.mark.skipif(os.uname().sysname != "Linux", reason="the namespaces driver is Linux's")

NOBODY = 65534
NAMES = {b"outside.example": "192.0.0.1", b"rebound.example": "127.0.0.1", b"metadata.example": "169.254.169.254"}
NODE = """
exports.handler = async (event) => {
  const reply = await fetch(`http://outside.example:${event.port}/node`);
  return [reply.status, await reply.text()];
};
"""


class Outside(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"outside of {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Names(socketserver.BaseRequestHandler):
    """Answers questions for IPv4 addresses from a table; all other names do not exist."""

    def handle(self):
        question, sock = self.request
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]])
            at += 1 + question[at]
        asked = question[12 : at + 5]
        address = NAMES.get(b".".join(labels).lower())
        is_v4 = asked[-4:-2] == b"\0\1"
        has_answer = bool(address) and is_v4
        header = question[:2] + (b"\x81\x80" if address else b"\x81\x83") + b"\0\1" + bytes([0, has_answer, 0, 0, 0, 0])
        record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(address) if has_answer else b""
        sock.sendto(header + asked + record, self.client_address)


@pytest.fixture(scope="module")
def outside():
    """The port of a server outside, and the address of one that answers names."""
    http_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    names = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Names)
    for service in (http_server, names):
        threading.Thread(target=service.serve_forever, daemon=True).start()
    yield http_server.server_address[1], f"127.0.0.1:{names.server_address[1]}"
    for service in (http_server, names):
        service.shutdown()
        service.server_close()


@pytest.fixture(scope="module", params=["root", "nobody"])
def functions(request, outside):
    """Functions on a server of root, and on one of a user without rights; where the caller has none, one of the caller's."""
    if os.getuid() != 0 and request.param == "root":
        pytest.skip("needs root")
    user = NOBODY if os.getuid() == 0 and request.param == "nobody" else None
    folder = Path(tempfile.mkdtemp(prefix="kobel-network-"))
    server = Server(folder, "--network-allow", f"127.0.0.1:{outside[0]}", "--dns", outside[1], user=user)
    if user is not None:
        os.chown(folder, user, user)
        server.program = shutil.copy(binary(), folder / "kobel")
    server.start()
    try:
        yield Functions(server)
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def run(functions, name, code, event=None, **arguments):
    """Runs Python in a new function; gives what it leaves in `result`."""
    package = zipped({"attack.py": (HANDLERS / "attacks" / "attack.py").read_bytes()})
    functions.create(name, "attack.handler", Code={"ZipFile": package}, **arguments)
    answer = functions.invoke(name, {"code": code} | (event or {}))
    assert answer.error is None, (answer.payload, answer.log)
    return answer.payload


def test_python_reaches_the_outside_by_name(functions, outside, name):
    code = """
import urllib.request
with urllib.request.urlopen(f"http://outside.example:{event['port']}/python", timeout=10) as reply:
    result = [reply.status, reply.read().decode()]
"""
    assert run(functions, name, code, {"port": outside[0]}) == [200, "outside of /python"]


def test_node_reaches_the_outside_by_name(functions, outside, name):
    functions.create(name, "index.handler", "node", Code={"ZipFile": zipped({"index.js": NODE})})
    answer = functions.invoke(name, {"port": outside[0]})
    assert (answer.error, answer.payload) == (None, [200, "outside of /node"]), answer.log


def test_many_connections_at_once_without_blocking(functions, outside, name):
    code = """
import asyncio
async def ask(number):
    reader, writer = await asyncio.open_connection("outside.example", event["port"])
    writer.write(f"GET /{number} HTTP/1.0\\r\\n\\r\\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    return text.endswith(f"outside of /{number}")
async def ask_all():
    return await asyncio.gather(*(ask(number) for number in range(100)))
result = asyncio.run(ask_all()).count(True)
"""
    assert run(functions, name, code, {"port": outside[0]}, Timeout=60) == 100


def test_a_connection_lives_on_while_its_environment_is_frozen(functions, outside, name):
    code = """
import builtins, http.client
if not hasattr(builtins, "kept"):
    builtins.kept = http.client.HTTPConnection("outside.example", event["port"], timeout=10)
builtins.kept.request("GET", "/kept")
own = builtins.kept.sock.getsockname()[1]
result = [builtins.kept.getresponse().read().decode(), own]
"""
    first = run(functions, name, code, {"port": outside[0]})
    second = functions.invoke(name, {"code": code, "port": outside[0]}).payload
    assert first[0] == "outside of /kept"
    assert second == first


def test_failures_have_their_own_errors(functions, outside, name):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        code = """
import socket
def lookup(host):
    try:
        return socket.gethostbyname(host)
    except socket.gaierror as error:
        return error.errno == socket.EAI_NONAME
def connect(host, port):
    return attempt(socket.create_connection, (host, port), 10)
result = [lookup("nowhere.example"), connect("outside.example", event["closed"]), connect("rebound.example", event["port"]),
          connect("metadata.example", 80), connect("10.0.0.1", 80), connect("fd00:ec2::254", 80)]
"""
        ports = {"port": outside[0], "closed": closed.getsockname()[1]}
        expected = [True, "EHOSTUNREACH", "ECONNREFUSED", "EHOSTUNREACH", "EHOSTUNREACH", "EHOSTUNREACH"]
        assert run(functions, name, code, ports) == expected


def test_connections_have_a_limit_that_harms_nobody_else(functions, outside, name):
    code = """
import socket
held = []
for number in range(900):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("192.0.0.1", event["port"]))
    held.append(client)
import select
poll = select.poll()
for client in held:
    poll.register(client, select.POLLOUT)
result = 0
while result < 500:
    ready = [number for number, kind in poll.poll(10_000)]
    if not ready:
        break
    for number in ready:
        poll.unregister(number)
    result += len(ready)
"""
    assert run(functions, name, code, {"port": outside[0]}, Timeout=60) >= 500
    other = run(functions, f"{name}-other", "result = 'fine'")
    assert other == "fine"
    assert functions.server.process.poll() is None


REACHED = """
import socket
from urllib.parse import urlparse
endpoint = urlparse(os.environ["AWS_ENDPOINT_URL"])
result = [attempt(socket.create_connection, (endpoint.hostname, endpoint.port), 10),
          attempt(socket.create_connection, ("192.0.0.1", event["port"]), 10)]
"""


def test_a_tag_says_what_a_function_reaches(functions, outside, name):
    event = {"port": outside[0]}
    for network, expected in {
        "none": ["ECONNREFUSED", "ENETUNREACH"], "kobel": ["ok", "ENETUNREACH"], "host": ["ok", "ok"],
    }.items():  # fmt: skip
        tags = {"kobel:network": network}
        assert run(functions, f"{name}-{network}", REACHED, event, Tags=tags) == expected, network


def test_a_wrong_tag_is_refused(functions, name):
    wrong = "The tag kobel:network is wrong: `lan` is no network; it must be none, kobel or host."
    with pytest.raises(botocore.exceptions.ClientError) as created:
        functions.create(name, Tags={"kobel:network": "lan"})
    assert created.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert created.value.response["Error"]["Message"] == wrong
    arn = functions.create(name)["FunctionArn"]
    with pytest.raises(botocore.exceptions.ClientError) as tagged:
        functions.lambda_.tag_resource(Resource=arn, Tags={"kobel:network": "lan"})
    assert tagged.value.response["Error"]["Message"] == wrong
    functions.lambda_.tag_resource(Resource=arn, Tags={"kobel:network": "none"})
    assert functions.lambda_.list_tags(Resource=arn)["Tags"] == {"kobel:network": "none"}


def test_a_server_may_close_the_outside_for_all(tmp_path, outside, name):
    server = Server(tmp_path, "--network", "kobel", "--network-allow", "127.0.0.1").start()
    try:
        assert run(Functions(server), name, REACHED, {"port": outside[0]}) == ["ok", "ENETUNREACH"]
        assert "loopback with Kobel's endpoint" in server.cli("doctor", "--network", "kobel").stdout
    finally:
        server.stop()


def test_plain_processes_refuse_what_they_cannot_give(tmp_path):
    server = Server(tmp_path, "--isolation", "process", "--network", "kobel")
    with pytest.raises(AssertionError, match="a network of `kobel` needs the namespaces driver"):
        server.start()


def test_environments_leave_no_interface_behind(functions, outside, name):
    """The namespaces of ended environments go, with their interfaces: nothing in the server holds them."""

    def tasks():
        folder = Path(f"/proc/{functions.server.process.pid}/fd")
        links = [os.readlink(entry) for entry in folder.iterdir() if entry.is_symlink()]
        return sum(link.startswith("socket:") for link in links)

    run(functions, name, "result = 1")
    functions.lambda_.delete_function(FunctionName=name)
    before = tasks()
    for number in range(5):
        run(functions, f"{name}-{number}", "result = 1")
        functions.lambda_.delete_function(FunctionName=f"{name}-{number}")
    wait_until(lambda: tasks() <= before + 1, what="the sockets of ended environments are closed")
