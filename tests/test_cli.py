"""The `kobel` commands against a running server."""

import json
import re
import subprocess
from datetime import datetime

import pytest

from kobel import REGION, binary, client_environment, run
from waiting import wait_until

COMMANDS = ["up", "serve", "deploy", "delete", "invoke", "logs", "events", "time", "doctor", "version"]
QUEUE = "Resources:\n  Nuts:\n    Type: AWS::SQS::Queue\nOutputs:\n  Url:\n    Value: !Ref Nuts\n"


def offline(*arguments, cwd=None):
    """A command without a server."""
    environment = client_environment() | {"KOBEL_ENDPOINT": "http://127.0.0.1:9"}
    return run([binary(), *arguments], environment, check=False, cwd=cwd)


def text(done):
    return done.stdout + done.stderr


class TestHelp:
    def test_all_commands_are_listed(self):
        done = offline("--help")
        assert done.returncode == 0
        assert all(re.search(rf"^\s+{command}\b", done.stdout, re.M) for command in COMMANDS)

    @pytest.mark.parametrize("command", [c for c in COMMANDS if c != "version"])
    def test_each_command_has_examples(self, command):
        done = offline(command, "--help")
        assert done.returncode == 0
        assert re.search(r"^examples?:", done.stdout, re.M | re.I)
        assert re.search(rf"kobel {command}\b", done.stdout)

    def test_an_unknown_command_is_told(self):
        done = offline("hibernate")
        assert done.returncode == 2
        assert "hibernate" in done.stderr


def test_the_version_is_told():
    done = offline("version")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)


def test_doctor_tells_what_the_host_gives():
    done = offline("doctor")
    assert done.returncode == 0
    report = text(done).lower()
    for part in ("python", "node", "java", "namespaces", "memory"):
        assert part in report
    starts = [line.split()[1:3] for line in text(done).splitlines() if line.startswith("  yes  ")]
    modes = {(re.sub(r"[\d.x]+$", "", runtime), mode) for runtime, mode in starts}
    assert {("python", "stem"), ("nodejs", "stem"), ("java", "archive"), ("provided", "exec")} <= modes


def test_no_server_is_one_sentence_with_what_to_do():
    done = offline("logs", "anything")
    assert done.returncode != 0
    assert "http://127.0.0.1:9" in done.stderr
    assert "kobel serve" in done.stderr or "kobel up" in done.stderr
    assert "panicked" not in done.stderr


def test_a_port_in_use_is_one_sentence(server, tmp_path):
    done = offline("serve", "--port", str(server.port), "--data", str(tmp_path))
    assert done.returncode != 0
    assert str(server.port) in done.stderr
    assert "panicked" not in done.stderr


def test_a_data_folder_has_one_server(server):
    done = offline("serve", "--port", "0", "--data", str(server.data))
    assert done.returncode != 0
    assert str(server.data) in done.stderr
    assert "panicked" not in done.stderr


class TestTemplates:
    @pytest.mark.parametrize(
        ("body", "line", "column", "words"),
        [
            ("Resources:\n  A:\n    Type: AWS::SQS::Queue\n   Bad: x\n", 4, None, []),
            ("Resources:\n  A:\n    Type: [unclosed\n", None, None, []),
            ("Resources:\n  Oak:\n    Type: AWS::Nut::Tree\n", 3, 11, ["Oak", "AWS::Nut::Tree"]),
            (QUEUE.replace("!Ref Nuts", "!Ref Nuts2"), 6, 12, ["Nuts2"]),
            ("Resources:\n  A:\n    Properties: {}\n", 2, None, ["Type"]),
        ],
        ids=["indent", "unclosed", "unknown-type", "dangling-ref", "no-type"],
    )
    def test_a_mistake_is_shown_with_its_place(self, server, tmp_path, name, body, line, column, words):
        (tmp_path / "template.yaml").write_text(body)
        done = server.cli("deploy", "--stack-name", name, check=False, cwd=tmp_path)
        assert done.returncode != 0
        place = re.search(r"template\.yaml:(\d+):(\d+)", text(done))
        assert place, text(done)
        if line:
            assert int(place[1]) == line
        if column:
            assert int(place[2]) == column
        assert all(word in text(done) for word in words)
        assert "panicked" not in text(done)

    def test_a_missing_template_is_told(self, server, tmp_path, name):
        done = server.cli("deploy", "--stack-name", name, check=False, cwd=tmp_path)
        assert done.returncode != 0
        assert "template.yaml" in text(done)


def test_a_stack_is_deployed_and_deleted(server, cloudformation, sqs, tmp_path, name):
    (tmp_path / "template.yaml").write_text(QUEUE)
    done = server.cli("deploy", "--stack-name", name, cwd=tmp_path)
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    url = stack["Outputs"][0]["OutputValue"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert url in text(done)
    assert "Nuts" in text(done)
    server.cli("delete", name)
    with pytest.raises(cloudformation.exceptions.ClientError):
        cloudformation.describe_stacks(StackName=name)


def test_a_failed_deploy_says_why_and_fails(server, cloudformation, tmp_path, name):
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  Nuts:\n    Type: AWS::SQS::Queue\n    Properties:\n      VisibilityTimeout: 99999\n"
    )
    done = server.cli("deploy", "--stack-name", name, check=False, cwd=tmp_path)
    assert done.returncode != 0
    assert "Nuts" in text(done)
    assert "VisibilityTimeout" in text(done)


