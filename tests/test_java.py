"""What a Java function and its caller see: handlers, JSON by the rules of Lambda's Jackson, errors, context, logs."""

import json
import re

import pytest

from functions import Functions
from kobel import arn

JSON_LOGS = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO"}


@pytest.fixture(scope="module")
def invoke(server):
    """Invokes one of the handlers in tests/handlers/java, in a function that is made when it is first asked for."""
    functions, made = Functions(server), set()

    def run(handler, event=None, logs=None, **arguments):
        name = "java-" + re.sub(r"\W+", "-", handler) + ("-json" if logs else "")
        if name not in made:
            more = {"LoggingConfig": logs} if logs else {}
            functions.create(name, f"handlers.{handler}", "java", MemorySize=512, Timeout=20, **more)
            made.add(name)
        return functions.invoke(name, event, **arguments)

    return run


SQUIRREL = {
    "age": 1,
    "name": "Sam",
    "URL": "u",
    "weight": 0,
    "kind": "red",
    "big": 0,
    "tame": False,
    "tail": 0.0,
    "quick": True,
}


class TestResults:
    @pytest.mark.parametrize(
        ("value", "response"),
        [
            ("map", {"1": [1, None], "RED": "GREY"}),
            ("bean", SQUIRREL),
            ("empty bean", {}),
            ("numbers", [1.0e10, "NaN", 100, "c", 1.5]),
            ("texts", ["en_US", "00000000-0000-0000-0000-000000000001", 'a"b\\\n\u0001ü', "sb", "java.lang.String"]),
            ("times", [7.000000005, 0, [2026, 1, 2], [2026, 1, 2, 3, 4], 1.5, 5]),
            ("several", [[1], [2], [3], [[4]], 5]),
            ("bytes", ["AQI=", "ab"]),
            ("nothing", None),
        ],
    )
    def test_values_become_the_json_of_lambda(self, invoke, value, response):
        done = invoke("Values::value", value)
        assert (done.error, done.payload) == (None, response)

    def test_members_are_in_the_order_of_the_fields(self, invoke):
        assert list(invoke("Values::value", "bean").payload) == list(SQUIRREL)

    def test_what_refers_to_itself_has_no_json(self, invoke):
        done = invoke("Values::value", "loop")
        assert done.payload["errorMessage"] == "An error occurred during JSON serialization of response"
        assert done.payload["errorType"] == "java.lang.RuntimeException"

    def test_a_method_without_result_gives_null(self, invoke):
        assert invoke("Values::nothing", {}).payload is None


