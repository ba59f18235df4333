//! Java functions, compiled against the classes that the engine provides.

use std::path::PathBuf;
use std::process::Command;

use sandbox::Isolation;
use serde_json::{Value, json};

use crate::bench::{Bench, event, failure, response};

const SOURCE: &str = r#"
package app;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;

public class Handlers {
    public static class Typed implements RequestHandler<Event, Answer> {
        public Answer handleRequest(Event event, Context context) {
            context.getLogger().log("one\ntwo");
            Answer answer = new Answer();
            answer.setKeys(new ArrayList<>());
            for (Event.Item item : event.getRecords()) answer.getKeys().add(item.key + item.size);
            answer.id = context.getAwsRequestId();
            return answer;
        }
    }
    public static class Maps implements RequestHandler<Map<String, Object>, String> {
        public String handleRequest(Map<String, Object> event, Context context) { return event.toString(); }
    }
    public static class Streams implements RequestStreamHandler {
        public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
            in.read();
            out.write("{\"raw\":true}".getBytes());
        }
    }
    public String says(String word) { System.out.println("grün"); return word; }
    public static class Broken extends Maps {
        public Broken() { throw new IllegalStateException("broken"); }
    }
    public int plain(List<Integer> numbers) { int sum = 0; for (int n : numbers) sum += n; return sum; }
    public void nothing(Context context) { System.out.println("nothing for " + context.getFunctionName()); }
    public String fails(String text) { throw new IllegalStateException("no " + text, new RuntimeException("deep")); }
    public String endless(String text) { return endless(text) + text; }
}
"#;

const EVENT: &str = r#"
package app;
import java.util.List;
public class Event {
    private List<Item> records;
    public List<Item> getRecords() { return records; }
    public void setRecords(List<Item> records) { this.records = records; }
    public static class Item { public String key; public long size; private Object rest; }
}
"#;

const ANSWER: &str = r#"
package app;
import java.util.List;
public class Answer {
    private List<String> keys;
    public String id;
    public List<String> getKeys() { return keys; }
    public void setKeys(List<String> keys) { this.keys = keys; }
}
"#;

fn build(bench: &Bench) -> PathBuf {
    let sources = bench.code(&[("app/Handlers.java", SOURCE), ("app/Event.java", EVENT), ("app/Answer.java", ANSWER)]);
    let classes = bench.code(&[("keep", "")]);
    let jar = bench.sandbox.java_classpath().unwrap();
    let mut javac = Command::new("javac");
    javac.args(["-encoding", "UTF-8", "-cp"]).arg(jar).arg("-d").arg(&classes);
    javac.args(["Handlers", "Event", "Answer"].map(|name| sources.join(format!("app/{name}.java"))));
    assert!(javac.status().unwrap().success());
    classes
}

pub async fn runs_every_style_of_handler(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = build(&bench);
    let id = event("").request_id;
    let records = r#"{"records":[{"key":"a","size":1,"rest":{},"more":[1]},{"Key":"b","size":9000000000}]}"#;
    let cases = [
        ("app.Handlers$Typed", records, json!({"keys": ["a1", "null9000000000"], "id": id})),
        ("app.Handlers$Maps::handleRequest", r#"{"a":{"b":[1,2.5,null]}}"#, json!("{a={b=[1, 2.5, null]}}")),
        ("app.Handlers$Streams", "{}", json!({"raw": true})),
        ("app.Handlers::plain", "[1,2,3]", json!(6)),
        ("app.Handlers::says", "7", json!("7")),
        ("app.Handlers::nothing", "{}", Value::Null),
    ];
    for (handler, payload, expected) in cases {
        let mut spec = bench.spec("java17", handler, code.clone());
        spec.memory_mb = 128;
        let environment = bench.start(spec).await;
        for _ in 0..2 {
            let outcome = environment.invoke(event(payload)).await;
            assert!(outcome.reusable);
            assert_eq!(response(outcome, &bench.lines), expected, "{handler}");
        }
    }
    let texts: Vec<String> = bench.lines.all().into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["one\ntwo", "one\ntwo", "grün", "grün", "nothing for f", "nothing for f"]);
}

