"""Attacks from inside a function that use up what there is, or speak to Kobel what no bootstrap says.

Each must fail, and leave the server as it was. docs/threat-model.md names the tests for what it claims.
"""

import pytest

from attacks import stage, unharmed  # noqa: F401
from functions import zipped

# Exhaustion


def test_a_fork_bomb(stage, name):
    code = """
import errno
made = 0
while made < 20000:
    try:
        child = os.fork()
    except OSError as error:
        result = [made, errno.errorcode[error.errno]]
        break
    if child == 0:
        import signal
        signal.pause()
    made += 1
"""
    made, error = stage.result(name, code, Timeout=60, MemorySize=4096)
    assert error == "EAGAIN"
    assert made <= 1024


def test_threads_without_end(stage, name):
    code = """
import threading
stop = threading.Event()
result = 0
try:
    while result < 20000:
        threading.Thread(target=stop.wait, daemon=True).start()
        result += 1
except RuntimeError:
    pass
stop.set()
"""
    assert stage.result(name, code, Timeout=60, MemorySize=2048) <= 1024


@pytest.mark.parametrize("how", ["alone", "children", "hidden"])
def test_a_memory_hog(stage, name, how):
    if how == "hidden" and not stage.has_rights:
        pytest.skip("pages of files in memory are seen by control groups only: docs/threat-model.md says so")
    code = """
MB = 1024 * 1024
def fill():
    kept = []
    for _ in range(4096):
        kept.append(bytearray(os.urandom(4096) * (MB // 4096)))
if event["how"] == "alone":
    fill()
if event["how"] == "children":
    children = [os.fork() for _ in range(3)]
    fill()
if event["how"] == "hidden":
    for _ in range(64):
        file = os.memfd_create("x")
        for _ in range(64):
            os.write(file, bytes(MB))
"""
    answer = stage.attack(name, code, Timeout=60, MemorySize=256, event={"how": how})
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] in ("Runtime.ExitError", "Runtime.OutOfMemory"), answer.payload


def test_descriptors_without_end(stage, name):
    code = """
kept = []
try:
    while len(kept) < 100000:
        kept.append(open("/dev/null"))
except OSError:
    pass
result = len(kept)
del kept
"""
    assert stage.result(name, code) <= 1024


def test_filling_tmp(stage, name):
    code = """
import errno, shutil
MB = 1024 * 1024
written = 0
file = open("/tmp/large", "wb", buffering=0)
try:
    while written < 2048 * MB:
        written += file.write(bytes(MB))
except OSError as error:
    full = errno.errorcode[error.errno]
os.unlink("/tmp/large")
file.close()
count = 0
try:
    while count < 1_000_000:
        os.close(os.open(f"/tmp/{count}", os.O_CREAT | os.O_WRONLY))
        count += 1
except OSError as error:
    many = errno.errorcode[error.errno]
result = [full, written // MB, many, count]
"""
    full, written_mb, many, count = stage.result(name, code, Timeout=120, MemorySize=2048)
    assert (full, many) == ("ENOSPC", "ENOSPC")
    assert written_mb <= 512
    assert count <= 512 * 256


def test_output_without_end(stage, name):
    code = """
while True:
    os.write(1, b"x" * 100 + b"\\n")
"""
    answer = stage.attack(name, code, Timeout=1)
    assert answer.payload["errorType"] == "Sandbox.Timedout"


def test_a_line_without_end(stage, name):
    code = """
for _ in range(64):
    os.write(1, b"x" * 1024 * 1024)
result = "written"
"""
    assert stage.result(name, code, Timeout=60) == "written"


def test_holding_connections_to_the_endpoint(stage, name):
    code = """
import socket, time
from urllib.parse import urlsplit
origin = urlsplit(os.environ["AWS_ENDPOINT_URL"])
ready, tell = os.pipe()
for _ in range(12):
    if os.fork() == 0:
        held = []
        try:
            while len(held) < 900:
                client = socket.socket()
                client.settimeout(2)
                client.connect((origin.hostname, origin.port))
                client.send(b"GET / HTTP/1.1\\r\\n")
                held.append(client)
        except OSError:
            pass
        os.write(tell, len(held).to_bytes(2, "big"))
        time.sleep(3600)
result = sum(int.from_bytes(os.read(ready, 2), "big") for _ in range(12))
"""
    stage.functions.create(name, "attack.handler", Code={"ZipFile": stage.package}, Timeout=60, MemorySize=2048)
    attacker = stage.functions.invoke(name, {"code": code})
    assert attacker.error is None
    # What is accepted, and what may wait to be.
    assert 256 <= attacker.payload <= 256 + 4096 + 12
    try:
        # The attacker's processes are there still, and hold what they have.
        ask = """
import http.client, os
from urllib.parse import urlsplit
origin = urlsplit(os.environ["AWS_ENDPOINT_URL"])
connection = http.client.HTTPConnection(origin.hostname, origin.port, timeout=10)
connection.request("GET", "/")
result = connection.getresponse().status
"""
        assert stage.result(f"{name}-other", ask) == 200
    finally:
        stage.lambda_.delete_function(FunctionName=name)