class TestEvents:
    @pytest.mark.parametrize(
        ("event", "changed"),
        [
            ({"name": "N", "Name": "X"}, {"name": "N"}),
            ({"url": "z", "hidden": "z", "unknown": {}}, {}),
            ({"URL": "z", "weight": 3}, {"URL": "z", "weight": 3}),
            ({"age": "12", "tail": "1.5", "tame": "true"}, {"age": 12, "tail": 1.5, "tame": True}),
            ({"age": 1.9, "tame": 1}, {"age": 1, "tame": True}),
            ({"age": None, "name": None}, {"age": 0, "name": None}),
            ({"age": [5], "name": ["one"]}, {"age": 5, "name": "one"}),
            ({"age": "", "boxed": "", "nest": "", "nuts": ""}, {"age": 0}),
            ({"name": 1, "letters": "xy", "bytes": "AQI="}, {"name": "1", "letters": "xy", "bytes": "AQI="}),
            ({"nuts": "one", "scores": 3}, {"nuts": ["one"], "scores": [3]}),
            ({"nuts": [1, True, None]}, {"nuts": ["1", "true", None]}),
            ({"type": "GREY"}, {"type": "GREY"}),
            ({"type": "BLUE"}, {}),
            ({"type": 1}, {"type": "GREY"}),
            ({"nest": [{"height": 7}]}, {"nest": {"height": 7}}),
            ({"nest": []}, {}),
            ({"born": 7}, {"born": 7}),
            ({"born": "2020-01-01T00:00:00Z"}, {"born": 1577836800000}),
            ({"big": 9000000000, "more": {"a": [1, 2.5, None, 9000000000]}}, {"big": 9000000000, "more": {"a": [1, 2.5, None, 9000000000]}}),
            ({"any": {"deep": [True]}}, {"any": {"deep": [True]}}),
            ([{"age": 4}], {"age": 4}),
        ],
    )  # fmt: skip
    def test_a_bean_is_filled_as_by_lambda(self, invoke, event, changed):
        done = invoke("Squirrel::same", event)
        expected = {name: value for name, value in (SQUIRREL | changed).items() if value is not None}
        assert (done.error, done.payload) == (None, expected)

    @pytest.mark.parametrize("event", [{"age": 3000000000}, {"age": "abc"}, {"tame": "yes"}, {"nest": "text"}, {"name": {}}, 1])
    def test_what_does_not_fit_is_an_error(self, invoke, event):
        done = invoke("Squirrel::same", event)
        assert done.error == "Unhandled"
        assert done.payload["errorMessage"] == "An error occurred during JSON parsing"
        assert done.payload["errorType"] == "java.lang.RuntimeException"

    @pytest.mark.parametrize("event", [None, "", []])
    def test_an_event_of_nothing_is_no_object(self, invoke, event):
        assert (invoke("Squirrel::same", event).error, invoke("Squirrel::same", event).payload) == (None, None)

    def test_records_and_single_values(self, invoke):
        assert invoke("Values::swap", {"left": "1", "right": 2}).payload == {"left": "2", "right": 1}
        assert invoke("Values::whole", "5").payload == 5
        assert invoke("Values::text", 5).payload == "5"
        assert invoke("Values::truth", 1).payload is True

    def test_events_of_aws_have_classes(self, invoke):
        message = {"messageId": "1", "body": "nut", "eventSourceARN": "arn:q", "attributes": {"SentTimestamp": "7"}}
        assert invoke("Contexts$Queue", {"Records": [message]}).payload == "nut of arn:q {SentTimestamp=7}"
        record = {"eventVersion": "2.1", "eventName": "Put", "eventTime": "2026-01-01T00:00:00.000Z", "s3": {"key": "k", "size": 5, "x-amz-id-2": "i"}}
        assert invoke("Contexts$Bucket", {"Records": [record]}).payload == "Put k 5i 2026"

    def test_the_type_of_an_event_may_come_from_a_base_class(self, invoke):
        assert invoke("Contexts$Inherited", {"height": 9}).payload == 9


class TestHandlers:
    @pytest.mark.parametrize(
        ("handler", "response"),
        [
            ("longest", "event and context"),
            ("context", "java-Overloads-context"),
            ("streams", [{"a": 1}]),
            ("output", "written"),
        ],
    )
    def test_lambda_takes_the_longest_signature_that_fits(self, invoke, handler, response):
        assert invoke(f"Overloads::{handler}", {"a": 1}).payload == response

    @pytest.mark.parametrize(
        ("handler", "expected"),
        [
            ("Absent::handle", {"errorMessage": "Class not found: handlers.Absent", "errorType": "java.lang.ClassNotFoundException"}),
            ("Overloads::absent", {"errorMessage": "No public method named absent with appropriate method signature found on class handlers.Overloads"}),
            ("Overloads::wrong", {"errorMessage": "No public method named wrong with appropriate method signature found on class handlers.Overloads"}),
            ("Overloads::", {"errorMessage": "Invalid handler: `handlers.Overloads::'"}),
            ("Faulty$NoHandler", {"errorMessage": "Class does not implement an appropriate handler interface: handlers.Faulty$NoHandler"}),
            ("Faulty$Raw", {"errorMessage": "Class handlers.Faulty$Raw does not implement RequestHandler with concrete type parameters"}),
            ("Faulty$Arguments::handle", {"errorMessage": "Class handlers.Faulty$Arguments has no public zero-argument constructor", "errorType": "java.lang.Exception"}),
            ("Overloads$Inner::handle", {"errorMessage": "Class handlers.Overloads$Inner cannot be instantiated because it is a non-static inner class", "errorType": "java.lang.Exception"}),
        ],
    )  # fmt: skip
    def test_what_cannot_be_called_is_told_to_each_caller(self, invoke, handler, expected):
        for _ in range(2):
            done = invoke(handler, 1)
            assert (done.error, done.payload) == ("Unhandled", expected)
        assert "INIT_REPORT" not in done.log

    @pytest.mark.parametrize(
        ("handler", "expected"),
        [
            ("Faulty$Constructor", {"errorMessage": "no roots", "errorType": "java.lang.IllegalStateException"}),
            ("Faulty$Initializer::handle", {"errorMessage": "Error loading class handlers.Faulty$Initializer", "errorType": "java.lang.ExceptionInInitializerError"}),
        ],
    )  # fmt: skip
    def test_code_that_fails_when_it_is_loaded_fails_the_init(self, invoke, handler, expected):
        done = invoke(handler, "x")
        assert (done.error, done.payload) == ("Unhandled", expected)
        assert "Phase: init\tStatus: error\tError Type: Runtime.BadFunctionCode" in done.log


