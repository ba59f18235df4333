"""Functions from the code in tests/handlers: packaging, creating, invoking."""

import base64
import functools
import io
import json
import subprocess
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

from waiting import wait_until

HANDLERS = Path(__file__).parent / "handlers"
JAVA_RUNTIME = Path(__file__).parent.parent / "runtimes" / "java"
RUNTIMES = {
    "python": "python3.11",
    "node": "nodejs20.x",
    "java": "java17",
    "ruby": "ruby3.3",
    "dotnet": "dotnet8",
    "provided": "provided.al2023",
}


def zipped(files):
    """A zip of `{path: bytes or text}`; every file may be executed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(str(path))
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@functools.cache
def package(language):
    """The deployment package of all handlers in one language."""
    folder = HANDLERS / language
    if language == "java":
        with tempfile.TemporaryDirectory() as classes:
            # Of Lambda's own interfaces, which functions bring as a library, the runtime's are compiled against.
            options = ["-sourcepath", JAVA_RUNTIME, "-implicit:none", "-encoding", "UTF-8", "-parameters", "-d", classes]
            subprocess.run(["javac", *options, *folder.rglob("*.java")], check=True)
            return zipped(_files(Path(classes)) | {"wrapper": (folder / "wrapper").read_bytes()})
    if language == "dotnet":
        with tempfile.TemporaryDirectory() as assemblies:
            output = Path(assemblies) / "Handlers.dll"
            subprocess.run(["mcs", "-target:library", f"-out:{output}", *folder.glob("*.cs")], check=True)
            return zipped(_files(output.parent) | {"wrapper": (folder / "wrapper").read_bytes()})
    return zipped(_files(folder))


def _files(folder):
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder): path.read_bytes() for path in paths}


class Functions:
    def __init__(self, server):
        self.server = server
        self.lambda_ = server.client("lambda")

    def create(self, name, handler="handlers.echo", language="python", **arguments):
        """Creates a function and waits until it is Active."""
        settings = {
            "FunctionName": name,
            "Role": self.server.role(),
            "Runtime": RUNTIMES[language],
            "Handler": handler,
            "Code": {"ZipFile": package(language)},
            "Timeout": 10,
        }
        created = self.lambda_.create_function(**(settings | arguments))
        self.wait_active(name)
        return created

    def create_image(self, name, uri, **arguments):
        """Creates a function from a container image and waits until it is Active."""
        settings = {"PackageType": "Image", "Code": {"ImageUri": uri}, "Role": self.server.role(), "Timeout": 10}
        created = self.lambda_.create_function(FunctionName=name, **(settings | arguments))
        self.wait_active(name)
        return created

    def wait_active(self, name):
        def active():
            configuration = self.lambda_.get_function_configuration(FunctionName=name)
            assert configuration["State"] != "Failed", configuration
            return configuration["State"] == "Active" and configuration["LastUpdateStatus"] == "Successful"

        wait_until(active, what=f"{name} is Active")

    def invoke(self, name, event=None, **arguments):
        """Invokes and waits: `payload` as a value, `error` as the function error header, `log` as text, `reply`."""
        reply = self.lambda_.invoke(
            FunctionName=name, Payload=json.dumps(event), **({"LogType": "Tail"} | arguments)
        )
        body = reply["Payload"].read()
        return SimpleNamespace(
            payload=json.loads(body) if body else None,
            error=reply.get("FunctionError"),
            log=base64.b64decode(reply.get("LogResult", "")).decode(errors="replace"),
            reply=reply,
        )

    def send(self, name, event=None, **arguments):
        """Invokes asynchronously; returns the request id."""
        reply = self.lambda_.invoke(
            FunctionName=name, InvocationType="Event", Payload=json.dumps(event), **arguments
        )
        assert reply["StatusCode"] == 202
        return reply["ResponseMetadata"]["RequestId"]
