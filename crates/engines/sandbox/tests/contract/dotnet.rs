//! .NET functions, compiled by Mono's compiler for the .NET that the tests have (3.1): the assembly that stands for
//! the package `Amazon.Lambda.Core` has its public interfaces.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sandbox::{FunctionError, Isolation, StartError};
use serde_json::{Value, json};

use crate::bench::{Bench, event, failure, response};

const CORE: &str = include_str!("dotnet/Core.cs");
const FUNCTION: &str = include_str!("dotnet/Function.cs");
const PLAIN: &str = include_str!("dotnet/Plain.cs");
const PROGRAM: &str = include_str!("dotnet/Program.cs");
/// Parts of the framework that the sources use.
const PARTS: [&str; 13] = [
    "System.Private.CoreLib",
    "System.Private.Uri",
    "System.Runtime",
    "System.Runtime.Extensions",
    "System.Collections",
    "System.Console",
    "System.Linq",
    "System.Memory",
    "System.Net.Http",
    "System.Text.Json",
    "System.Threading",
    "System.Threading.Tasks",
    "System.Threading.Thread",
];

/// Where `scripts/setup` puts .NET for tests.
pub fn runtime_dir() -> PathBuf {
    let named = |name| std::env::var_os(name).map(PathBuf::from);
    if let Some(dir) = named("KOBEL_TEST_DOTNET") {
        return dir;
    }
    let cache = named("KOBEL_CACHE").or_else(|| Some(named("XDG_CACHE_HOME")?.join("kobel")));
    cache.unwrap_or_else(|| named("HOME").unwrap_or_default().join(".cache/kobel")).join("dotnet")
}

fn framework() -> PathBuf {
    let versions = runtime_dir().join("shared/Microsoft.NETCore.App");
    let entries = std::fs::read_dir(&versions)
        .unwrap_or_else(|error| panic!("{}: {error}; scripts/setup puts .NET there", versions.display()));
    entries.flatten().map(|entry| entry.path()).max().expect("a framework")
}

fn compile(target: &str, output: &Path, source: &str, references: &[&Path]) {
    let file = output.with_extension("cs");
    std::fs::write(&file, source).unwrap();
    let framework = framework();
    let mut command = Command::new("mcs");
    command.args(["-noconfig", "-nostdlib"]).arg(format!("-target:{target}")).arg(format!("-out:{}", output.display()));
    let parts = PARTS.map(|part| framework.join(format!("{part}.dll")));
    for reference in parts.iter().map(PathBuf::as_path).chain(references.iter().copied()) {
        command.arg(format!("-r:{}", reference.display()));
    }
    let compiled = command.arg(&file).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    std::fs::remove_file(file).unwrap();
}

/// The compiled package, once for all tests of a process.
fn package() -> &'static [(&'static str, Vec<u8>)] {
    static PACKAGE: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let names = ["Amazon.Lambda.Core.dll", "Function.dll", "Program.dll", "Plain.dll"];
        let files = names.map(|name| dir.path().join(name));
        let [core, function, program, plain] = &files;
        compile("library", core, CORE, &[]);
        compile("library", function, FUNCTION, &[core]);
        compile("exe", program, PROGRAM, &[]);
        compile("library", plain, PLAIN, &[]);
        names.into_iter().zip(files.map(|file| std::fs::read(file).unwrap())).collect()
    })
}

fn build(bench: &Bench) -> PathBuf {
    let config = r#"{"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": "3.1.0"}}}"#;
    let code = bench.code(&[("Function.runtimeconfig.json", config), ("Program.runtimeconfig.json", config)]);
    for (name, bytes) in package() {
        std::fs::write(code.join(name), bytes).unwrap();
    }
    code
}

fn handler(method: &str) -> String {
    format!("Function::App.Function::{method}")
}

