//! Functions in virtual machines. QEMU emulates the processor, so that the cases run on hosts without KVM; they are few,
//! because a boot takes seconds then.

use std::time::Duration;

use sandbox::{Exit, FunctionError, Isolation};
use serde_json::{Value, json};

use crate::bench::{Bench, event, failure, make_executable, response};

/// Answers each event with what its `do` evaluates to.
const CODE: &str = "import os, platform, socket, subprocess\n\
                    def endpoint():\n    \
                    with socket.create_connection(('127.0.0.1', int(os.environ['AWS_ENDPOINT_URL'].rsplit(':', 1)[1]))) as stream:\n        \
                    return stream.recv(100).decode()\n\
                    print('starting')\n\
                    def handler(event, context):\n    print('doing', event['do'])\n    return eval(event['do'])\n";

/// An external extension that prints what it is told.
const EXTENSION: &str = "#!/usr/bin/env python3\n\
                         import http.client, json, os\n\
                         api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n\
                         def call(method, path, headers, body=None):\n    \
                         api.request(method, '/2020-01-01/extension/' + path, body, headers)\n    \
                         answer = api.getresponse()\n    return answer, answer.read()\n\
                         events = json.dumps({'events': ['INVOKE', 'SHUTDOWN']})\n\
                         answer, _ = call('POST', 'register', {'Lambda-Extension-Name': 'watcher'}, events)\n\
                         identifier = {'Lambda-Extension-Identifier': answer.headers['Lambda-Extension-Identifier']}\n\
                         while True:\n    \
                         event = json.loads(call('GET', 'event/next', identifier)[1])['eventType']\n    \
                         print('watcher', event, flush=True)\n    if event == 'SHUTDOWN': break\n";

async fn evaluate(environment: &sandbox::Environment, bench: &Bench, expression: &str) -> Value {
    let outcome = environment.invoke(event(&json!({ "do": expression }).to_string())).await;
    response(outcome, &bench.lines)
}

/// One machine for all that one machine can show.
#[tokio::test(flavor = "multi_thread")]
async fn runs_a_function_on_a_kernel_of_its_own() {
    let bench = Bench::new(Isolation::MicroVm).await;
    assert_eq!(bench.sandbox.capabilities().driver, "microvm");
    let environment = bench.python(CODE).await;
    let seen = "[platform.release(), os.getuid(), sorted(name for _, name in socket.if_nameindex()), os.listdir('/home') if os.path.exists('/home') else None]";
    let seen = evaluate(&environment, &bench, seen).await;
    let host = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_ne!(seen[0], host.trim());
    assert_eq!(seen[1], 993);
    assert_eq!(seen[2], json!(["lo"]));
    assert_eq!(seen[3], Value::Null);
    assert_eq!(evaluate(&environment, &bench, "endpoint()").await, "endpoint");
    assert_eq!(
        evaluate(
            &environment,
            &bench,
            "len('x' * 1000) and [os.path.exists(d + '/app.py') for d in ('/var/task', '/tmp')]"
        )
        .await,
        json!([true, false])
    );
    assert!(bench.lines.text().starts_with("starting\ndoing ["), "{}", bench.lines.text());
    let lines = bench.lines.all();
    assert!(lines[0].request_id.is_none() && lines[1].request_id.is_some());

    let outcome = environment.invoke(event("{\"do\": \"1 / 0\"}")).await;
    assert!(outcome.reusable && outcome.max_memory_mb > 5);
    assert_eq!(failure(outcome)["errorType"], "ZeroDivisionError");

    environment.freeze().await;
    environment.thaw().await;
    assert_eq!(evaluate(&environment, &bench, "'x' * 3000000").await.as_str().unwrap().len(), 3_000_000);

    let outcome = environment.invoke(event("{\"do\": \"[print('last', flush=True), os._exit(4)]\"}")).await;
    assert!(!outcome.reusable);
    assert!(matches!(outcome.result, Err(FunctionError::Exited { exit: Exit::Code(4) })), "{:?}", outcome.result);
    assert!(bench.lines.text().ends_with("last\n"), "{}", bench.lines.text());
    environment.ended().await;
    assert!(!environment.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_do_not_see_each_other_and_die_of_their_timeouts_alone() {
    let bench = Bench::new(Isolation::MicroVm).await;
    let (left, right) = tokio::join!(bench.python(CODE), bench.python(CODE));
    let boot = "open('/proc/sys/kernel/random/boot_id').read()";
    assert_ne!(evaluate(&left, &bench, boot).await, evaluate(&right, &bench, boot).await);
    assert_eq!(evaluate(&left, &bench, "open('/tmp/secret', 'w').write('s')").await, 1);
    assert_eq!(evaluate(&right, &bench, "os.listdir('/tmp')").await, json!([]));
    let mut invocation = event("{\"do\": \"[print('before', flush=True), __import__('time').sleep(1000)]\"}");
    invocation.deadline = Duration::from_secs(4);
    let outcome = left.invoke(invocation).await;
    assert!(matches!(outcome.result, Err(FunctionError::Timeout { .. })), "{:?}", outcome.result);
    assert!(!left.is_alive());
    assert!(bench.lines.text().ends_with("before\n"), "{}", bench.lines.text());
    assert_eq!(evaluate(&right, &bench, "open('/var/task/app.py').read()[:6]").await, "import");
}

#[tokio::test(flavor = "multi_thread")]
async fn extensions_live_in_the_machine_of_their_function() {
    let bench = Bench::new(Isolation::MicroVm).await;
    let layer = bench.code(&[("extensions/watcher", EXTENSION), ("python/shared.py", "WORD = 'layer'\n")]);
    make_executable(&layer.join("extensions/watcher"));
    let code = bench.code(&[("app.py", CODE)]);
    let mut spec = bench.spec("python3.12", "app.handler", code);
    spec.layers = vec![layer];
    spec.variables.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    let environment = bench.start(spec).await;
    assert_eq!(evaluate(&environment, &bench, "__import__('shared').WORD").await, "layer");
    assert!(environment.settle(Duration::from_secs(60)).await.result.is_ok());
    environment.stop().await;
    let lines = bench.lines.text();
    for said in ["starting\n", "watcher INVOKE\n", "watcher SHUTDOWN\n"] {
        assert!(lines.contains(said), "{said}: {lines}");
    }
}
