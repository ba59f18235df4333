"""AWS's own runtime clients, unchanged, in functions of `provided` and in an image."""

import base64
import functools
import json
import os
import time
from pathlib import Path

import pytest

from functions import Functions, zipped
from images import Registry, python_image
from kobel import binary

CLIENTS = Path(__file__).parent / "clients"
CACHE = Path(os.environ.get("KOBEL_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kobel")
APP = ("installationId", "appTitle", "appVersionName", "appVersionCode", "appPackageName")
CLIENT_CONTEXT = {"client": dict.fromkeys(APP, "1"), "custom": {"tenant": "blue"}, "env": {}}
LANGUAGES = ["python", "nodejs", "rust"]


def files(folder, prefix=""):
    """What `scripts/setup` installed, without what is only there to build it."""
    assert folder.is_dir(), f"there is no {folder}: run scripts/setup"
    skipped = {"__pycache__", "deps", "bin", "build"}
    paths = (path for path in folder.rglob("*") if path.is_file() and not skipped & set(path.relative_to(folder).parts))
    return {prefix + str(path.relative_to(folder)): path.read_bytes() for path in paths}


def sources(language):
    return {path.name: path.read_bytes() for path in (CLIENTS / language).iterdir() if path.is_file()}


@functools.cache
def package(language):
    """A deployment package of one client with what the tests ask of it."""
    match language:
        case "python":
            return zipped(sources("python") | files(CACHE / "clients/python"))
        case "nodejs":
            modules = CACHE / "clients/nodejs/node_modules"
            client = files(modules / "aws-lambda-ric", "node_modules/aws-lambda-ric/")
            return zipped(sources("nodejs") | client | files(modules / "@aws", "node_modules/@aws/"))
        case "rust":
            folders = [binary().parent, Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target")) / "debug"]
            built = [folder / "kobel-runtime-client" for folder in folders if (folder / "kobel-runtime-client").exists()]
            assert built, "run `cargo build -p kobel-runtime-client`, or `make test-clients`"
            return zipped({"bootstrap": built[0].read_bytes()})


@pytest.fixture(scope="module")
def made(server):
    """Makes the function of a language once."""
    functions, there = Functions(server), set()

    def make(language):
        name = f"client-{language}"
        if language not in there:
            code = {"ZipFile": package(language)}
            functions.create(name, "app.handler", "provided", Code=code, MemorySize=256, Timeout=20)
            there.add(language)
        return name

    return make


@pytest.mark.parametrize("language", LANGUAGES)
def test_events_go_in_and_results_come_out(functions, made, language):
    name = made(language)
    for event in [{"do": "echo", "ä": [1, None, "x" * 100_000]}, {"do": "echo"}]:
        answer = functions.invoke(name, event)
        assert answer.error is None, answer.log
        assert answer.payload["event"] == event


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_context_is_complete(functions, made, language):
    name = made(language)
    client = base64.b64encode(json.dumps(CLIENT_CONTEXT).encode()).decode()
    before = time.time() * 1000
    answer = functions.invoke(name, {"do": "context"}, ClientContext=client)
    assert answer.error is None, answer.log
    context = answer.payload
    assert context["request_id"] == answer.reply["ResponseMetadata"]["RequestId"]
    assert context["function"] == name
    assert context["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert context["version"] == "$LATEST"
    assert int(context["memory"]) == 256
    assert context["log_group"] == f"/aws/lambda/{name}"
    assert context["client"] == {"tenant": "blue"}
    assert before < context["deadline_ms"] <= time.time() * 1000 + 20_000


@pytest.mark.parametrize(("language", "error_type"), [("python", "ValueError"), ("nodejs", "RangeError"), ("rust", "Error")])
def test_an_error_has_the_client_s_own_form(functions, made, language, error_type):
    name = made(language)
    answer = functions.invoke(name, {"do": "fail"})
    assert answer.error == "Unhandled"
    assert answer.payload["errorMessage"] == "as asked"
    assert error_type in answer.payload["errorType"]
    if language == "python":
        assert any("app.py" in line for line in answer.payload["stackTrace"])
        assert answer.payload["requestId"] == answer.reply["ResponseMetadata"]["RequestId"]
    if language == "nodejs":
        assert any("app.mjs" in line for line in answer.payload["trace"])
    assert functions.invoke(name, {"do": "echo"}).error is None, "the next event is served"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_printed_and_logged_is_in_the_log(functions, made, language):
    log = functions.invoke(made(language), {"do": "log"}).log
    assert "printed" in log and "logged" in log
    assert log.index("START RequestId") < log.index("printed") < log.index("END RequestId")


def test_the_client_for_python_runs_in_an_image(functions, name):
    image = python_image(*(CACHE / "clients/python").glob("*.so"))
    image.add(files(CACHE / "clients/python", "var/task/") | {"var/task/app.py": sources("python")["app.py"]})
    image.config |= {"Entrypoint": ["python3", "-m", "awslambdaric"], "Cmd": ["app.handler"], "WorkingDir": "/var/task"}
    registry = Registry()
    with registry.serving():
        registry.push("python", image)
        functions.create_image(name, f"{registry.host}/python", Timeout=20)
    answer = functions.invoke(name, {"do": "log"})
    assert answer.error is None, answer.log
    assert answer.payload["function"] == name
    assert "printed" in answer.log and "logged" in answer.log
    failed = functions.invoke(name, {"do": "fail"})
    assert (failed.error, failed.payload["errorType"]) == ("Unhandled", "ValueError")
