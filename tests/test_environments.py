"""Environments between invocations: what the host sees of them."""

from pathlib import Path

from functions import zipped
from waiting import wait_until

COUNTING = """
import threading, time

ticks = 0

def count():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)

threading.Thread(target=count, daemon=True).start()

def handler(event, context):
    return ticks
"""


def processes_of(server, function):
    """The processes in the server's tree whose program was executed with this function's variables."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    tree, found = [server.process.pid], []
    for pid in tree:
        tree += children.get(pid, [])
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"AWS_LAMBDA_FUNCTION_NAME={function}".encode() in variables:
            found.append(pid)
    return found


def is_frozen(pid):
    """By the freezer of its control group, of either version, or by a signal."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        folder = Path("/sys/fs/cgroup")
        if controllers == "freezer":
            state = folder / "freezer" / path.lstrip("/") / "freezer.state"
            if state.exists() and state.read_text().strip() == "FROZEN":
                return True
        if not controllers:
            for root in (folder, folder / "unified"):
                events = root / path.lstrip("/") / "cgroup.events"
                if events.exists() and "frozen 1" in events.read_text():
                    return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def test_an_idle_environment_stands_still_until_the_next_event(server, functions, name):
    # A variable that interpreters read when they boot, so that the process shows the function's.
    own = {"Variables": {"PYTHONOPTIMIZE": "1"}}
    functions.create(name, "app.handler", Code={"ZipFile": zipped({"app.py": COUNTING})}, Environment=own)
    functions.invoke(name)
    [pid] = processes_of(server, name)
    wait_until(lambda: is_frozen(pid), what="the idle environment is frozen")
    before = functions.invoke(name).payload
    wait_until(lambda: functions.invoke(name).payload > before, what="what it does beside goes on")
    # Beside it another one may stand by.
    assert pid in processes_of(server, name)
    wait_until(lambda: is_frozen(pid), what="it is frozen again")
