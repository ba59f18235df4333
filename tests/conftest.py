"""Fixtures: servers with an empty data folder, the official clients for them, names that nobody else uses."""

import itertools
import re
import shutil
from pathlib import Path

import pytest

from functions import Functions
from kobel import Server, binary
from waiting import wait_until

_names = itertools.count(1)


def pytest_sessionstart(session):
    if not session.config.option.collectonly and not binary().exists():
        pytest.exit(f"there is no binary at {binary()}: run `make test-clients`, or set KOBEL_BIN", returncode=4)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server on real time, shared by the tests of one file."""
    yield from _running(Server(tmp_path_factory.mktemp("server")))


@pytest.fixture(scope="module")
def virtual(tmp_path_factory):
    """A server on virtual time, shared by the tests of one file: when nothing runs, time jumps to what is due next."""
    yield from _running(Server(tmp_path_factory.mktemp("virtual"), time="virtual"))


@pytest.fixture
def fresh_server(tmp_path):
    """A server of one test: it may be stopped, killed and restarted."""
    yield from _running(Server(tmp_path))


@pytest.fixture
def fresh_virtual(tmp_path):
    """A server of one test on virtual time."""
    yield from _running(Server(tmp_path, time="virtual"))


def _running(server):
    server.start()
    try:
        yield server
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    """A copy of the upload pipeline: what is built for it stays out of the clone."""
    source = Path(__file__).parent.parent / "examples" / "upload-pipeline"
    return shutil.copytree(source, tmp_path_factory.mktemp("example") / "upload-pipeline")


@pytest.fixture
def name(request):
    """A name for a queue, bucket, function …, unique in this run and legal for all of them."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:36].strip("-")
    return f"{test}-{next(_names)}"


def _client_fixture(service):
    @pytest.fixture
    def client(server):
        return server.client(service)

    return client


s3 = _client_fixture("s3")
sqs = _client_fixture("sqs")
sns = _client_fixture("sns")
lambda_ = _client_fixture("lambda")
logs = _client_fixture("logs")
iam = _client_fixture("iam")
sts = _client_fixture("sts")
cloudformation = _client_fixture("cloudformation")


@pytest.fixture
def functions(server):
    """Creates functions on the file's server from the code in tests/handlers."""
    return Functions(server)


@pytest.fixture
def logged(logs):
    """Waits for lines of a function's log that hold each of some texts, and returns the whole log."""

    def wait(function, *texts):
        def messages():
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
            lines = [event["message"] for event in found]
            return all(any(text in line for line in lines) for text in texts) and lines

        return wait_until(messages, what=f"{texts} in the log of {function}")

    return wait


@pytest.fixture
def virtual_functions(virtual):
    """Creates functions on the file's server on virtual time."""
    return Functions(virtual)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its server said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for fixture, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Server):
                report.sections.append((f"log of {fixture}", value.log_tail()))
