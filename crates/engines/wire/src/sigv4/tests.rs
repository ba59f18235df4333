use http::{HeaderMap, HeaderValue};

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn signature(headers: &HeaderMap, query: &str) -> Signature {
    let query = Parameters::parse(query).expect("a query");
    Signature::of(headers, &query).expect("well formed").expect("signed")
}

#[test]
fn verifies_what_botocore_signs_for_lambda() {
    let headers = headers(&[
        ("host", "127.0.0.1:4566"),
        ("content-type", "application/json"),
        ("x-amz-client-context", "a   b"),
        ("x-amz-date", "20260102T030405Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/lambda/aws4_request, \
             SignedHeaders=content-type;host;x-amz-client-context;x-amz-date, \
             Signature=8f4d31d4cb3b171084a6c2e11b93f39bf15a9a6abb3babfbe2da123df5920fc7",
        ),
    ]);
    let hash = hex(&Sha256::digest(b"{}"));
    let request = Request {
        method: "POST",
        path: "/2015-03-31/functions/a%3Ab/invocations",
        query: "Qualifier=%24LATEST&b=",
        headers: &headers,
        payload_hash: &hash,
    };
    let signature = signature(&headers, request.query);
    assert!(verify(&request, &signature, SECRET));
    assert!(!verify(&request, &signature, "another"));
    assert!(!verify(&Request { method: "GET", ..request }, &signature, SECRET));
}

#[test]
fn verifies_what_botocore_signs_for_s3() {
    let headers = headers(&[
        ("host", "127.0.0.1:4566"),
        ("content-type", "text/plain"),
        ("x-amz-date", "20260102T030405Z"),
        ("x-amz-content-sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/s3/aws4_request, \
             SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, \
             Signature=4ad88e374bc4dd0897b12b97e505039be389b632ba829fe77db7349201523d6a",
        ),
    ]);
    let request = Request {
        method: "PUT",
        path: "/bucket/a%20b//c%2Bd/../%C3%BC",
        query: "tagging",
        headers: &headers,
        payload_hash: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };
    assert!(verify(&request, &signature(&headers, request.query), SECRET));
}

#[test]
fn verifies_a_presigned_url_and_knows_its_expiry() {
    let headers = headers(&[("host", "127.0.0.1:4566")]);
    let query = "x-id=GetObject&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2F\
                 us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
                 &X-Amz-Signature=9ce9d2659837a134ac2b173815fbb7d63f861f991bafb5f5c2eef85826214202";
    let signature = signature(&headers, query);
    let payload_hash = "UNSIGNED-PAYLOAD";
    let request = Request { method: "GET", path: "/bucket/a%20b", query, headers: &headers, payload_hash };
    assert!(verify(&request, &signature, SECRET));
    assert_eq!(signature.expiry().map(Timestamp::iso8601).as_deref(), Some("2026-01-02T03:19:05.000Z"));
}

#[test]
fn refuses_what_is_malformed() {
    let empty = Parameters::default();
    assert_eq!(Signature::of(&HeaderMap::new(), &empty), Ok(None));
    for value in ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, x"] {
        let headers = headers(&[("authorization", value)]);
        assert_eq!(Signature::of(&headers, &empty), Err(Malformed::Header), "{value}");
    }
    let other = headers(&[("authorization", "Bearer abc")]);
    assert_eq!(Signature::of(&other, &empty), Ok(None));
    assert_eq!(parse_date("20260102T030405é"), None);
}
