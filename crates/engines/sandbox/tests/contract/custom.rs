//! `provided.*`: bootstraps of the package, over the public Runtime API.

use sandbox::{FunctionError, Isolation, StartError};
use serde_json::json;

use crate::bench::{Bench, event, failure, make_executable, response};

const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import http.client, json, os, sys
api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None, headers={}):
    api.request(method, '/2018-06-01/' + path, body, headers)
    answer = api.getresponse()
    return answer, answer.read()
if os.environ['_HANDLER'] == 'init':
    call('POST', 'runtime/init/error', '{"errorMessage":"m","errorType":"t"}', {'Lambda-Runtime-Function-Error-Type': 'Runtime.NoLuck'})
    sys.exit(1)
while True:
    event, body = call('GET', 'runtime/invocation/next')
    name = event.headers['Lambda-Runtime-Aws-Request-Id']
    path = 'runtime/invocation/' + name
    body = json.loads(body)
    if body == 'error':
        call('POST', path + '/error', '{"errorMessage":"bad"}', {'Lambda-Runtime-Function-Error-Type': 'Function.Bad'})
    elif body == 'large':
        print(call('POST', path + '/response', 'x' * 6291557)[0].status, flush=True)
    elif body == 'turns':
        found = [call('GET', 'ping')[1].decode()]
        found.append(call('POST', 'runtime/invocation/other/response', '{}')[0].status)
        found.append(call('GET', 'runtime/invocation/next')[1].decode())
        found.append(call('GET', 'unknown')[0].status)
        found.append(call('POST', 'runtime/init/error', '{}')[0].status)
        call('POST', path + '/response', json.dumps(found))
        print(call('POST', path + '/response', '{}')[0].status, flush=True)
    else:
        print('working', flush=True)
        call('POST', path + '/response', json.dumps([body, event.headers['Lambda-Runtime-Deadline-Ms'], event.headers['Lambda-Runtime-Invoked-Function-Arn']]))
"#;

async fn start(bench: &Bench, handler: &str) -> Result<sandbox::Environment, StartError> {
    let code = bench.code(&[("bootstrap", BOOTSTRAP)]);
    make_executable(&code.join("bootstrap"));
    let mut spec = bench.spec("provided.al2023", handler, code);
    spec.variables.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    bench.try_start(spec).await
}

pub async fn serves_the_runtime_api(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let environment = start(&bench, "any").await.unwrap();
    for _ in 0..2 {
        let expected = json!([{"a": 1}, "4102444800000", event("").function_arn]);
        assert_eq!(response(environment.invoke(event(r#"{"a":1}"#)).await, &bench.lines), expected);
    }
    assert_eq!(bench.lines.text(), "working\nworking\n");
    let outcome = environment.invoke(event(r#""error""#)).await;
    assert!(outcome.reusable);
    assert!(matches!(&outcome.result, Err(FunctionError::Handler { error_type, .. }) if error_type == "Function.Bad"));
    assert_eq!(failure(outcome), json!({"errorMessage": "bad"}));
    let outcome = environment.invoke(event(r#""large""#)).await;
    assert!(matches!(outcome.result, Err(FunctionError::ResponseTooLarge { bytes_max: 6_291_556 })));
    response(environment.invoke(event("1")).await, &bench.lines);
}

pub async fn refuses_calls_out_of_turn(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let environment = start(&bench, "any").await.unwrap();
    let found = response(environment.invoke(event(r#""turns""#)).await, &bench.lines);
    assert_eq!(found, json!(["pong", 400, "\"turns\"", 404, 403]));
    response(environment.invoke(event("1")).await, &bench.lines);
    assert!(bench.lines.text().starts_with("403\n"), "{}", bench.lines.text());
}

pub async fn needs_a_bootstrap(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("other", "")]);
    let error = bench.try_start(bench.spec("provided.al2023", "any", code)).await.err().unwrap();
    assert!(matches!(error, StartError::InvalidEntrypoint));
    let failed = start(&bench, "init").await.err().unwrap();
    assert!(matches!(&failed, StartError::Reported { error_type, .. } if error_type == "Runtime.NoLuck"), "{failed:?}");
    let code = bench.code(&[("bootstrap", "#!/bin/sh\nexit 3\n")]);
    make_executable(&code.join("bootstrap"));
    let error = bench.try_start(bench.spec("provided.al2023", "any", code)).await.err().unwrap();
    assert!(matches!(error, StartError::Exited { exit: sandbox::Exit::Code(3) }), "{error:?}");
}