pub async fn reports_errors_as_lambda_does(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = build(&bench);
    let environment = bench.start(bench.spec("java17", "app.Handlers::fails", code.clone())).await;
    let outcome = environment.invoke(event(r#""luck""#)).await;
    assert!(outcome.reusable);
    let error = failure(outcome);
    assert_eq!(error["errorMessage"], "no luck");
    assert_eq!(error["errorType"], "java.lang.IllegalStateException");
    assert_eq!(error["cause"]["errorMessage"], "deep");
    let stack = error["stackTrace"].as_array().unwrap();
    assert!(stack[0].as_str().unwrap().starts_with("app.Handlers.fails(Handlers.java:"), "{stack:?}");
    let error = failure(environment.invoke(event("{}")).await);
    assert_eq!(error["errorMessage"], "An error occurred during JSON parsing");
    let environment = bench.start(bench.spec("java17", "app.Handlers::endless", code.clone())).await;
    let outcome = environment.invoke(event(r#""x""#)).await;
    assert!(!outcome.reusable);
    assert_eq!(failure(outcome)["errorType"], "java.lang.StackOverflowError");
    let nothing = "No public method named gone with appropriate method signature found on class app.Handlers";
    let cases = [
        (
            "app.Gone::x",
            json!({"errorMessage": "Class not found: app.Gone", "errorType": "java.lang.ClassNotFoundException"}),
        ),
        ("app.Handlers::gone", json!({"errorMessage": nothing})),
    ];
    for (handler, expected) in cases {
        let environment = bench.start(bench.spec("java17", handler, code.clone())).await;
        for _ in 0..2 {
            let outcome = environment.invoke(event("1")).await;
            assert!(outcome.reusable);
            assert_eq!(failure(outcome), expected);
        }
    }
    let failed = bench.try_start(bench.spec("java17", "app.Handlers$Broken", code)).await.err().unwrap();
    let body: Value = serde_json::from_slice(&failed.payload("")).unwrap();
    assert_eq!(body, json!({"errorMessage": "broken", "errorType": "java.lang.IllegalStateException"}));
}

const HOOKED: &str = r#"
package app;
import com.amazonaws.services.lambda.crac.*;
import java.util.*;

public class Hooked implements Resource {
    static final List<String> EVENTS = new ArrayList<>();
    static final List<Resource> KEPT = new ArrayList<>();
    final String name;
    Hooked(String name) { this.name = name; KEPT.add(this); Core.getGlobalContext().register(this); }
    public Hooked() { this("first"); new Hooked("second"); }
    public void beforeCheckpoint(Context<? extends Resource> context) { EVENTS.add("before " + name); }
    public void afterRestore(Context<? extends Resource> context) {
        if (System.getenv("FAIL") != null) throw new IllegalStateException("winter");
        EVENTS.add("after " + name);
    }
    public List<String> handle(Object event) {
        EVENTS.add(System.getProperty("org.crac.Core.Compat"));
        return EVENTS;
    }
}
"#;

pub async fn runs_the_hooks_of_snapshots(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let sources = bench.code(&[("app/Hooked.java", HOOKED)]);
    let classes = bench.code(&[("keep", "")]);
    let mut javac = Command::new("javac");
    javac.arg("-cp").arg(bench.sandbox.java_classpath().unwrap()).arg("-d").arg(&classes);
    assert!(javac.arg(sources.join("app/Hooked.java")).status().unwrap().success());
    let mut spec = bench.spec("java17", "app.Hooked::handle", classes);
    spec.variables.insert("AWS_LAMBDA_INITIALIZATION_TYPE".to_owned(), "snap-start".to_owned());
    let environment = bench.start(spec.clone()).await;
    let order = ["before second", "before first", "after first", "after second", "com.amazonaws.services.lambda.crac"];
    assert_eq!(response(environment.invoke(event("1")).await, &bench.lines), json!(order));
    spec.variables.insert("FAIL".to_owned(), "1".to_owned());
    spec.id = "failing".to_owned();
    let error = bench.try_start(spec).await.err().unwrap();
    assert_eq!(error.error_type(), "Runtime.AfterRestoreError");
}
