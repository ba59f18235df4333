//! Functions that are forked from a stem with the runtime's AWS SDK: they must be like any other.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use sandbox::{EnvironmentSpec, Family, Isolation, StartMode};
use serde_json::Value;

use crate::bench::{Bench, event, response};

/// How many environments are started at most until one is forked from a stem with the SDK.
const STARTS_MAX: usize = 3_000;

const IMPORTS: &str = "
import sys
ahead = 'boto3' in sys.modules
import boto3, botocore.session, os, random, tempfile, uuid

def client(service):
    made = boto3.client(service)
    model = made.meta.service_model
    return [made.meta.endpoint_url, len(model.operation_names), sorted(model.metadata), made._request_signer._credentials.access_key,
            made.meta.config.user_agent, made.waiter_names]

def handler(event, context):
    session = boto3.session.Session()
    return {
        'ahead': ahead,
        'clients': [client(service) for service in ('dynamodb', 's3', 'dynamodb', 'kinesis')],
        'services': [len(session.get_available_services()), session.get_available_resources()],
        'region': [session.region_name, session.profile_name],
        'file': boto3.__file__, 'path': sys.path, 'argv': sys.argv, 'variables': dict(os.environ, AWS_LAMBDA_LOG_STREAM_NAME=''),
        'modules': sorted(name for name in sys.modules if name.startswith('kobel')),
        'threads': len(os.listdir('/proc/self/task')),
        'random': [random.random(), str(uuid.uuid4()), next(tempfile._get_candidate_names()), random.Random().random()],
    }
";

/// The identifier of a Python of this host that has the SDK: `scripts/setup` installs one.
fn with_sdk(bench: &Bench) -> String {
    let has_sdk = |prefix: &Path, minor: u32| {
        let own = prefix.join(format!("lib/python3.{minor}/site-packages/boto3"));
        own.exists() || (prefix == Path::new("/usr") && Path::new("/usr/lib/python3/dist-packages/boto3").exists())
    };
    let mut pythons = bench.sandbox.runtimes().into_iter().filter(|runtime| runtime.family == Family::Python);
    let found = pythons.find(|python| has_sdk(&python.prefix, python.version.minor));
    found.expect("no Python of this host has boto3: run scripts/setup").identifier()
}

fn function(bench: &Bench, runtime: &str, code: &Path) -> EnvironmentSpec {
    let mut spec = bench.spec(runtime, "app.handler", code.to_path_buf());
    spec.variables = BTreeMap::from(
        [("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "AKID")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    spec.variables.insert("AWS_SECRET_ACCESS_KEY".to_owned(), "secret".to_owned());
    spec
}

impl Bench {
    /// What a function answers that was forked: as soon as one is of which `wanted` holds.
    async fn answer_of_forked(&self, spec: impl Fn() -> EnvironmentSpec, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..STARTS_MAX {
            let environment = self.start(spec()).await;
            if environment.start_mode() == StartMode::Stem {
                let value = response(environment.invoke(event("{}")).await, &self.lines);
                if wanted(&value) {
                    return value;
                }
            }
            environment.stop().await;
        }
        panic!("no such environment was forked; {}", self.lines.text());
    }

    async fn with_sdk_loaded(&self, runtime: &str, code: &Path) -> Value {
        self.answer_of_forked(|| function(self, runtime, code), |value| value["ahead"] == true).await
    }
}

pub async fn functions_find_the_sdk_loaded_and_like_any_other(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (runtime, code) = (with_sdk(&bench), bench.code(&[("app.py", IMPORTS)]));
    let executed = bench.start(function(&bench, &runtime, &code)).await;
    assert_eq!(executed.start_mode(), StartMode::Exec);
    let mut plain = response(executed.invoke(event("{}")).await, &bench.lines);
    assert_eq!(plain["ahead"], false);
    let mut seen = HashSet::new();
    let numbers = |value: &mut Value| value["random"].take().as_array().unwrap().clone();
    seen.extend(numbers(&mut plain).iter().map(Value::to_string));
    for _ in 0..2 {
        let mut forked = bench.with_sdk_loaded(&runtime, &code).await;
        for number in numbers(&mut forked) {
            assert!(seen.insert(number.to_string()), "{number} was drawn twice");
        }
        forked["ahead"] = false.into();
        for (name, value) in plain.as_object().unwrap() {
            assert_eq!(&forked[name], value, "{name}");
        }
    }
}

pub async fn functions_with_another_sdk_or_none_do_without(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let runtime = with_sdk(&bench);
    let loaded = bench.code(&[("app.py", IMPORTS)]);
    bench.with_sdk_loaded(&runtime, &loaded).await;
    let tell = "
import sys
ahead = 'botocore' in sys.modules
IMPORT
def handler(event, context):
    return [ahead, sys.modules['boto3'].__file__ if 'boto3' in sys.modules else None]
";
    let none = bench.code(&[("app.py", &tell.replace("IMPORT", ""))]);
    let importing = tell.replace("IMPORT", "import boto3");
    let own = bench.code(&[("app.py", &importing), ("boto3.py", "")]);
    let layer = bench.code(&[("python/boto3/__init__.py", "")]);
    let code = bench.code(&[("app.py", &importing)]);
    let cases: [(&PathBuf, &[&PathBuf], &str); 3] = [
        (&none, &[], "null"),
        (&own, &[], "\"/var/task/boto3.py\""),
        (&code, &[&layer], "\"/opt/python/boto3/__init__.py\""),
    ];
    for (code, layers, file) in cases {
        let spec = || {
            let layers = layers.iter().map(|layer| layer.to_path_buf()).collect();
            EnvironmentSpec { layers, ..function(&bench, &runtime, code) }
        };
        for _ in 0..2 {
            let value = bench.answer_of_forked(spec, |_| true).await;
            assert_eq!((&value[0], value[1].to_string().as_str()), (&Value::Bool(false), file));
        }
    }
    let spec = || {
        let mut spec = function(&bench, &runtime, &code);
        spec.variables.insert("AWS_RETRY_MODE".to_owned(), "standard".to_owned());
        spec
    };
    assert_eq!(bench.answer_of_forked(spec, |_| true).await[0], false);
}
