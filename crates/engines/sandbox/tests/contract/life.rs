//! The life of an environment: timeouts, exits, freezing, the endpoint, variables.

use std::time::Duration;

use sandbox::{Exit, FunctionError, Isolation, StartError};
use serde_json::json;

use crate::bench::{Bench, event, failure, response, until};

pub async fn kills_on_timeout_and_keeps_the_output(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let environment =
        bench.python("import time\ndef handler(event, context):\n    print('before')\n    time.sleep(1000)\n").await;
    let mut invocation = event("{}");
    invocation.deadline = Duration::from_millis(300);
    let outcome = environment.invoke(invocation).await;
    assert!(!outcome.reusable && !environment.is_alive());
    assert!(outcome.duration >= Duration::from_millis(300));
    let error = failure(outcome);
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    assert!(error["errorMessage"].as_str().unwrap().ends_with("Error: Task timed out after 0.30 seconds"));
    assert_eq!(bench.lines.text(), "before\n");
    let again = environment.invoke(event("{}")).await;
    assert!(matches!(again.result, Err(FunctionError::Exited { .. })));
}

pub async fn times_out_during_init(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("app.py", "print('waiting')\nimport time\ntime.sleep(1000)\n")]);
    let mut spec = bench.spec("python3.12", "app.handler", code);
    spec.init_timeout = Duration::from_millis(1500);
    let error = bench.try_start(spec).await.err().unwrap();
    assert!(matches!(error, StartError::Timeout { .. }), "{error:?}");
    assert_eq!(bench.lines.text(), "waiting\n");
}

pub async fn reports_exits(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let cases = [
        ("import sys; sys.exit(4)", Exit::Code(4), "Runtime exited with error: exit status 4"),
        ("import sys; sys.exit(0)", Exit::Code(0), "Runtime exited without providing a reason"),
        ("import os; os.kill(os.getpid(), 9)", Exit::Signal(9), "Runtime exited with error: signal: killed"),
        ("import os; os.abort()", Exit::Signal(6), "Runtime exited with error: signal: aborted"),
    ];
    for (statement, exit, message) in cases {
        let environment = bench
            .python(&format!("def handler(event, context):\n    print('last', flush=True)\n    {statement}\n"))
            .await;
        let outcome = environment.invoke(event("{}")).await;
        assert!(!outcome.reusable);
        assert!(
            matches!(outcome.result, Err(FunctionError::Exited { exit: found }) if found == exit),
            "{:?}",
            outcome.result
        );
        let error = failure(outcome);
        assert_eq!(error["errorType"], "Runtime.ExitError");
        assert_eq!(error["errorMessage"], format!("RequestId: {} Error: {message}", event("").request_id));
    }
    assert_eq!(bench.lines.text(), "last\n".repeat(4));
    let code = bench.code(&[("app.py", "import sys\nsys.exit(7)\n")]);
    let error = bench.try_start(bench.spec("python3.12", "app.handler", code)).await.err().unwrap();
    assert!(matches!(error, StartError::Exited { exit: Exit::Code(7) }), "{error:?}");
}

pub async fn knows_that_it_died_idle(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = "import os, threading\ndef handler(event, context):\n    threading.Timer(0.05, lambda: os._exit(3)).start()\n    return 1\n";
    let environment = bench.python(code).await;
    assert_eq!(response(environment.invoke(event("{}")).await, &bench.lines), json!(1));
    environment.ended().await;
    assert!(!environment.is_alive());
}

pub async fn freezes_and_thaws(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = "import threading, time\ncount = 0\ndef tick():\n    global count\n    while True:\n        count += 1\n        time.sleep(0.001)\n\
                threading.Thread(target=tick, daemon=True).start()\ndef handler(event, context):\n    return count\n";
    let environment = bench.python(code).await;
    let count = async || response(environment.invoke(event("{}")).await, &bench.lines).as_u64().unwrap();
    let first = count().await;
    environment.freeze().await;
    environment.freeze().await;
    environment.thaw().await;
    let mut last = count().await;
    assert!(last >= first);
    let before = last;
    while last == before {
        last = count().await;
    }
    environment.freeze().await;
    environment.stop().await;
    assert!(!environment.is_alive());
}

pub async fn reaches_the_endpoint(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = "import os, socket\nfrom urllib.parse import urlparse\ndef handler(event, context):\n    \
                url = urlparse(os.environ['AWS_ENDPOINT_URL'])\n    \
                return socket.create_connection((url.hostname, url.port)).recv(100).decode()\n";
    let environment = bench.python(code).await;
    assert_eq!(response(environment.invoke(event("{}")).await, &bench.lines), json!("endpoint"));
}

pub async fn gives_the_environment_of_lambda(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = "import os, tempfile\ndef handler(event, context):\n    \
                with tempfile.TemporaryFile() as file: file.write(b'x')\n    \
                seen = os.environ\n    inside = os.getcwd() == seen['LAMBDA_TASK_ROOT'] and os.path.exists('app.py')\n    \
                return [inside, seen['_HANDLER'], seen['AWS_EXECUTION_ENV'], seen['TZ'], seen['LANG'], '_KOBEL_CHANNEL' in seen, seen['MINE']]\n";
    let code = bench.code(&[("app.py", code)]);
    let mut spec = bench.spec("python3.12", "app.handler", code);
    spec.variables.insert("MINE".to_owned(), "a=b c".to_owned());
    let environment = bench.start(spec).await;
    let expected = json!([true, "app.handler", "AWS_Lambda_python3.12", ":UTC", "en_US.UTF-8", false, "a=b c"]);
    assert_eq!(response(environment.invoke(event("{}")).await, &bench.lines), expected);
}

pub async fn dropping_an_invocation_kills(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let environment =
        bench.python("import time\ndef handler(event, context):\n    print('begun')\n    time.sleep(1000)\n").await;
    let invoked = environment.clone();
    let task = tokio::spawn(async move { invoked.invoke(event("{}")).await });
    until("the handler begins", || bench.lines.text() == "begun\n").await;
    task.abort();
    environment.ended().await;
    assert!(!environment.is_alive());
}