pub async fn runs_every_style_of_handler(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = build(&bench);
    let order = r#"{"records":[{"key":"a","size":1,"more":[1]},{"Key":"b","Size":9000000000}]}"#;
    let cases = [
        ("Typed", order, json!(["a1f", "b9000000000f"])),
        ("Greet", r#""ann""#, json!("Hello ann")),
        ("Sum", "[1,2,3]", json!({"sum": 6})),
        ("Streams", "[1]", json!({"raw": [1]})),
        ("LaterStreams", r#"{"as":"it is"}"#, json!({"as": "it is"})),
        ("Constant", "{}", json!(42)),
        ("Nothing", "{}", Value::Null),
        ("Shout", r#""loud""#, json!("LOUD")),
        ("Inherited", r#""x""#, json!("inherited x")),
        ("System.String Overloaded(Int32)", "7", json!("number 7")),
    ];
    for (method, payload, expected) in cases {
        let environment = bench.start(bench.spec("dotnet8", &handler(method), code.clone())).await;
        for _ in 0..2 {
            let outcome = environment.invoke(event(payload)).await;
            assert!(outcome.reusable, "{method}");
            assert_eq!(response(outcome, &bench.lines), expected, "{method}");
        }
    }
}

pub async fn needs_nothing_of_a_package_of_streams(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("keep", "")]);
    std::fs::copy(build(&bench).join("Plain.dll"), code.join("Plain.dll")).unwrap();
    let environment = bench.start(bench.spec("dotnet8", "Plain::Plain::Echo", code)).await;
    assert_eq!(response(environment.invoke(event("[1]")).await, &bench.lines), json!([1]));
}

pub async fn runs_executable_assemblies(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let environment = bench.start(bench.spec("dotnet8", "Program", build(&bench))).await;
    for _ in 0..2 {
        let answer = response(environment.invoke(event("[1]")).await, &bench.lines);
        assert_eq!(answer, json!({"own": [1], "arguments": 0}));
    }
}

pub async fn gives_the_context(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let mut spec = bench.spec("dotnet8", &handler("Context"), build(&bench));
    for (name, value) in [("VERSION", "7"), ("MEMORY_SIZE", "256")] {
        spec.variables.insert(format!("AWS_LAMBDA_FUNCTION_{name}"), value.to_owned());
    }
    spec.variables.insert("AWS_LAMBDA_LOG_GROUP_NAME".to_owned(), "/aws/lambda/f".to_owned());
    let environment = bench.start(spec).await;
    let mut invocation = event("{}");
    invocation.cognito_identity = Some(r#"{"cognitoIdentityId":"id","cognitoIdentityPoolId":"pool"}"#.to_owned());
    invocation.client_context = Some(r#"{"client":{"app_title":"squirrel"},"custom":{"k":"v"},"env":{}}"#.to_owned());
    let answer = response(environment.invoke(invocation.clone()).await, &bench.lines);
    let (id, arn, trace) = (invocation.request_id, invocation.function_arn, invocation.trace_id);
    let expected =
        json!([id, arn, "f", "7", 256, true, "/aws/lambda/f", "id", "squirrel", "v", trace, null, trace, null]);
    assert_eq!(answer, expected);
}

pub async fn reports_errors_as_lambda_does(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = build(&bench);
    let start = async |method| bench.start(bench.spec("dotnet8", &handler(method), code.clone())).await;
    let environment = start("Fails").await;
    let error = failure(environment.invoke(event(r#""luck""#)).await);
    assert_eq!(error["errorType"], "InvalidOperationException");
    assert_eq!(error["errorMessage"], "no \"luck\"");
    assert_eq!(error["cause"], json!({"errorType": "ArgumentException", "errorMessage": "deep"}));
    let stack = error["stackTrace"].as_array().unwrap();
    assert_eq!(stack.len(), 1, "{stack:?}");
    assert!(stack[0].as_str().unwrap().starts_with("at App.Function.Fails(String text)"), "{stack:?}");
    assert!(
        bench.lines.text().contains("\tfail\tSystem.InvalidOperationException: no \"luck\""),
        "{}",
        bench.lines.text()
    );
    // The function's serializer refuses the event; the environment goes on.
    let outcome = environment.invoke(event("{}")).await;
    assert!(outcome.reusable);
    assert!(failure(outcome)["errorMessage"].as_str().unwrap().contains("JSON"));
    let error = failure(start("FailsLater").await.invoke(event(r#""x""#)).await);
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("KeyNotFoundException"), &json!("later")));
    let error = failure(start("FailsTwice").await.invoke(event(r#""x""#)).await);
    assert_eq!(error["errorType"], "AggregateException");
    let types: Vec<&Value> = error["causes"].as_array().unwrap().iter().map(|cause| &cause["errorType"]).collect();
    assert_eq!(types, ["ArgumentException", "FormatException"]);
    let outcome = start("Large").await.invoke(event(r#""x""#)).await;
    assert!(outcome.reusable);
    assert!(matches!(outcome.result, Err(FunctionError::ResponseTooLarge { .. })));
    for (method, expected) in [("Leaves", "exit status 3"), ("FailsInThread", "signal: aborted")] {
        let environment = start(method).await;
        let error = environment.invoke(event(r#""x""#)).await.result.unwrap_err().to_string();
        assert!(error.contains(expected), "{method}: {error}");
        assert!(!environment.is_alive(), "{method}");
    }
    assert!(bench.lines.text().contains("nobody catches this"), "{}", bench.lines.text());
}

pub async fn reports_what_cannot_be_loaded(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = build(&bench);
    let cases = [
        ("Gone::App.Function::Greet", "LambdaValidationException", "Could not find the specified handler assembly"),
        (
            "Function::App.Gone::Greet",
            "LambdaValidationException",
            "Unable to load type 'App.Gone' from assembly 'Function'.",
        ),
        ("Function::App.Function::Gone", "LambdaValidationException", "Found no methods matching method name 'Gone'."),
        ("Function::App.Function::Overloaded", "LambdaValidationException", "number of overloads"),
        ("Function::App.Function::AsyncVoid", "LambdaValidationException", "'async void'"),
        ("Function::App.Function", "LambdaValidationException", "Invalid lambda function handler"),
        ("Plain::Plain::Text", "LambdaValidationException", "Could not find the LambdaSerializerAttribute"),
        ("Function::App.Broken::Handle", "TargetInvocationException", "target of an invocation"),
    ];
    for (handler, error_type, message) in cases {
        let started = bench.try_start(bench.spec("dotnet8", handler, code.clone())).await;
        let Err(StartError::Reported { error_type: reported, body }) = started else { panic!("{:?}", started.err()) };
        let error: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(reported, error_type, "{handler}: {error}");
        assert!(error["errorMessage"].as_str().unwrap().contains(message), "{handler}: {error}");
    }
    let started = bench.try_start(bench.spec("dotnet8", "Gone", code.clone())).await;
    assert!(matches!(started, Err(StartError::Exited { .. })), "{:?}", started.err());
}

pub async fn logs_as_lambda_does(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = build(&bench);
    let environment = bench.start(bench.spec("dotnet8", &handler("Logs"), code.clone())).await;
    response(environment.invoke(event(r#""x""#)).await, &bench.lines);
    let id = event("").request_id;
    let lines = bench.lines.all();
    let rests: Vec<&str> = lines.iter().map(|line| line.text.split_once('\t').unwrap().1).collect();
    let expected = [
        "info\tone\ntwo 3",
        "fail\tbad",
        "info\tline",
        "warn\tuser ann has 2.5",
        "fail\tbroken\nSystem.ArgumentException: why",
        "static",
    ];
    assert_eq!(rests, expected.map(|text| format!("{id}\t{text}")));
    let mut spec = bench.spec("dotnet8", &handler("Logs"), code);
    spec.variables.insert("AWS_LAMBDA_LOG_FORMAT".to_owned(), "JSON".to_owned());
    spec.variables.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), "WARN".to_owned());
    let environment = bench.start(spec).await;
    response(environment.invoke(event(r#""x""#)).await, &bench.lines);
    let entries: Vec<Value> =
        bench.lines.all()[lines.len()..].iter().map(|line| serde_json::from_str(&line.text).unwrap()).collect();
    let levels: Vec<&Value> = entries.iter().map(|entry| &entry["level"]).collect();
    assert_eq!(levels, ["Error", "Warning", "Error", "Information"]);
    assert_eq!(entries[1]["message"], "user ann has 2.5");
    assert_eq!((&entries[1]["name"], &entries[1]["count"]), (&json!("ann"), &json!(2.5)));
    assert_eq!(entries[1]["requestId"], json!(id));
    assert_eq!(
        (&entries[2]["errorType"], &entries[2]["errorMessage"]),
        (&json!("System.ArgumentException"), &json!("why"))
    );
}
