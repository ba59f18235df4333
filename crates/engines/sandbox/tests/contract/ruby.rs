//! Ruby functions.

use sandbox::{FunctionError, Isolation, StartError};
use serde_json::{Value, json};

use crate::bench::{Bench, event, failure, response};

const STYLES: &str = "
puts \"at init\\ntwo\"
def handler(event:, context:)
  { got: event, id: context.aws_request_id }
end
module Deep
  class Handlers
    def self.process(event:, context:)
      [context.function_name, context.get_remaining_time_in_millis > 1000, context.memory_limit_in_mb]
    end
  end
end
def nothing(**)
end
def raw(event:, context:)
  require 'stringio'
  StringIO.new('{\"raw\":true}')
end
";

pub async fn runs_every_style_of_handler(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("app.rb", STYLES), ("lib/inner.rb", "def run(event:, context:) = event['a'] + 1\n")]);
    let id = event("").request_id;
    let cases = [
        ("app.handler", json!({"got": {"a": 1}, "id": id})),
        ("app.Deep::Handlers.process", json!(["f", true, null])),
        ("app.nothing", Value::Null),
        ("app.raw", json!({"raw": true})),
        ("lib/inner.run", json!(2)),
    ];
    for (handler, expected) in cases {
        let environment = bench.start(bench.spec("ruby3.3", handler, code.clone())).await;
        for _ in 0..2 {
            let outcome = environment.invoke(event(r#"{"a":1}"#)).await;
            assert!(outcome.reusable, "{handler}");
            assert_eq!(response(outcome, &bench.lines), expected, "{handler}");
        }
    }
    assert_eq!(bench.lines.all()[0].text, "at init\ntwo");
}

pub async fn gives_the_context(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let text = "def handler(event:, context:)\n  [context.invoked_function_arn, context.deadline_ms, \
                context.client_context['custom'], context.identity['cognitoIdentityId'], ENV['_X_AMZN_TRACE_ID'], \
                ENV['GEM_PATH'], ENV.key?('_KOBEL_CHANNEL'), Encoding.default_external.name]\nend\n";
    let environment = bench.start(bench.spec("ruby3.3", "app.handler", bench.code(&[("app.rb", text)]))).await;
    let mut invocation = event("{}");
    invocation.cognito_identity = Some(r#"{"cognitoIdentityId":"id","cognitoIdentityPoolId":"pool"}"#.to_owned());
    invocation.client_context = Some(r#"{"client":{"app_title":"squirrel"},"custom":{"k":"v"}}"#.to_owned());
    let answer = response(environment.invoke(invocation.clone()).await, &bench.lines);
    let expected =
        json!([invocation.function_arn, invocation.deadline_epoch_ms, {"k": "v"}, "id", invocation.trace_id]);
    assert_eq!(answer.as_array().unwrap()[..5], expected.as_array().unwrap()[..]);
    assert!(answer[5].as_str().unwrap().contains("vendor/bundle/ruby/3.3.0:"), "{answer}");
    assert_eq!(answer[6], false);
    assert_eq!(answer[7], "UTF-8");
}

pub async fn reports_errors_as_lambda_does(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let text = "class Hollow < StandardError; end\n\
                def handler(event:, context:)\n  raise Hollow, \"no\\ngood\"\nend\n\
                def missing(event:, context:)\n  nil.crack\nend\n\
                def leaves(event:, context:)\n  exit 3\nend\n\
                def aborts(event:, context:)\n  exit! 3\nend\n\
                def endless(event:, context:)\n  endless(event: event, context: context) + 1\nend\n\
                def large(event:, context:)\n  'x' * 6291555\nend\n";
    let code = bench.code(&[("app.rb", text)]);
    let cases = [
        ("app.handler", "Function<Hollow>", "no\ngood", true),
        ("app.missing", "Function<NoMethodError>", "undefined method `crack' for nil", false),
        ("app.gone", "Function<NoMethodError>", "undefined method `gone' for #<LambdaHandler", false),
        ("app.leaves", "Function<SystemExit>", "exit", false),
        ("app.endless", "Function<SystemStackError>", "stack level too deep", false),
        ("app.aborts", "Runtime.ExitError", "", false),
        ("app.large", "Function.ResponseSizeTooLarge", "Response payload size exceeded", true),
    ];
    for (handler, error_type, message, reusable) in cases {
        let environment = bench.start(bench.spec("ruby3.3", handler, code.clone())).await;
        let outcome = environment.invoke(event("{}")).await;
        assert_eq!(outcome.reusable, reusable, "{handler}");
        let error = failure(outcome);
        assert_eq!(error["errorType"], error_type, "{error}");
        assert!(error["errorMessage"].as_str().unwrap().starts_with(message), "{error}");
    }
    let environment = bench.start(bench.spec("ruby3.3", "app.handler", code)).await;
    let error = failure(environment.invoke(event("{}")).await);
    let stack = error["stackTrace"].as_array().unwrap();
    assert_eq!(stack.len(), 1, "{stack:?}");
    assert!(stack[0].as_str().unwrap().ends_with("/app.rb:3:in `handler'"), "{stack:?}");
    let logged: Vec<String> = bench.lines.all().into_iter().map(|line| line.text).collect();
    let [.., title, object] = logged.as_slice() else { panic!("{logged:?}") };
    assert_eq!(title, "Error raised from handler method");
    assert!(object.starts_with("{\n  \"errorMessage\": \"no\\ngood\""), "{object}");
}

pub async fn reports_what_cannot_be_loaded(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let cases = [
        ("require 'nothere'", "app.handler", "Init<LoadError>", "cannot load such file -- nothere"),
        ("", "gone.handler", "Init<LoadError>", "cannot load such file -- gone"),
        ("def handler(", "app.handler", "Init<SyntaxError>", ""),
        ("raise 'early'", "app.handler", "Init<RuntimeError>", "early"),
        ("", "app", "Init<ArgumentError>", "Invalid handler app, must be of form FILENAME.METHOD"),
    ];
    for (text, handler, error_type, message) in cases {
        let code = bench.code(&[("app.rb", text)]);
        let started = bench.try_start(bench.spec("ruby3.3", handler, code)).await;
        let Err(error @ StartError::Reported { .. }) = started else { panic!("{error_type}: {:?}", started.err()) };
        let body: Value = serde_json::from_slice(&error.payload("")).unwrap();
        assert_eq!(body["errorType"], error_type);
        assert!(body["errorMessage"].as_str().unwrap().starts_with(message), "{body}");
    }
}

pub async fn loads_gems_of_the_package_and_of_layers(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let specification = |name: &str| {
        format!(
            "Gem::Specification.new do |s|\n  s.name = '{name}'\n  s.version = '1.0.0'\n  s.summary = ''\n  \
             s.authors = ['x']\n  s.require_paths = ['lib']\nend\n"
        )
    };
    let text = "require 'nut'\nrequire 'tree'\nrequire 'plain'\ndef handler(event:, context:)\n  \
                [NUT, TREE, PLAIN, Gem.loaded_specs['nut'].version.to_s]\nend\n";
    let code = bench.code(&[
        ("app.rb", text),
        ("vendor/bundle/ruby/3.3.0/specifications/nut-1.0.0.gemspec", &specification("nut")),
        ("vendor/bundle/ruby/3.3.0/gems/nut-1.0.0/lib/nut.rb", "NUT = 'package'\n"),
    ]);
    let layer = bench.code(&[
        ("ruby/gems/3.3.0/specifications/tree-1.0.0.gemspec", &specification("tree")),
        ("ruby/gems/3.3.0/gems/tree-1.0.0/lib/tree.rb", "TREE = 'layer'\n"),
        ("ruby/lib/plain.rb", "PLAIN = 'library'\n"),
    ]);
    let mut spec = bench.spec("ruby3.3", "app.handler", code);
    spec.layers = vec![layer];
    let environment = bench.start(spec).await;
    let answer = response(environment.invoke(event("{}")).await, &bench.lines);
    assert_eq!(answer, json!(["package", "layer", "library", "1.0.0"]));
}

pub async fn logs_as_lambda_does(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let text = "require 'logger'\nLOG = Logger.new($stdout)\ndef handler(event:, context:)\n  \
                LOG.info(\"one\\ntwo\")\n  LOG.debug('hidden or not')\n  LOG.error(ArgumentError.new('bad'))\n  \
                Logger.new($stderr, progname: 'p').warn('three')\n  puts 'four'\n  $stdout.print 'five'\nend\n";
    let code = bench.code(&[("app.rb", text)]);
    let id = event("").request_id;
    let environment = bench.start(bench.spec("ruby3.3", "app.handler", code.clone())).await;
    response(environment.invoke(event("{}")).await, &bench.lines);
    let texts: Vec<String> = bench.lines.all().into_iter().map(|line| line.text).collect();
    assert!(texts[0].starts_with("I, [20") && texts[0].ends_with(&format!("  INFO {id} -- : one\ntwo")), "{texts:?}");
    assert!(texts[1].starts_with("D, [") && texts[2].ends_with(&format!(" ERROR {id} -- : bad (ArgumentError)\n")));
    assert!(texts[3].ends_with(&format!("  WARN {id} -- p: three")), "{texts:?}");
    assert_eq!(texts[4..], ["four", "five"]);

    let json = Bench::new(isolation).await;
    let mut spec = json.spec("ruby3.3", "app.handler", code);
    spec.variables.extend(
        [("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "INFO")].map(|(k, v)| (k.into(), v.into())),
    );
    let environment = json.start(spec).await;
    response(environment.invoke(event("{}")).await, &json.lines);
    let texts: Vec<String> = json.lines.all().into_iter().map(|line| line.text).collect();
    let entries: Vec<Value> = texts[..3].iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!((&entries[0]["level"], &entries[0]["message"]), (&json!("INFO"), &json!("one\ntwo")));
    assert_eq!(entries[0]["requestId"], json!(id));
    assert_eq!((&entries[1]["errorType"], &entries[1]["errorMessage"]), (&json!("ArgumentError"), &json!("bad")));
    assert_eq!(entries[2]["logger"], "p");
}

pub async fn threads_left_behind_do_no_harm(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let text = "def handler(event:, context:)\n  Thread.report_on_exception = false\n  \
                Thread.new { raise 'nobody hears this' }\n  Thread.new { sleep }\n  Thread.list.size\nend\n";
    let environment = bench.start(bench.spec("ruby3.3", "app.handler", bench.code(&[("app.rb", text)]))).await;
    for _ in 0..3 {
        let outcome = environment.invoke(event("{}")).await;
        assert!(outcome.reusable && !matches!(outcome.result, Err(FunctionError::Exited { .. })));
        assert!(response(outcome, &bench.lines).as_u64().unwrap() >= 2);
    }
}
