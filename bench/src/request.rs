//! Requests as bytes, built once and sent many times.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub const ACCOUNT: &str = "000000000000";
pub const REGION: &str = "us-east-1";

/// A request of HTTP/1.1 that keeps the connection.
#[derive(Debug, Clone)]
pub struct Request(pub Vec<u8>);

impl Request {
    /// `service` is the name in the credential scope, by which AWS's clients are told apart.
    fn new(service: &str, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
        let mut head = format!(
            "{line} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature={:064}\r\n",
            body.len(),
            0
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Request([head.as_bytes(), body].concat())
    }

    /// The newest events of the journal.
    pub fn events(count: usize) -> Request {
        Request::new("kobel", &format!("GET /_kobel/events?count={count}"), &[], b"")
    }

    pub fn health() -> Request {
        Request::new("kobel", "GET /_kobel/health", &[], b"")
    }

    /// Any operation through the admin API, with JSON by the model's names.
    pub fn api(service: &str, operation: &str, input: &Value) -> Request {
        let line = format!("POST /_kobel/api/{service}/{operation}");
        Request::new("kobel", &line, &[], input.to_string().as_bytes())
    }

    pub fn create_function(name: &str, runtime: &str, handler: &str, package: &[u8]) -> Request {
        let body = json!({
            "FunctionName": name,
            "Runtime": runtime,
            "Handler": handler,
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/bench"),
            "MemorySize": 512,
            "Timeout": 30,
            "Code": {"ZipFile": STANDARD.encode(package)},
        });
        Request::new("lambda", "POST /2015-03-31/functions", &[], body.to_string().as_bytes())
    }

    pub fn get_configuration(function: &str) -> Request {
        Request::new("lambda", &format!("GET /2015-03-31/functions/{function}/configuration"), &[], b"")
    }

    pub fn set_snap_start(function: &str) -> Request {
        let body = json!({"SnapStart": {"ApplyOn": "PublishedVersions"}});
        let line = format!("PUT /2015-03-31/functions/{function}/configuration");
        Request::new("lambda", &line, &[], body.to_string().as_bytes())
    }

    /// Node.js, for which Lambda has no SnapStart, gets it by a tag of Kobel's.
    pub fn set_snap_start_by_tag(function: &str) -> Request {
        let body = json!({"Tags": {"kobel:snap-start": "PublishedVersions"}});
        let line = format!("POST /2017-03-31/tags/arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}");
        Request::new("lambda", &line, &[], body.to_string().as_bytes())
    }

    pub fn publish_version(function: &str) -> Request {
        Request::new("lambda", &format!("POST /2015-03-31/functions/{function}/versions"), &[], b"{}")
    }

    pub fn delete_function(function: &str) -> Request {
        Request::new("lambda", &format!("DELETE /2015-03-31/functions/{function}"), &[], b"")
    }

    pub fn reserve_concurrency(function: &str, count: usize) -> Request {
        let line = format!("PUT /2017-10-31/functions/{function}/concurrency");
        let body = json!({"ReservedConcurrentExecutions": count});
        Request::new("lambda", &line, &[], body.to_string().as_bytes())
    }

    /// `kind` is RequestResponse or Event.
    pub fn invoke(function: &str, kind: &str, payload: &str) -> Request {
        let line = format!("POST /2015-03-31/functions/{function}/invocations");
        Request::new("lambda", &line, &[("x-amz-invocation-type", kind)], payload.as_bytes())
    }

    pub fn sqs(operation: &str, input: &Value) -> Request {
        let target = format!("AmazonSQS.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        Request::new("sqs", "POST /", &headers, input.to_string().as_bytes())
    }

    pub fn create_bucket(bucket: &str) -> Request {
        Request::new("s3", &format!("PUT /{bucket}"), &[], b"")
    }

    pub fn put_object(bucket: &str, key: &str, body: &[u8]) -> Request {
        let headers = [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
        Request::new("s3", &format!("PUT /{bucket}/{key}"), &headers, body)
    }

    pub fn get_object(bucket: &str, key: &str) -> Request {
        let headers = [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
        Request::new("s3", &format!("GET /{bucket}/{key}"), &headers, b"")
    }
}
