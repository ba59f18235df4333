//! Functions that are forked from a stem with the runtime's AWS SDK: they must be like any other.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use sandbox::{EnvironmentSpec, Family, Isolation, StartMode};
use serde_json::Value;

use crate::bench::{Bench, event, response};

/// How many environments are started at most until one is forked from a stem with the SDK.
const STARTS_MAX: usize = 500;

const IMPORTS: &str = "
import sys
ahead = 'boto3' in sys.modules
import boto3, botocore.session, os, random, tempfile, uuid

def client(service):
    made = boto3.client(service)
    model = made.meta.service_model
    return [made.meta.endpoint_url, len(model.operation_names), sorted(model.metadata), made._request_signer._credentials.access_key,
            sorted(made.meta.config.user_agent.replace(',', ' m/').split()), made.waiter_names]

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
    /// What a function answers as soon as one was started that way.
    async fn answer_of(&self, wanted: StartMode, spec: impl Fn() -> EnvironmentSpec) -> Value {
        for _ in 0..STARTS_MAX {
            let environment = self.start(spec()).await;
            if environment.start_mode() == wanted {
                return response(environment.invoke(event("{}")).await, &self.lines);
            }
            environment.stop().await;
        }
        panic!("no such environment was forked; {}", self.lines.text());
    }

    /// Nothing but what is random may differ.
    fn compare(&self, mut plain: Value, forked: [Value; 2]) {
        let mut seen = HashSet::new();
        let mut draw = |value: &mut Value| {
            for number in value["random"].take().as_array().unwrap() {
                assert!(seen.insert(number.to_string()), "{number} was drawn twice");
            }
        };
        draw(&mut plain);
        assert_eq!(plain["ahead"], false);
        for mut forked in forked {
            draw(&mut forked);
            forked["ahead"] = false.into();
            for (name, value) in plain.as_object().unwrap() {
                assert_eq!(&forked[name], value, "{name}");
            }
        }
    }

    async fn with_sdk_loaded(&self, runtime: &str, code: &Path) -> Value {
        let value = self.answer_of(StartMode::StemWithSdk, || function(self, runtime, code)).await;
        assert_eq!(value["ahead"], true);
        value
    }
}

pub async fn python_functions_find_the_sdk_loaded_and_like_any_other(isolation: Isolation) {
    let bench = Bench::new(isolation).await;
    let (runtime, code) = (with_sdk(&bench), bench.code(&[("app.py", IMPORTS)]));
    let executed = bench.start(function(&bench, &runtime, &code)).await;
    assert_eq!(executed.start_mode(), StartMode::Exec);
    let plain = response(executed.invoke(event("{}")).await, &bench.lines);
    let forked = [bench.with_sdk_loaded(&runtime, &code).await, bench.with_sdk_loaded(&runtime, &code).await];
    bench.compare(plain, forked);
}

const REQUIRES: &str = "
const ahead = Object.keys(require.cache).some((file) => file.includes('/@aws-sdk/client-s3/'));
const { S3Client, ListBucketsCommand } = require('@aws-sdk/client-s3');
const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');
const crypto = require('crypto');

async function describe(client) {
  const { accessKeyId } = await client.config.credentials();
  return [await client.config.region(), accessKeyId, client.config.apiVersion, String(await client.config.maxAttempts())];
}

exports.handler = async () => {
  let sent;
  const s3 = new S3Client({ requestHandler: { handle: async (request) => { sent = request; throw new Error('stop'); } } });
  await s3.send(new ListBucketsCommand({})).catch(() => {});
  return {
    ahead, clients: [await describe(s3), await describe(new DynamoDBClient({}))],
    request: [sent.hostname, sent.path, /Credential=AKID/.test(sent.headers.authorization), sent.headers['user-agent']],
    streaming: typeof awslambda.streamifyResponse,
    variables: { ...process.env, AWS_LAMBDA_LOG_STREAM_NAME: '' }, argv: process.argv, execArgv: process.execArgv,
    found: require.resolve('@aws-sdk/client-s3'), resources: process.getActiveResourcesInfo().filter((name) => !name.includes('Wrap')),
    random: [Math.random(), crypto.randomUUID(), sent.headers['amz-sdk-invocation-id']],
  };
};
";

pub async fn nodejs_functions_find_the_sdk_loaded_and_like_any_other(isolation: Isolation) {
    const RUNTIME: &str = "nodejs20.x";
    let bench = Bench::new(isolation).await;
    let code = bench.code(&[("app.js", REQUIRES)]);
    let executed = bench.start(function(&bench, RUNTIME, &code)).await;
    assert_eq!(executed.start_mode(), StartMode::Exec);
    let plain = response(executed.invoke(event("{}")).await, &bench.lines);
    let forked = [bench.with_sdk_loaded(RUNTIME, &code).await, bench.with_sdk_loaded(RUNTIME, &code).await];
    bench.compare(plain, forked);
    let tell = "
const ahead = Object.keys(require.cache).some((file) => file.includes('@aws-sdk'));
REQUIRE
exports.handler = async () => ({ ahead });
";
    let none = bench.code(&[("app.js", &tell.replace("REQUIRE", ""))]);
    let requiring = tell.replace("REQUIRE", "require('@aws-sdk/client-s3');");
    let own = bench.code(&[("app.js", &requiring), ("node_modules/@aws-sdk/client-s3/index.js", "")]);
    for code in [none, own] {
        let value = bench.answer_of(StartMode::Stem, || function(&bench, RUNTIME, &code)).await;
        assert_eq!(value["ahead"], false);
    }
}

pub async fn python_functions_with_another_sdk_or_none_do_without(isolation: Isolation) {
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
            let value = bench.answer_of(StartMode::Stem, spec).await;
            assert_eq!((&value[0], value[1].to_string().as_str()), (&Value::Bool(false), file));
        }
    }
    let spec = || {
        let mut spec = function(&bench, &runtime, &code);
        spec.variables.insert("AWS_RETRY_MODE".to_owned(), "standard".to_owned());
        spec
    };
    assert_eq!(bench.answer_of(StartMode::Stem, spec).await[0], false);
}
