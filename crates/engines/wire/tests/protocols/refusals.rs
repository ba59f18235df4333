//! Requests for what Kobel does not have are told so in their own protocol.

use futures_util::stream::{Stream, StreamExt};

use crate::site::{ask, signed};

#[test]
fn an_unknown_service_is_named() {
    let auth = signed("test", "us-east-1", "dynamodb");
    let target = "x-amz-target: DynamoDB_20120810.PutItem";
    let answer = ask("POST /", &[&auth, target, "content-type: application/x-amz-json-1.0"], "{}");
    assert_eq!(answer.status, 501);
    assert!(answer.json()["__type"].as_str().unwrap().ends_with("#NotImplemented"));
    assert!(answer.body.contains("dynamodb") && answer.body.contains("PutItem"), "{}", answer.body);

    let auth = signed("test", "us-east-1", "scheduler");
    let answer = ask("POST /schedules/x", &[&auth], "{}");
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (501, "NotImplemented"));

    let auth = signed("test", "us-east-1", "rds");
    let form = "content-type: application/x-www-form-urlencoded";
    let answer = ask("POST /", &[&auth, form], "Action=CreateDBProxy&Version=2014-10-31");
    assert_eq!(answer.status, 501);
    assert!(answer.body.contains("<Code>NotImplemented</Code>") && answer.body.contains("rds"), "{}", answer.body);
}

#[test]
fn cbor_is_answered_in_cbor() {
    let auth = signed("test", "us-east-1", "monitoring");
    let headers = ["smithy-protocol: rpc-v2-cbor", "content-type: application/cbor", &auth];
    let answer = ask("POST /service/GraniteServiceVersion20100801/operation/PutMetricData", &headers, "");
    assert_eq!(answer.status, 501);
    assert_eq!(answer.header("smithy-protocol"), "rpc-v2-cbor");
    assert!(answer.body.contains("monitoring") && answer.body.contains("PutMetricData"));
}

#[test]
fn an_unknown_operation_is_named() {
    let json = "content-type: application/x-amz-json-1.0";
    let answer = ask("POST /", &[json, "x-amz-target: AmazonSQS.Fly"], "{}");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["__type"], "com.amazonaws.sqs#UnknownOperationException");
    let answer = ask("POST /?Action=Fly", &[], "");
    assert!(answer.status == 400 && answer.body.contains("<Code>InvalidAction</Code>"), "{}", answer.body);
    let answer = ask("GET /2015-03-31/nothing", &[&signed("test", "us-east-1", "lambda")], "");
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (404, "UnknownOperationException"));
}

#[test]
fn a_missing_operation_is_named() {
    let answer = ask("GET /2015-03-31/event-source-mappings/", &[&signed("test", "us-east-1", "lambda")], "");
    assert!([404, 501].contains(&answer.status), "{} {}", answer.status, answer.body);
    let answer = ask("POST /", &[&signed("test", "us-east-1", "sts")], "");
    assert!(answer.body.contains("<Code>MissingAction</Code>"), "{}", answer.body);
}

#[test]
fn a_malformed_signature_is_refused() {
    let answer = ask("GET /b/k", &["authorization: AWS4-HMAC-SHA256 nonsense"], "");
    assert!(answer.status == 400 && answer.body.contains("AuthorizationHeaderMalformed"), "{}", answer.body);
}

#[test]
fn options_name_the_methods() {
    let answer = ask("OPTIONS /", &[], "");
    assert_eq!(answer.status, 200);
    assert!(answer.header("allow").contains("PUT"));
}

#[test]
fn a_call_whose_client_goes_away_has_ended() {
    use std::future::Future;
    let (site, services, host) = crate::site::site();
    let request = http::Request::post("/?Action=ReceiveMessage&QueueUrl=endless");
    let request = request.body(http_body_util::Full::new(bytes::Bytes::new())).expect("a request");
    let mut answering = Box::pin(wire::handle(&services, &host, request, "http://h".to_owned()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(answering.as_mut().poll(&mut context).is_pending());
    drop(answering);
    assert_eq!(site.journal.lock().expect("no test panics while it writes")[1], "ReceiveMessage 499");
}

/// Sends its body in pieces, and counts those that were taken.
fn counted(pieces: usize) -> (std::sync::Arc<std::sync::atomic::AtomicUsize>, impl Stream<Item = Piece> + Unpin) {
    let taken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = taken.clone();
    let body = futures_util::stream::repeat_with(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(http_body::Frame::data(bytes::Bytes::from_static(&[0; 65_536])))
    });
    (taken, body.take(pieces))
}

type Piece = Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>;

#[test]
fn a_refused_body_is_read_to_its_end_unless_the_client_waits() {
    let cases = [(None, 100, 100), (Some("100-continue"), 100, 0), (None, 100_000, 2_049)];
    for (expect, sent, expected) in cases {
        let (_, services, host) = crate::site::site();
        let (taken, body) = counted(sent);
        let mut request = http::Request::put("/nothing/known?acl");
        if let Some(expect) = expect {
            request = request.header("expect", expect);
        }
        let request = request.body(http_body_util::StreamBody::new(body)).expect("a request");
        let answer = futures_executor::block_on(wire::handle(&services, &host, request, "http://h".to_owned()));
        assert_eq!(answer.status(), 501);
        assert_eq!(taken.load(std::sync::atomic::Ordering::Relaxed), expected, "{expect:?} {sent}");
    }
}
