"""A real Kobel: the binary, started on a free port with a data folder, and the official clients for it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.config
import requests

from waiting import wait_until

REGION = "us-east-1"
ACCOUNT = "000000000000"
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20
COMMAND_TIMEOUT_S = 90
TOOLS = Path(sys.executable).parent
"""Where the AWS CLI of the tests is."""
IS_VENV = sys.prefix != sys.base_prefix
CACHE = Path(os.environ.get("KOBEL_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kobel")
DOTNET = CACHE / "dotnet"
"""The .NET that `scripts/setup` installs for tests."""


def binary():
    """The binary under test: KOBEL_BIN, or the one that cargo built."""
    if "KOBEL_BIN" in os.environ:
        return Path(os.environ["KOBEL_BIN"])
    target = os.environ.get("CARGO_TARGET_DIR", Path(__file__).parent.parent / "target")
    return Path(target) / "debug" / "kobel"


def client_environment(endpoint=None):
    """The caller's environment with dummy credentials and nothing of the caller's own AWS configuration.

    The virtual environment of the tests is not on its PATH: functions run on the host's Python.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KOBEL_", "VIRTUAL_ENV"))}
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    environment |= {
        "PATH": os.pathsep.join(folder for folder in folders if not IS_VENV or Path(folder) != TOOLS),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "NO_COLOR": "1",
        "DOTNET_ROOT": str(DOTNET),
    }
    if endpoint:
        environment |= {"AWS_ENDPOINT_URL": endpoint, "KOBEL_ENDPOINT": endpoint}
    return environment


class Server:
    """One `kobel serve`. Its port and data folder stay the same over restarts."""

    def __init__(self, folder, *arguments, time="real", user=None):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.log = self.folder / "kobel.log"
        self.arguments = arguments
        self.time = time
        self.user = user
        """The host's user and group that it runs as; the caller's, if absent."""
        self.port = 0
        self.program = binary()
        self.process = None
        self._clients = {}

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        self._spawn(port_file)

        def ready():
            if self.process.poll() is not None:
                if not self._lost_its_port():
                    raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log_tail()}")
                self._spawn(port_file)
            return port_file.exists() and port_file.read_text().strip()

        self.port = int(wait_until(ready, START_TIMEOUT_S, "the server is ready"))
        return self

    def _spawn(self, port_file):
        command = [self.program, "serve", "--port", str(self.port), "--data", self.data, "--time", self.time]
        command += ["--port-file", port_file, *self.arguments]
        with self.log.open("ab") as log:
            identity = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=client_environment(), **identity
            )

    def _lost_its_port(self):
        """While no server listens, the system may lend its port to somebody's outgoing connection: not for long."""
        return self.port != 0 and "Address already in use" in self.log_tail(300)

    def stop(self):
        """Asks the server to drain and end, as Ctrl-C does."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the server did not stop:\n{self.log_tail()}") from None
        return self.process and self.process.returncode

    def kill(self):
        """SIGKILL: nothing is written any more."""
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def log_tail(self, size=8000):
        return self.log.read_bytes()[-size:].decode(errors="replace") if self.log.exists() else ""

    def client(self, service, **config):
        """A boto3 client that does not retry, so that every error is seen."""
        key = (service, tuple(sorted(config.items())))
        if key not in self._clients:
            settings = {"retries": {"total_max_attempts": 1}, "read_timeout": 60, "connect_timeout": 5}
            if service == "s3":
                settings["s3"] = {"addressing_style": "path"}
            self._clients[key] = boto3.client(
                service,
                endpoint_url=self.endpoint,
                region_name=REGION,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=botocore.config.Config(**(settings | config)),
            )
        return self._clients[key]

    def role(self):
        """The ARN of an execution role that Lambda may assume."""
        iam = self.client("iam")
        try:
            return iam.get_role(RoleName="tests")["Role"]["Arn"]
        except iam.exceptions.NoSuchEntityException:
            return iam.create_role(RoleName="tests", AssumeRolePolicyDocument=json.dumps(LAMBDA_TRUST))["Role"]["Arn"]

    def aws(self, *arguments, check=True):
        """Runs the AWS CLI against this server."""
        # The first version of the CLI sends SQS elsewhere unless the option names the endpoint.
        environment = client_environment(self.endpoint) | {"AWS_MAX_ATTEMPTS": "1"}
        return run([aws_cli(), "--endpoint-url", self.endpoint, *arguments], environment, check)

    def cli(self, *arguments, check=True, cwd=None):
        """Runs a `kobel` command against this server."""
        return run([binary(), *arguments], client_environment(self.endpoint), check, cwd)

    def admin(self, path, body=None):
        """Calls the admin API: GET, or POST with a JSON body."""
        url = f"{self.endpoint}/_kobel/{path}"
        reply = requests.get(url, timeout=20) if body is None else requests.post(url, json=body, timeout=20)
        reply.raise_for_status()
        return reply.json()


LAMBDA_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def run(command, environment, check=True, cwd=None):
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def aws_cli():
    found = shutil.which("aws", path=f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    assert found, "the AWS CLI is not on the PATH: run `make setup`, or `make test-clients`"
    return found


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
