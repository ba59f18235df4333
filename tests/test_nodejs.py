"""What a Node.js function and its caller see: styles of handlers, loading, errors, context, logs."""

import json
import re

import pytest

from functions import Functions, zipped
from waiting import wait_until

NEVER_SETTLED = "The Lambda runtime client detected an unexpected Node.js exit code."
HANDLERS = """
exports.callback = (event, context, callback) => { setTimeout(() => console.log('afterwards'), 50); callback(null, { got: event }); };
exports.fast = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => {}, 1e7);
  callback(null, 'fast');
};
exports.succeed = (event, context) => { setTimeout(() => {}, 1e7); context.succeed('at once'); };
exports.done = (event, context) => context.done(null, 'done');
exports.twice = (event, context, callback) => { callback(null, 'first'); context.fail(new Error('second')); };
exports.silent = () => {};
exports.promise = () => new Promise(() => {});
exports.promised = (event) => Promise.resolve(event);
exports.nothing = async () => {};
exports.odd = async () => ({ none: undefined, nan: NaN, date: new Date(0), surrogate: '\\ud800', map: new Map([[1, 2]]) });
exports.nested = { deep: { handler: async () => 'deep' } };

exports.never = async () => { await new Promise(() => {}); };
exports.thrown = async () => { throw Object.assign(new RangeError('too far'), { code: 'FAR', tree: { oak: 1 }, inner: new Error('in') }); };
exports.synchronous = () => { throw new TypeError('at once'); };
exports.text = async () => { throw 'a text'; };
exports.rejected = () => Promise.reject();
exports.failed = (event, context) => context.fail();
exports.object = (event, context, callback) => callback({ tree: 'oak' });
exports.circular = async () => { const loop = {}; loop.loop = loop; return loop; };
exports.big = async () => 10n;
exports.uncaught = (event, context, callback) => { setTimeout(() => { throw new Error('nobody catches'); }, 5); };
exports.unhandled = (event, context, callback) => { Promise.reject(new Error('nobody handles')); setTimeout(callback, 1000); };
exports.exit = async (event) => process.exit(event);

exports.context = async (event, context) => ({
  members: Object.keys(context), client: context.clientContext, identity: context.identity === undefined, left: context.getRemainingTimeInMillis(),
  trace: process.env._X_AMZN_TRACE_ID, shared: globalThis[Symbol.for('aws.lambda.runtime.requestId')] === context.awsRequestId,
});
exports.log = async () => {
  console.log('found %d', 2, { nut: 'acorn' });
  console.info({ nut: 'acorn', where: new Error('inside') });
  console.debug('two\\nlines');
  console.error('gone', new TypeError('hollow'));
  console.fatal();
  process.stdout.write('raw\\n');
};
exports.environment = async () => process.env;
"""


@pytest.fixture(scope="module")
def invoke(server):
    """Invokes one of the handlers above, in a function of its own that is made when it is first asked for."""
    functions, made = Functions(server), set()

    def run(handler, event=None, more=None, **arguments):
        name = f"nodejs-{handler.replace('.', '-')}-{len(more or {})}"
        if name not in made:
            code = {"ZipFile": zipped({"index.js": HANDLERS})}
            functions.create(name, f"index.{handler}", Runtime="nodejs20.x", Code=code, **(more or {}))
            made.add(name)
        return functions.invoke(name, event, **arguments)

    return run


