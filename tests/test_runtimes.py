"""Lambda: every runtime identifier, and what is particular to a language."""

import pytest
from botocore.exceptions import ClientError

from functions import HANDLERS, package, zipped

NAMED = (
    "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, "
    "python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, "
    "dotnet6, nodejs18.x, provided.al2, java8.al2"
)
"""What AWS names when it refuses a runtime, in its order."""
UNNAMED = ["nodejs14.x", "nodejs26.x", "python3.15", "ruby4.0", "java8.al2023", "java11.al2023", "java17.al2023", "go1.x"]


@pytest.mark.parametrize("runtime", [*NAMED.split(", "), *UNNAMED])
def test_every_runtime_identifier_is_accepted(functions, name, runtime):
    created = functions.create(name, Runtime=runtime)
    assert created["Runtime"] == runtime


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        (
            "cobol85",
            "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{NAMED}] or be a valid ARN",
        ),
        *(
            (
                blocked,
                f"The runtime parameter of {blocked} is no longer supported for creating or updating AWS Lambda functions. "
                "We recommend you use a supported runtime while creating or updating functions.",
            )
            for blocked in ("python2.7", "nodejs12.x", "java8", "ruby2.7", "dotnetcore3.1", "provided")
        ),
    ],
)
def test_a_runtime_that_aws_refuses_is_refused(functions, name, runtime, message):
    with pytest.raises(ClientError) as refused:
        functions.create(name, Runtime=runtime)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert refused.value.response["Error"]["Message"] == message


def test_go_is_served_as_provided_by_the_executable_that_the_handler_names(functions, name):
    executable = (HANDLERS / "provided" / "bootstrap").read_bytes()
    functions.create(name, "bin/main", Runtime="go1.x", Code={"ZipFile": zipped({"bin/main": executable})})
    assert functions.invoke(name, {"a": 1}).payload == {"provided": {"a": 1}}
    functions.create(f"{name}-2", "main", "provided", Runtime="go1.x")
    assert functions.invoke(f"{name}-2", {"a": 2}).payload == {"provided": {"a": 2}}


class TestRuby:
    def test_a_handler_of_a_class_gets_its_event_and_context(self, functions, name):
        functions.create(name, "handlers.Squirrels::Red.count", "ruby")
        assert functions.invoke(name, {"nuts": [1, 2]}).payload == {"nuts": 3, "function": name, "memory": "128"}

    def test_an_error_names_its_class(self, functions, name):
        functions.create(name, "handlers.fail", "ruby")
        done = functions.invoke(name, {"wanted": "nuts"})
        assert done.error == "Unhandled"
        assert done.payload == {
            "errorMessage": "no nuts",
            "errorType": "Function<ArgumentError>",
            "stackTrace": ["/var/task/handlers.rb:8:in `fail'"],
        }

    def test_a_missing_library_fails_the_init(self, functions, name):
        code = zipped({"app.rb": "require 'acorn'\n"})
        functions.create(name, "app.handler", "ruby", Code={"ZipFile": code})
        done = functions.invoke(name)
        assert done.error == "Unhandled"
        assert done.payload["errorType"] == "Init<LoadError>"
        assert done.payload["errorMessage"] == "cannot load such file -- acorn"


class TestDotnet:
    """On the .NET that `scripts/setup` installs."""

    def test_a_handler_answers_and_logs(self, functions, name):
        functions.create(name, "Handlers::Handlers::Echo", "dotnet", MemorySize=256)
        done = functions.invoke(name, {"a": [1]})
        assert (done.error, done.payload) == (None, {"a": [1]})
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        assert f"\t{request_id}\tinfo\thello from dotnet\n" in done.log

    def test_an_error_names_its_class(self, functions, name):
        functions.create(name, "Handlers::Handlers::Fail", "dotnet", MemorySize=256)
        done = functions.invoke(name)
        assert done.error == "Unhandled"
        stack = done.payload.pop("stackTrace")
        assert done.payload == {"errorType": "InvalidOperationException", "errorMessage": "the tree fell"}
        assert stack[0].startswith("at Handlers.Fail(Stream payload)")

    def test_a_type_that_is_not_there_fails_the_init(self, functions, name):
        functions.create(name, "Handlers::Gone::Fail", "dotnet", MemorySize=256)
        assert functions.invoke(name).payload["errorType"] == "LambdaValidationException"


WRAPPER = """#!/bin/sh
# The interpreter and its arguments follow, as on AWS.
export WRAPPED="by $(basename "$0")"
exec "$@"
"""
WRAPPED = {
    "python": ("w.handler", {"w.py": "import os\ndef handler(event, context): return os.environ['WRAPPED']\n"}),
    "node": ("w.handler", {"w.js": "exports.handler = async () => process.env.WRAPPED;\n"}),
    "ruby": ("w.handler", {"w.rb": "def handler(event:, context:) = ENV['WRAPPED']\n"}),
    "java": ("handlers.Handlers::wrapped", {}),
    "dotnet": ("Handlers::Handlers::Wrapped", {}),
}


@pytest.mark.parametrize("language", WRAPPED)
def test_a_wrapper_script_starts_the_interpreter(functions, name, language):
    handler, files = WRAPPED[language]
    code = zipped({**files, "wrapper": WRAPPER}) if files else package(language)
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}
    arguments = {"Code": {"ZipFile": code}, "MemorySize": 512, "Environment": {"Variables": variables}}
    functions.create(name, handler, language, **arguments)
    assert functions.invoke(name).payload == "by wrapper"


@pytest.mark.parametrize("language", WRAPPED)
def test_a_missing_wrapper_script_is_exit_status_127(functions, name, language):
    variables = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/absent"}
    functions.create(name, "handlers.echo", language, MemorySize=512, Environment={"Variables": variables})
    done = functions.invoke(name)
    request_id = done.reply["ResponseMetadata"]["RequestId"]
    assert (done.error, done.payload) == (
        "Unhandled",
        {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: exit status 127",
        },
    )