class TestInvoke:
    def test_the_payload_goes_in_and_the_result_comes_out(self, server, functions, name, tmp_path):
        functions.create(name)
        assert json.loads(server.cli("invoke", name, "--payload", '{"a": 1}').stdout) == {"a": 1}
        (tmp_path / "event.json").write_text('{"from": "file"}')
        done = server.cli("invoke", name, "--payload", f"@{tmp_path / 'event.json'}")
        assert json.loads(done.stdout) == {"from": "file"}

    def test_a_function_error_fails_the_command(self, server, functions, name):
        functions.create(name, "handlers.raise_error")
        done = server.cli("invoke", name, "--payload", "{}", check=False)
        assert done.returncode != 0
        assert "the nut is hollow" in text(done)

    def test_an_asynchronous_invocation_prints_its_id(self, server, functions, name):
        functions.create(name)
        done = server.cli("invoke", name, "--payload", "{}", "--async")
        assert re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text(done))

    def test_a_missing_function_is_told(self, server, name):
        done = server.cli("invoke", name, "--payload", "{}", check=False)
        assert done.returncode != 0
        assert f"Function not found: arn:aws:lambda:{REGION}:000000000000:function:{name}" in text(done)


class TestLogs:
    def test_lines_of_a_function_are_printed(self, server, functions, name):
        functions.create(name, "handlers.log")
        functions.invoke(name, {"lines": ["acorn one", "acorn two"]})
        wait_until(lambda: "REPORT RequestId" in server.cli("logs", name, check=False).stdout)
        printed = server.cli("logs", name).stdout
        assert printed.index("acorn one") < printed.index("acorn two")
        assert "\x1b[" not in printed

    def test_following_prints_what_comes(self, server, functions, name, tmp_path):
        functions.create(name, "handlers.log")
        functions.invoke(name, {"lines": ["first line"]})
        output = tmp_path / "out"
        with output.open("wb") as out:
            tail = subprocess.Popen(
                [binary(), "logs", name, "--follow"], stdout=out, env=client_environment(server.endpoint)
            )
        try:
            wait_until(lambda: b"first line" in output.read_bytes())
            functions.invoke(name, {"lines": ["second line"]})
            wait_until(lambda: b"second line" in output.read_bytes())
        finally:
            tail.terminate()
            tail.wait(10)


class TestEvents:
    def test_a_tree_shows_what_a_call_caused(self, server, functions, name):
        functions.create(name)
        request_id = functions.send(name, {"a": 1})
        wait_until(lambda: server.cli("events", request_id, check=False).stdout.count(name) >= 1)
        first = server.cli("events", request_id).stdout.splitlines()[0]
        assert "Invoke" in first

    def test_recent_events_are_listed(self, server, sqs, name):
        sqs.create_queue(QueueName=name)
        wait_until(lambda: "CreateQueue" in server.cli("events").stdout)

    def test_the_admin_api_has_the_same_tree(self, server, functions, name):
        functions.create(name)
        request_id = functions.send(name, {"a": 1})
        wait_until(lambda: request_id in json.dumps(server.admin(f"events?root={request_id}")))

    def test_an_unknown_id_is_told(self, server):
        done = server.cli("events", "00000000-0000-0000-0000-000000000000", check=False)
        assert done.returncode != 0
        assert "00000000-0000-0000-0000-000000000000" in text(done)


class TestTime:
    def test_real_time_does_not_advance_by_command(self, server):
        assert "real" in server.cli("time", "status").stdout
        done = server.cli("time", "advance", "5m", check=False)
        assert done.returncode != 0
        assert "virtual" in text(done)

    def test_virtual_time_advances_by_what_is_asked(self, virtual):
        before = virtual.admin("time")
        assert before["mode"] == "virtual"
        virtual.cli("time", "advance", "5m")
        after = virtual.admin("time")
        assert 300_000 <= millis(after["now"]) - millis(before["now"]) < 330_000

    def test_the_admin_api_advances_too(self, virtual):
        before = millis(virtual.admin("time")["now"])
        virtual.admin("time", {"advance_ms": 60_000})
        assert millis(virtual.admin("time")["now"]) - before >= 60_000

    def test_what_nobody_waits_for_comes_when_time_is_advanced(self, virtual, name):
        sqs = virtual.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=600)
        assert not sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0).get("Messages")
        virtual.cli("time", "advance", "10m")
        wait_until(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))

    def test_a_jump_with_nothing_due_stays_where_it_is(self, virtual):
        before = millis(virtual.admin("time")["now"])
        done = virtual.cli("time", "jump")
        assert "none" in done.stdout
        assert millis(virtual.admin("time")["now"]) - before < 30_000

    def test_a_duration_that_is_none_is_told(self, virtual):
        done = virtual.cli("time", "advance", "soon", check=False)
        assert done.returncode != 0
        assert "soon" in done.stderr


def millis(now):
    """The admin API tells the time as milliseconds or in ISO 8601."""
    if isinstance(now, (int, float)):
        return now
    return datetime.fromisoformat(now.replace("Z", "+00:00")).timestamp() * 1000
