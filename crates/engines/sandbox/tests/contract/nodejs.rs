//! Node.js functions.

use sandbox::{FunctionError, Isolation, StartError};
use serde_json::{Value, json};

use crate::bench::{Bench, event, failure, response};

pub async fn runs_every_style_of_handler(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let common = "exports.handler = async (event, context) => ({ got: event, id: context.awsRequestId });\n\
        exports.nested = { callback: (event, context, callback) => setTimeout(() => callback(null, 'called'), 1) };\n\
        exports.fast = (event, context, callback) => { context.callbackWaitsForEmptyEventLoop = false; setTimeout(() => {}, 1e7); callback(null, 'fast'); };\n\
        exports.silent = () => new Promise(() => {});\n\
        exports.sync = (event, context) => context.succeed(context.functionName);\n";
    let code = bench.code(&[
        ("index.js", common),
        ("es/app.mjs", "export const handler = async (event) => event.a + await Promise.resolve(1);"),
        ("typed/package.json", r#"{"type":"module"}"#),
        ("typed/app.js", "import fs from 'fs';\nexport const handler = async () => typeof fs.readFileSync;"),
    ]);
    let id = event("").request_id;
    let cases = [
        ("index.handler", json!({"got": {"a": 1}, "id": id})),
        ("index.nested.callback", json!("called")),
        ("index.fast", json!("fast")),
        ("index.silent", Value::Null),
        ("index.sync", json!("f")),
        ("es/app.handler", json!(2)),
        ("typed/app.handler", json!("function")),
    ];
    for (handler, expected) in cases {
        let environment = bench.start(bench.spec("nodejs20.x", handler, code.clone())).await;
        for _ in 0..2 {
            let outcome = environment.invoke(event(r#"{"a":1}"#)).await;
            assert!(outcome.reusable, "{handler}");
            assert_eq!(response(outcome, &bench.lines), expected, "{handler}");
        }
    }
}

pub async fn reports_errors_as_lambda_does(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("index.js", "exports.handler = async () => { throw new TypeError('no good'); };")]);
    let environment = bench.start(bench.spec("nodejs20.x", "index.handler", code)).await;
    let outcome = environment.invoke(event("{}")).await;
    assert!(outcome.reusable);
    let error = failure(outcome);
    assert_eq!(error["errorType"], "TypeError");
    assert_eq!(error["errorMessage"], "no good");
    assert_eq!(error["trace"][0], "TypeError: no good");
    let logged = bench.lines.all().pop().unwrap().text;
    assert!(logged.contains("\tERROR\tInvoke Error \t{\"errorType\":\"TypeError\""), "{logged}");
}

pub async fn reports_what_cannot_be_loaded(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let cases = [
        ("require('nothere')", "index.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'nothere'"),
        ("exports.x = 1", "index.handler", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        ("exports.x = 1", "gone.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'gone'"),
        ("exports.x = (", "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ("throw new RangeError('early')", "index.handler", "RangeError", "early"),
    ];
    for (text, handler, error_type, message) in cases {
        let code = bench.code(&[("index.js", text)]);
        let started = bench.try_start(bench.spec("nodejs20.x", handler, code)).await;
        let Err(error @ StartError::Reported { .. }) = started else { panic!("{error_type}: {:?}", started.err()) };
        let body: Value = serde_json::from_slice(&error.payload("")).unwrap();
        assert_eq!(body["errorType"], error_type);
        assert!(body["errorMessage"].as_str().unwrap().starts_with(message), "{body}");
    }
}

pub async fn logs_as_lambda_does(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let text = "console.log('at init');\nexports.handler = async () => { console.info('one\\ntwo %d', 3); console.error({ a: 1 }); process.stdout.write('raw\\n'); };";
    let code = bench.code(&[("index.js", text)]);
    let environment = bench.start(bench.spec("nodejs20.x", "index.handler", code)).await;
    response(environment.invoke(event("{}")).await, &bench.lines);
    let texts: Vec<String> = bench.lines.all().into_iter().map(|line| line.text).collect();
    let id = event("").request_id;
    assert!(texts[0].ends_with("Z\tundefined\tINFO\tat init"), "{texts:?}");
    assert!(texts[1].ends_with(&format!("Z\t{id}\tINFO\tone\ntwo 3")), "{texts:?}");
    assert!(texts[2].ends_with(&format!("Z\t{id}\tERROR\t{{ a: 1 }}")), "{texts:?}");
    assert_eq!(texts[3], "raw");
}

pub async fn ends_on_an_unhandled_rejection(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let text = "exports.handler = (event, context, callback) => { Promise.reject(new Error('lost')); };\n\
                exports.thrown = (event, context, callback) => { setTimeout(() => { throw new Error('late'); }, 1); };";
    let code = bench.code(&[("index.js", text)]);
    let cases =
        [("index.handler", "Runtime.UnhandledPromiseRejection", "Error: lost"), ("index.thrown", "Error", "late")];
    for (handler, error_type, message) in cases {
        let environment = bench.start(bench.spec("nodejs20.x", handler, code.clone())).await;
        let outcome = environment.invoke(event("{}")).await;
        assert!(!outcome.reusable);
        assert!(matches!(outcome.result, Err(FunctionError::Handler { .. })));
        let error = failure(outcome);
        assert_eq!(error["errorType"], error_type);
        assert_eq!(error["errorMessage"], message);
    }
}
