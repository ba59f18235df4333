//! External extensions: started first, told of everything, given their time at the end.

use std::path::PathBuf;
use std::time::Duration;

use sandbox::{Isolation, Record, StartError, Telemetry, TelemetryEvent};
use serde_json::json;

use crate::bench::{Bench, event, make_executable, response, until};

const EXTENSION: &str = r#"#!/usr/bin/env python3
import http.client, json, os, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

def call(method, path, body=None, **headers):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = api.getresponse()
    return answer, answer.read()

class Listener(BaseHTTPRequestHandler):
    def do_POST(self):
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            print("got", event["type"], event["record"], flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

open("/tmp/started", "w").close()
server = HTTPServer(("sandbox.localdomain", 4243), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
events = json.dumps({"events": ["INVOKE", "SHUTDOWN"]})
answer, _ = call("POST", "/2020-01-01/extension/register", events, Lambda_Extension_Name="outer")
own = {"Lambda_Extension_Identifier": answer.headers["Lambda-Extension-Identifier"]}
asked = {"schemaVersion": "2022-12-13", "types": ["platform"], "buffering": {"timeoutMs": 25},
         "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243"}}
print("subscribed", call("PUT", "/2022-07-01/telemetry", json.dumps(asked), **own)[0].status, flush=True)
while True:
    heard = json.loads(call("GET", "/2020-01-01/extension/event/next", **own)[1])
    print("heard", heard["eventType"], heard.get("shutdownReason", ""), flush=True)
    if heard["eventType"] == "SHUTDOWN":
        sys.exit(0)
"#;

const FUNCTION: &str = "import os\nstarted = os.path.exists('/tmp/started')\ndef handler(event, context):\n    if event == 'exit':\n        os._exit(3)\n    return started\n";

fn layer(bench: &Bench, text: &str) -> PathBuf {
    let layer = bench.code(&[("extensions/outer", text)]);
    make_executable(&layer.join("extensions/outer"));
    layer
}

fn spec(bench: &Bench, extension: &str) -> sandbox::EnvironmentSpec {
    let mut spec = bench.spec("python3.12", "app.handler", bench.code(&[("app.py", FUNCTION)]));
    spec.layers.push(layer(bench, extension));
    spec.telemetry = Telemetry::new();
    spec
}

pub async fn live_beside_the_runtime(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let spec = spec(&bench, EXTENSION);
    let telemetry = spec.telemetry.clone();
    let environment = bench.start(spec).await;
    for _ in 0..2 {
        let outcome = environment.invoke(event("1")).await;
        let works = outcome.extensions_work;
        assert_eq!(response(outcome, &bench.lines), json!(true));
        if works {
            environment.settle(Duration::from_secs(30)).await.result.unwrap();
        }
        environment.freeze().await;
        environment.thaw().await;
    }
    let record = Record::Object(json!("word"));
    telemetry.tell(TelemetryEvent { time: "t".to_owned(), kind: "platform.start", record });
    environment.freeze().await;
    environment.stop().await;
    let text = bench.lines.text();
    let invoked = "heard INVOKE \n";
    for expected in ["subscribed 200\n", invoked, "got platform.start word\n", "heard SHUTDOWN spindown\n"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(text.matches(invoked).count(), 2, "{text}");
    assert!(!environment.is_alive());
}

pub async fn outlive_the_runtime(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let environment = bench.start(spec(&bench, EXTENSION)).await;
    let outcome = environment.invoke(event("\"exit\"")).await;
    assert_eq!(outcome.result.unwrap_err().error_type(), "Runtime.ExitError");
    assert!(!outcome.reusable);
    environment.stop().await;
    let text = bench.lines.text();
    assert!(text.contains("heard SHUTDOWN failure\n"), "{text}");
}

pub async fn that_end_are_failures(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let error = bench.try_start(spec(&bench, "#!/bin/sh\nexit 4\n")).await.err().unwrap();
    let StartError::Extension { error_type, message } = &error else { panic!("{error}") };
    assert_eq!((*error_type, message.as_str()), ("Extension.Crash", "exit status 4"));
    let error = bench.try_start(spec(&bench, "no program")).await.err().unwrap();
    assert_eq!(error.error_type(), "Extension.LaunchError");
    let once = EXTENSION.replace(
        "while True:\n",
        "for _ in range(1):\n    call(\"GET\", \"/2020-01-01/extension/event/next\", **own)\n    sys.exit(5)\n",
    );
    let environment = bench.start(spec(&bench, &once)).await;
    let outcome = environment.invoke(event("1")).await;
    let failed = match outcome.result {
        Err(error) => error.error_type() == "Extension.Crash",
        // It may have answered before the extension ended.
        Ok(_) => {
            until("the extension has ended", || !environment.is_alive()).await;
            true
        }
    };
    assert!(failed);
}

/// Registers for `$EVENTS`, and says when it hears of one.
const PLAIN: &str = r#"#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension"
name="$(basename "$0")"
id="$(curl -sS -D - -o /dev/null -H "Lambda-Extension-Name: $name" -d "{\"events\":[$EVENTS]}" "$api/register" |
  sed -n 's/\r$//; s/^[Ll]ambda-[Ee]xtension-[Ii]dentifier: *//p')"
while curl -sS -o /dev/null -H "Lambda-Extension-Identifier: $id" "$api/event/next"; do
  echo "$name heard something"
done
"#;

pub async fn that_do_not_leave_are_killed(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let with = |events: &str, end: &str| PLAIN.replace("$EVENTS", events).replace("done\n", end);
    let stubborn = with("\\\"SHUTDOWN\\\"", "  exec sleep 1000\ndone\n");
    let deaf = with("", "done\n");
    let layer = bench.code(&[("extensions/stubborn", &stubborn), ("extensions/deaf", &deaf)]);
    ["stubborn", "deaf"].iter().for_each(|name| make_executable(&layer.join("extensions").join(name)));
    let mut spec = bench.spec("python3.12", "app.handler", bench.code(&[("app.py", FUNCTION)]));
    spec.layers.push(layer);
    let environment = bench.start(spec).await;
    response(environment.invoke(event("1")).await, &bench.lines);
    environment.stop().await;
    environment.ended().await;
    assert_eq!(bench.lines.text(), "stubborn heard something\n");
}