class TestErrors:
    def test_an_exception_has_its_class_and_stack(self, invoke):
        done = invoke("Faulty$Failing", "no nuts")
        assert done.error == "Unhandled"
        assert (done.payload["errorMessage"], done.payload["errorType"]) == ("no nuts", "java.lang.UnsupportedOperationException")
        assert re.fullmatch(r"handlers\.Faulty\$Failing\.handleRequest\(Faulty\.java:\d+\)", done.payload["stackTrace"][0])
        assert not [frame for frame in done.payload["stackTrace"] if "kobel" in frame]
        trace = r"no nuts: java\.lang\.UnsupportedOperationException\njava\.lang\.UnsupportedOperationException: no nuts\n\tat handlers\."
        assert re.search(trace, done.log)

    def test_an_exception_without_text_has_its_class_as_one(self, invoke):
        assert invoke("Faulty$Failing", "silent").payload["errorMessage"] == "java.lang.IllegalArgumentException"

    def test_the_cause_of_an_exception_is_shown(self, invoke):
        cause = invoke("Faulty$Failing", "cause").payload["cause"]
        assert (cause["errorMessage"], cause["errorType"]) == ("inside", "java.io.IOException")

    def test_an_error_of_the_machine_ends_the_process(self, invoke):
        for _ in range(2):
            assert invoke("Faulty$Failing", "deep").payload["errorType"] == "java.lang.StackOverflowError"

    def test_an_exit_is_reported(self, invoke):
        done = invoke("Faulty$Failing", "exit")
        assert done.payload["errorType"] == "Runtime.ExitError"
        assert done.payload["errorMessage"].endswith("Runtime exited with error: exit status 4")


class TestContext:
    def test_it_has_what_lambda_tells(self, invoke):
        client = "eyJjbGllbnQiOnsiYXBwX3RpdGxlIjoic3F1aXJyZWwifSwiY3VzdG9tIjp7Im51dCI6ImFjb3JuIn19"
        done = invoke("Contexts::context", {}, ClientContext=client)
        seen = dict(done.payload)
        left, trace, stream = seen.pop("left"), seen.pop("trace"), seen.pop("stream")
        assert 0 < left <= 20_000
        assert trace.startswith("Root=1-")
        assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
        assert seen == {
            "requestId": done.reply["ResponseMetadata"]["RequestId"],
            "group": "/aws/lambda/java-Contexts-context",
            "function": "java-Contexts-context",
            "version": "$LATEST",
            "arn": arn("lambda", "function:java-Contexts-context"),
            "memory": 512,
            "identity": "none",
            "tenant": "none",
            "title": "squirrel",
            "custom": {"nut": "acorn"},
            "environment": "null",
        }

    def test_without_a_client_context_there_is_none(self, invoke):
        assert "title" not in invoke("Contexts::context", {}).payload


class TestLogs:
    def test_text_messages_carry_their_level(self, invoke):
        done = invoke("Contexts::log", "x")
        for text in ("\ntwo\nlines\n", "\n[DEBUG] fine\n", "\n[ERROR] grave\n", "\nbytes\n", "\nprinted\n", "\nunfinished\n"):
            assert text in done.log

    def test_json_messages_have_the_fields_of_lambda_and_are_filtered(self, invoke):
        done = invoke("Contexts::log", "x", logs=JSON_LOGS)
        entries = [json.loads(line) for line in done.log.splitlines() if '"AWSRequestId"' in line]
        assert [list(entry) for entry in entries] == [["timestamp", "message", "level", "AWSRequestId"]] * 2
        assert [(entry["message"], entry["level"]) for entry in entries] == [("two\nlines", "UNDEFINED"), ("grave", "ERROR")]
        assert {entry["AWSRequestId"] for entry in entries} == {done.reply["ResponseMetadata"]["RequestId"]}
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["timestamp"]) for entry in entries)
        assert "fine" not in done.log
        assert "bytes\n" in done.log

    def test_an_exception_is_one_json_message(self, invoke):
        done = invoke("Faulty$Failing", "no nuts", logs=JSON_LOGS)
        entry = next(json.loads(line) for line in done.log.splitlines() if "Unsupported" in line)
        assert entry["level"] == "ERROR"
        assert entry["message"].startswith("no nuts: java.lang.UnsupportedOperationException\n")
