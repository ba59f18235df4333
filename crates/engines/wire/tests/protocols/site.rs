//! A few operations of some services, whose handlers answer what the tests need.

use std::sync::{Arc, Mutex};

use base::{Entropy, Timestamp, Trace};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use wire::schema::Service;
use wire::{Api, Beginning, Call, Ending, Host, Identity, Input, Operation, Services};

/// What the host was told, line by line.
#[derive(Default)]
pub struct Site {
    pub journal: Mutex<Vec<String>>,
}

pub struct TestHost {
    entropy: Entropy,
    site: Arc<Site>,
}

pub const NOW: Timestamp = Timestamp::from_secs(1_767_323_045);

impl Host for TestHost {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    fn identify(&self, access_key: &str) -> Option<Identity> {
        let account = base::Account::parse("111122223333")?;
        let principal = "arn:aws:sts::111122223333:assumed-role/r/s".to_owned();
        (access_key == "ASIATEST").then_some(Identity { account, principal })
    }

    fn begin(&self, beginning: &Beginning<'_>, input: Input<'_>) -> Trace {
        let line = format!("{}.{} {} {}", beginning.service, beginning.operation, beginning.scope, input.summary());
        self.site.journal.lock().expect("no test panics while it writes").push(line);
        beginning.trace.clone()
    }

    fn end(&self, beginning: &Beginning<'_>, ending: &Ending<'_>) {
        self.site
            .journal
            .lock()
            .expect("no test panics while it writes")
            .push(format!("{} {}", beginning.operation, ending.status));
    }
}

const fn subset(whole: &'static Service, operations: &'static [&'static wire::schema::Operation]) -> Service {
    Service {
        id: whole.id,
        signing_name: whole.signing_name,
        api_version: whole.api_version,
        protocols: whole.protocols,
        target_prefix: whole.target_prefix,
        shape_name: whole.shape_name,
        error_namespace: whole.error_namespace,
        xml_namespace: whole.xml_namespace,
        query_compatible: whole.query_compatible,
        operations,
        missing: whole.missing,
    }
}

static SQS: Service = subset(
    &model_sqs::SERVICE,
    &[
        model_sqs::CreateQueue::SCHEMA,
        model_sqs::ListQueues::SCHEMA,
        model_sqs::ReceiveMessage::SCHEMA,
        model_sqs::SendMessage::SCHEMA,
    ],
);
static S3: Service = subset(
    &model_s3::SERVICE,
    &[
        model_s3::CopyObject::SCHEMA,
        model_s3::DeleteObjects::SCHEMA,
        model_s3::GetBucketLocation::SCHEMA,
        model_s3::GetObject::SCHEMA,
        model_s3::HeadObject::SCHEMA,
        model_s3::ListObjectsV2::SCHEMA,
        model_s3::PutObject::SCHEMA,
        model_s3::UploadPart::SCHEMA,
        model_s3::UploadPartCopy::SCHEMA,
    ],
);
static LAMBDA: Service = subset(
    &model_lambda::SERVICE,
    &[model_lambda::CreateFunction::SCHEMA, model_lambda::Invoke::SCHEMA, model_lambda::UntagResource::SCHEMA],
);
static STS: Service = subset(&model_sts::SERVICE, &[model_sts::GetCallerIdentity::SCHEMA]);
static SNS: Service = subset(&model_sns::SERVICE, &[model_sns::Publish::SCHEMA]);

/// All services, and the host.
pub fn site() -> (Arc<Site>, Services, TestHost) {
    let site = Arc::new(Site::default());
    let apis: [Arc<Api>; 5] = [
        crate::sqs::api(&SQS, site.clone()),
        crate::s3::api(&S3, site.clone()),
        crate::lambda::api(&LAMBDA, site.clone()),
        crate::sts::sts(&STS, site.clone()),
        crate::sts::sns(&SNS, site.clone()),
    ];
    let services = Services::new(apis, ["kobel.internal".to_owned()]);
    let host = TestHost { entropy: Entropy::seeded(1), site: site.clone() };
    (site, services, host)
}

/// A reply with its whole body.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
    pub journal: Vec<String>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A request in the short form `METHOD /path`, headers as `name: value`, and the body.
pub fn ask(line: &str, headers: &[&str], body: impl Into<Bytes>) -> Answer {
    let (site, services, host) = site();
    let (method, uri) = line.split_once(' ').expect("a method and a path");
    let mut request = http::Request::builder().method(method).uri(uri);
    if !headers.iter().any(|header| header.starts_with("host:")) {
        request = request.header("host", "127.0.0.1:4566");
    }
    for header in headers {
        let (name, value) = header.split_once(": ").expect("a header");
        request = request.header(name, value);
    }
    let request = request.body(Full::new(body.into())).expect("a request");
    futures_executor::block_on(async {
        let origin = "http://127.0.0.1:4566".to_owned();
        let (parts, body) = wire::handle(&services, &host, request, origin).await.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        let journal = site.journal.lock().expect("no test panics while it writes").clone();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body, journal }
    })
}

/// An `Authorization` header for a service.
pub fn signed(key: &str, region: &str, service: &str) -> String {
    format!(
        "authorization: AWS4-HMAC-SHA256 Credential={key}/20260102/{region}/{service}/aws4_request, \
         SignedHeaders=host, Signature=00"
    )
}

/// The call of a request that came from inside.
pub fn call() -> Call {
    let entropy = Entropy::seeded(1);
    Call {
        request_id: base::RequestId::new(&entropy),
        scope: base::Scope::default(),
        caller: wire::Caller::default(),
        trace: Trace::begin(&entropy, NOW),
        origin: "http://127.0.0.1:4566".to_owned(),
        body: None,
    }
}