JSON_LOGS = {"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "INFO"}}


class TestResults:
    @pytest.mark.parametrize(
        ("handler", "response"),
        [
            ("callback", {"got": 7}),
            ("fast", "fast"),
            ("succeed", "at once"),
            ("done", "done"),
            ("twice", "first"),
            ("silent", None),
            ("promise", None),
            ("promised", 7),
            ("nothing", None),
            ("odd", {"nan": None, "date": "1970-01-01T00:00:00.000Z", "surrogate": "\ud800", "map": {}}),
            ("nested.deep.handler", "deep"),
        ],
    )
    def test_each_style_of_handler_answers_again_and_again(self, invoke, handler, response):
        for _ in range(2):
            done = invoke(handler, 7)
            assert (done.error, done.payload) == (None, response)

    def test_a_callback_waits_for_what_is_left_to_do(self, invoke):
        assert "\tINFO\tafterwards\n" in invoke("callback", 1).log


class TestLoading:
    @pytest.mark.parametrize(
        ("handler", "files", "response"),
        [
            ("index.h", {"index.js": "exports.h = async () => 'js'", "index.mjs": "export const h = async () => 'mjs'"}, "js"),
            ("index.h", {"index.mjs": "const x = await Promise.resolve('mjs'); export const h = async () => x", "index.cjs": ""}, "mjs"),
            ("index.h", {"index.cjs": "exports.h = async () => 'cjs'", "package.json": '{"type":"module"}'}, "cjs"),
            ("index.h", {"index.js": "export const h = async () => import.meta.url", "package.json": '{"type":"module"}'}, "file:///var/task/index.js"),
            ("src/app/index.h", {"src/app/index.js": "exports.h = async () => __filename"}, "/var/task/src/app/index.js"),
            ("lib.h", {"lib/index.js": "exports.h = async () => 'folder'"}, "folder"),
            ("nuts.h", {"node_modules/nuts/index.js": "exports.h = async () => 'package'"}, "package"),
            ("index.h", {"index.js": "exports.h = async () => require('acorn')", "node_modules/acorn/index.js": "module.exports = 'acorn'"}, "acorn"),
        ],
    )  # fmt: skip
    def test_files_are_found_in_the_order_of_lambda(self, functions, name, handler, files, response):
        functions.create(name, handler, Runtime="nodejs20.x", Code={"ZipFile": zipped(files)})
        assert functions.invoke(name).payload == response

    @pytest.mark.parametrize(
        ("handler", "code", "error_type", "message"),
        [
            ("index", "", "Runtime.MalformedHandlerName", "Bad handler"),
            ("../index.h", "", "Runtime.MalformedHandlerName", "'../index.h' is not a valid handler name."),
            ("index.absent", "exports.h = 1", "Runtime.HandlerNotFound", "index.absent is undefined or not exported"),
            ("index.a.b.c", "exports.a = {}", "Runtime.HandlerNotFound", "index.a.b.c is undefined or not exported"),
            ("index.h", "exports.h = 'text'", "Runtime.HandlerNotFound", "index.h is not a function"),
            ("absent.h", "", "Runtime.ImportModuleError", "Error: Cannot find module 'absent'\nRequire stack:\n- /var/runtime/"),
            ("index.h", "require('acorn')", "Runtime.ImportModuleError", "Error: Cannot find module 'acorn'\nRequire stack:\n- /var/task/index.js"),
            ("index.h", "exports.h = ( => 1", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected token '=>'"),
            ("index.h", "throw new RangeError('early')", "RangeError", "early"),
            ("index.h", "Promise.reject(new Error('lost')); exports.h = async () => 1", "Runtime.UnhandledPromiseRejection", "Error: lost"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_loaded_is_named(self, functions, name, handler, code, error_type, message):
        functions.create(name, handler, Runtime="nodejs20.x", Code={"ZipFile": zipped({"index.js": code})})
        done = functions.invoke(name)
        assert (done.error, done.payload["errorType"]) == ("Unhandled", error_type)
        assert done.payload["errorMessage"].startswith(message)
        assert set(done.payload) == {"errorType", "errorMessage", "trace"}

    def test_a_missing_package_of_an_es_module_has_the_error_of_node(self, functions, name):
        functions.create(name, "index.h", Runtime="nodejs20.x", Code={"ZipFile": zipped({"index.mjs": "import 'acorn'"})})
        done = functions.invoke(name)
        assert done.payload["errorType"] == "Error"
        assert done.payload["errorMessage"] == "Cannot find package 'acorn' imported from /var/task/index.mjs"

    def test_a_module_that_never_ends_its_await_ends_the_process(self, functions, name):
        code = "await new Promise(() => {}); export const h = async () => 1"
        functions.create(name, "index.h", Runtime="nodejs20.x", Code={"ZipFile": zipped({"index.mjs": code})})
        done = functions.invoke(name)
        assert done.payload["errorMessage"].endswith("Runtime exited with error: exit status 13")

    def test_callbacks_are_gone_since_node_24(self, functions, name):
        code = {"ZipFile": zipped({"index.js": HANDLERS})}
        functions.create(name, "index.callback", Runtime="nodejs24.x", Code=code)
        done = functions.invoke(name)
        assert done.payload["errorType"] == "Runtime.CallbackHandlerDeprecated"
        assert done.payload["errorMessage"].startswith(
            "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24."
        )
        functions.create(f"{name}-2", "index.context", Runtime="nodejs24.x", Code=code)
        members = functions.invoke(f"{name}-2").payload["members"]
        assert not {"callbackWaitsForEmptyEventLoop", "succeed", "fail", "done"} & set(members)


class TestErrors:
    @pytest.mark.parametrize(
        ("handler", "error_type", "message", "trace"),
        [
            ("thrown", "RangeError", "too far", "RangeError: too far"),
            ("synchronous", "TypeError", "at once", "TypeError: at once"),
            ("text", "string", "a text", None),
            ("rejected", "string", "handled", None),
            ("failed", "string", "handled", None),
            ("object", "object", "[object Object]", None),
            ("circular", "Error", "Unable to stringify response body", "Error: Unable to stringify response body"),
            ("big", "Error", "Unable to stringify response body", "Error: Unable to stringify response body"),
        ],
    )
    def test_what_is_thrown_becomes_an_error_object(self, invoke, handler, error_type, message, trace):
        for _ in range(2):
            done = invoke(handler, 1)
            payload = dict(done.payload)
            lines = payload.pop("trace")
            assert (done.error, payload) == ("Unhandled", {"errorType": error_type, "errorMessage": message})
            assert (lines[0] if lines else None) == trace

    def test_the_trace_names_the_place(self, invoke):
        assert re.fullmatch(r"    at (\w+\.)*synchronous \(/var/task/index\.js:\d+:\d+\)", invoke("synchronous").payload["trace"][1])

    def test_the_log_shows_what_the_code_added_to_an_error(self, invoke):
        done = invoke("thrown")
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        logged = re.search(rf"Z\t{request_id}\tERROR\tInvoke Error \t(\{{.*\}})\n", done.log)
        error = json.loads(logged[1])
        assert list(error) == ["errorType", "errorMessage", "code", "tree", "inner", "stack"]
        assert (error["code"], error["tree"], error["inner"]["errorMessage"]) == ("FAR", {"oak": 1}, "in")

    def test_a_promise_that_never_settles_is_an_error(self, invoke):
        done = invoke("never")
        assert done.payload["errorType"] == "Runtime.NodeJsExit"
        assert done.payload["errorMessage"].startswith(NEVER_SETTLED)

    @pytest.mark.parametrize(
        ("handler", "error_type", "message", "logged"),
        [
            ("uncaught", "Error", "nobody catches", "Uncaught Exception \t"),
            ("unhandled", "Runtime.UnhandledPromiseRejection", "Error: nobody handles", "Unhandled Promise Rejection \t"),
        ],
    )
    def test_what_nobody_catches_ends_the_process(self, invoke, handler, error_type, message, logged):
        for _ in range(2):
            done = invoke(handler)
            assert set(done.payload) == {"errorType", "errorMessage", "trace"}
            assert (done.payload["errorType"], done.payload["errorMessage"]) == (error_type, message)
            assert f"\tERROR\t{logged}" in done.log

    def test_an_unhandled_rejection_shows_its_reason_in_the_log(self, invoke):
        text = re.search(r"Unhandled Promise Rejection \t(\{.*\})\n", invoke("unhandled").log)[1]
        error = json.loads(text)
        assert list(error) == ["errorType", "errorMessage", "reason", "promise", "stack"]
        assert (error["reason"]["errorType"], error["reason"]["errorMessage"]) == ("Error", "nobody handles")

    @pytest.mark.parametrize(
        ("status", "message"),
        [(0, "Runtime exited without providing a reason"), (7, "Runtime exited with error: exit status 7")],
    )
    def test_an_exit_is_reported(self, invoke, status, message):
        done = invoke("exit", status)
        assert done.payload["errorType"] == "Runtime.ExitError"
        assert done.payload["errorMessage"].endswith(f" Error: {message}")


class TestContext:
    def test_it_has_the_members_of_lambda_in_their_order(self, invoke):
        seen = invoke("context", ClientContext="eyJjdXN0b20iOnsibnV0IjoxfX0=").payload
        assert seen["members"] == [
            "callbackWaitsForEmptyEventLoop",
            "succeed",
            "fail",
            "done",
            "functionVersion",
            "functionName",
            "memoryLimitInMB",
            "logGroupName",
            "logStreamName",
            "clientContext",
            "identity",
            "invokedFunctionArn",
            "awsRequestId",
            "tenantId",
            "getRemainingTimeInMillis",
        ]
        assert seen["client"] == {"custom": {"nut": 1}}
        assert (seen["identity"], seen["shared"]) == (True, True)
        assert 0 < seen["left"] <= 10_000
        assert seen["trace"].startswith("Root=1-")

    def test_its_variables_are_those_of_lambda(self, invoke):
        got = invoke("environment").payload
        major = re.search(r"nodejs/node(\d+)/", got["NODE_PATH"])[1]
        assert got["NODE_PATH"] == (
            f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
        )
        assert got["AWS_EXECUTION_ENV"] == "AWS_Lambda_nodejs20.x"
        assert not [name for name in got if "KOBEL" in name]


class TestLogs:
    def test_text_lines_carry_time_id_and_level(self, invoke):
        done = invoke("log")
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        lines = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", done.log)
        for line in (
            f"TIME\t{request_id}\tINFO\tfound 2 {{ nut: 'acorn' }}\n",
            f"TIME\t{request_id}\tDEBUG\ttwo\nlines\n",
            f"TIME\t{request_id}\tERROR\tgone TypeError: hollow\n    at ",
            f"TIME\t{request_id}\tFATAL\tundefined\n",
            "\nraw\n",
        ):
            assert line in lines

    def test_a_message_of_several_lines_is_one_event(self, logs, invoke):
        invoke("log")

        def found():
            events = logs.filter_log_events(logGroupName="/aws/lambda/nodejs-log-0", filterPattern="lines")["events"]
            return [event["message"] for event in events]

        assert wait_until(found)[0].endswith("\tDEBUG\ttwo\nlines\n")

    def test_json_lines_have_the_fields_of_lambda(self, invoke):
        done = invoke("log", more=JSON_LOGS)
        request_id = done.reply["ResponseMetadata"]["RequestId"]
        entries = [json.loads(line) for line in done.log.splitlines() if line.startswith('{"timestamp"')]
        assert [list(entry)[:3] for entry in entries] == [["timestamp", "level", "requestId"]] * len(entries)
        assert {entry["requestId"] for entry in entries} == {request_id}
        first, second, third, fourth = entries
        assert (first["level"], first["message"]) == ("INFO", "found 2 { nut: 'acorn' }")
        inside = second["message"].pop("where")
        assert second["message"] == {"nut": "acorn"}
        assert (inside["errorType"], inside["errorMessage"], inside["stackTrace"][0]) == ("Error", "inside", "Error: inside")
        assert third["message"].startswith("gone TypeError: hollow\n")
        assert (third["errorType"], third["errorMessage"]) == ("TypeError", "hollow")
        assert (fourth["level"], "message" in fourth) == ("FATAL", False)

    def test_an_error_of_the_handler_is_the_message_of_a_json_line(self, invoke):
        done = invoke("thrown", more=JSON_LOGS)
        entry = next(json.loads(line) for line in done.log.splitlines() if '"too far"' in line)
        assert entry["level"] == "ERROR"
        assert list(entry["message"]) == ["errorType", "errorMessage", "stackTrace", "code", "tree", "inner"]