# The channel to Kobel


@pytest.mark.parametrize(
    "bytes_of",
    [
        "b'GET / HTTP/1.1\\r\\n\\r\\n'",
        "b'\\xff' * 64",
        "frame(b'R', length=0xffffffff)",
        "frame(b'R', header_length=0xffffffff)",
        "frame(b'R', length=4)",
        "frame(b'R', header=b'not json')",
        "frame(b'R', header=b'[' * 60000)",
        "frame(b'Z')",
        "frame(b'I')",
        "frame(b'V')",
        "frame(b'F', header=b'{\"errorType\": 7}')",
        "frame(b'R', body=b'x' * 6_300_000)",
    ],
)
def test_garbage_on_the_channel(stage, name, bytes_of):
    code = f"""
import socket
channel = socket.socket(fileno=os.dup(3))
channel.sendall({bytes_of})
import time
time.sleep(30)
"""
    answer = stage.attack(name, code, Timeout=5)
    assert answer.error == "Unhandled"


def test_closing_the_channel(stage, name):
    assert stage.attack(name, "os.close(3)", Timeout=5).error == "Unhandled"


def test_answering_before_the_question(stage, name):
    early = """
import json, socket
channel = socket.socket(fileno=os.dup(3))
for header in (b"{}", json.dumps({"requestId": event["claimed"] or context.aws_request_id}).encode()):
    for _ in range(500):
        channel.sendall(frame(b"R", header, b'"forged"'))
result = "first"
"""
    stage.functions.create(name, "attack.handler", Code={"ZipFile": stage.package}, Timeout=5)
    # Its own answer a function may give as it likes; one for another event is none.
    for claimed, expected in (("00000000-0000-4000-8000-000000000000", "first"), (None, "forged")):
        assert stage.functions.invoke(name, {"code": early, "claimed": claimed}).payload == expected
        # What was said too early is no answer to what was asked later.
        for _ in range(3):
            assert stage.functions.invoke(name, {"code": "result = 'true'"}).payload == "true"
    stage.lambda_.delete_function(FunctionName=name)


RUNTIME = """#!/usr/bin/env python3
import http.client, os, socket

host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")

def ask(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    reply = connection.getresponse()
    reply.read()
    return reply.status, reply.getheader("Lambda-Runtime-Aws-Request-Id")

while True:
    status, request = ask("GET", "invocation/next")
    other = "00000000-0000-4000-8000-000000000000"
    said = [
        ask("POST", f"invocation/{other}/response", b"1")[0],
        ask("POST", f"invocation/{other}/error", b"{}")[0],
        ask("POST", "init/error", b"{}")[0],
        ask("DELETE", f"invocation/{request}/response")[0],
        ask("GET", "../../_kobel/time")[0],
        ask("GET", "../../2015-03-31/functions")[0],
    ]
    held = [socket.create_connection((host, int(port))) for _ in range(40)]
    for client in held:
        client.send(b"POST / HTTP/1.1\\r\\nContent-Length: 99999999999\\r\\n\\r\\n")
    for client in held[20:]:
        client.close()
    del held
    ask("POST", f"invocation/{request}/response", str(said).encode())
    ask("POST", f"invocation/{request}/response", b"7")
"""


def test_abusing_the_runtime_api(stage, name):
    code = {"ZipFile": zipped({"bootstrap": RUNTIME})}
    stage.functions.create(name, "any", "provided", Code=code, Timeout=20)
    for _ in range(3):
        answer = stage.functions.invoke(name)
        assert answer.error is None, answer.payload
        assert all(status >= 400 for status in answer.payload), answer.payload
    stage.lambda_.delete_function(FunctionName=name)
