//! Python functions.

use bytes::Bytes;
use sandbox::{FunctionError, Isolation, StartError};
use serde_json::{Value, json};

use crate::bench::{Bench, event, failure, response};

pub async fn answers_with_the_handlers_result(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = "print('at init')\ndef handler(event, context):\n    print('hello')\n    return {'got': event}\n";
    let environment = bench.python(code).await;
    for _ in 0..3 {
        let outcome = environment.invoke(event(r#"{"a":1}"#)).await;
        assert!(outcome.reusable);
        assert_eq!(response(outcome, &bench.lines), json!({"got": {"a": 1}}));
    }
    let lines = bench.lines.all();
    assert_eq!((lines[0].text.as_str(), lines[0].request_id.clone()), ("at init", None));
    assert_eq!((lines[1].text.as_str(), lines[1].request_id.clone()), ("hello", Some(event("").request_id)));
    assert!(environment.usage().max_memory_mb > 0);
}

pub async fn reports_errors_as_lambda_does(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let environment = bench.python("def handler(event, context):\n    raise ValueError('no\\ngood')\n").await;
    let outcome = environment.invoke(event("{}")).await;
    assert!(outcome.reusable);
    let error = failure(outcome);
    assert_eq!(error["errorType"], "ValueError");
    assert_eq!(error["errorMessage"], "no\ngood");
    assert_eq!(error["requestId"], event("").request_id);
    let stack = error["stackTrace"].as_array().unwrap();
    assert_eq!(stack.len(), 1, "{stack:?}");
    assert!(stack[0].as_str().unwrap().contains("app.py\", line 2, in handler\n"), "{stack:?}");
    let logged = bench.lines.all().pop().unwrap().text;
    assert!(logged.starts_with("[ERROR] ValueError: no\ngood\nTraceback (most recent call last):\n"), "{logged}");
}

pub async fn reports_what_cannot_be_loaded(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let cases = [
        (
            "import nothere",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nothere'",
        ),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        (
            "x = 1",
            "gone.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'gone': No module named 'gone'",
        ),
        (
            "def handler(:",
            "app.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app': invalid syntax (app.py, line 1)",
        ),
        (
            "x = 1",
            "app",
            "Runtime.MalformedHandlerName",
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
        ),
        ("1/0", "app.handler", "ZeroDivisionError", "division by zero"),
    ];
    for (text, handler, error_type, message) in cases {
        let code = bench.code(&[("app.py", text)]);
        let started = bench.try_start(bench.spec("python3.12", handler, code)).await;
        let Err(error @ StartError::Reported { .. }) = started else { panic!("{error_type}: {:?}", started.err()) };
        let body: Value = serde_json::from_slice(&error.payload("")).unwrap();
        assert_eq!(body["errorType"], error_type);
        assert_eq!(body["errorMessage"], message);
        assert_eq!(body["requestId"], "");
    }
}

pub async fn loads_nested_modules_and_layers(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[
        ("src/__init__.py", ""),
        ("src/deep/app.py", "import low, high\ndef run(event, context):\n    return [low.x, high.x, high.y]\n"),
    ]);
    let lower = bench.code(&[("python/low.py", "x = 'low'"), ("python/high.py", "x = 'hidden'")]);
    let upper = bench.code(&[("python/high.py", "x = 'high'\nimport low\ny = low.x")]);
    let mut spec = bench.spec("python3.12", "src/deep/app.run", code);
    spec.layers = vec![lower, upper];
    let environment = bench.start(spec).await;
    let outcome = environment.invoke(event("null")).await;
    assert_eq!(response(outcome, &bench.lines), json!(["low", "high", "low"]));
}

pub async fn logs_as_lambda_does(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = "import logging, sys\nlog = logging.getLogger()\nlog.setLevel('INFO')\ndef handler(event, context):\n    \
                log.info('one\\ntwo')\n    log.debug('hidden')\n    print('three')\n    print('four', file=sys.stderr)\n    \
                sys.stdout.write('five')\n";
    let environment = bench.python(code).await;
    assert_eq!(response(environment.invoke(event("{}")).await, &bench.lines), Value::Null);
    let texts: Vec<String> = bench.lines.all().into_iter().map(|line| line.text).collect();
    let id = event("").request_id;
    assert!(texts[0].starts_with("[INFO]\t20") && texts[0].ends_with(&format!("Z\t{id}\tone\ntwo")), "{texts:?}");
    assert_eq!(texts[1..], ["three", "four", "five"]);
}

pub async fn gives_the_context(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = "import os\ndef handler(event, context):\n    return [context.function_name, context.invoked_function_arn, \
                context.aws_request_id, context.get_remaining_time_in_millis() > 1000, context.identity.cognito_identity_id, \
                context.client_context.client.app_title, context.client_context.custom, os.environ['_X_AMZN_TRACE_ID']]\n";
    let environment = bench.python(code).await;
    let mut invocation = event("{}");
    invocation.cognito_identity = Some(r#"{"cognitoIdentityId":"id","cognitoIdentityPoolId":"pool"}"#.to_owned());
    invocation.client_context = Some(r#"{"client":{"app_title":"squirrel"},"custom":{"k":"v"}}"#.to_owned());
    let expected = json!([
        "f", invocation.function_arn, invocation.request_id, true, "id", "squirrel", {"k": "v"}, invocation.trace_id
    ]);
    assert_eq!(response(environment.invoke(invocation).await, &bench.lines), expected);
}

pub async fn refuses_what_is_no_json_or_too_large(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = "def handler(event, context):\n    return object() if event == 'object' else 'x' * event\n";
    let environment = bench.python(code).await;
    let error = failure(environment.invoke(event(r#""object""#)).await);
    assert_eq!(error["errorType"], "Runtime.MarshalError");
    assert_eq!(error["errorMessage"], "Unable to marshal response: Object of type object is not JSON serializable");
    let outcome = environment.invoke(event("6291555")).await;
    assert!(matches!(outcome.result, Err(FunctionError::ResponseTooLarge { bytes_max: 6_291_556 })));
    assert!(outcome.reusable);
    let outcome = environment.invoke(event("6291554")).await;
    assert_eq!(outcome.result.as_ref().map(Bytes::len).ok(), Some(6_291_556));
    let error = failure(environment.invoke(event("{")).await);
    assert_eq!(error["errorType"], "Runtime.UnmarshalError");
}
