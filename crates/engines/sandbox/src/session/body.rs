//! What runtimes send: bodies of bounded size, and errors in headers and trailers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request};
use serde::{Deserialize, Serialize};

use crate::error::RESPONSE_BYTES_MAX;
use crate::session::Reply;
use crate::session::answer::Answer;

const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
/// The error object of a streamed response, in base64.
const ERROR_BODY: &str = "lambda-runtime-function-error-body";
/// The content type of an error object that also tells X-Ray of its cause.
pub(super) const ERROR_WITH_CAUSE: &str = "application/vnd.aws.lambda.error.cause+json";

pub(crate) enum Unread {
    TooLarge,
    Truncated,
}

pub(crate) async fn collect(request: Request<Incoming>, bytes_max: usize) -> Result<(Bytes, HeaderMap), Unread> {
    let collected = Limited::new(request.into_body(), bytes_max).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() { Unread::TooLarge } else { Unread::Truncated }
    })?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok((collected.to_bytes(), trailers))
}

/// Reads what the client sends, so that it can go on using its connection after the refusal.
pub(crate) async fn refuse(request: Request<Incoming>, refusal: Answer) -> Answer {
    // A body that is too large costs the client its connection.
    let _ = collect(request, RESPONSE_BYTES_MAX).await;
    refusal
}

/// What the caller gets of an error with its cause, which is X-Ray's alone.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct CallersError {
    error_message: String,
    error_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stack_trace: Vec<String>,
}

/// An [`ERROR_WITH_CAUSE`] without the cause.
pub(super) fn without_cause(body: &[u8]) -> Bytes {
    let error = serde_json::from_slice::<CallersError>(body);
    let shown = error.ok().and_then(|error| serde_json::to_vec(&error).ok());
    shown.map_or(Bytes::from_static(b"\"Invalid error body\""), Bytes::from)
}

/// The error that a streamed response ended with.
pub(crate) fn trailing_error(trailers: &HeaderMap) -> Option<Reply> {
    trailers.get(ERROR_TYPE)?;
    let error_type = error_type(trailers, "Function.Unknown");
    let given = trailers.get(ERROR_BODY).and_then(|body| STANDARD.decode(body.as_bytes()).ok());
    let body = given.map(Bytes::from).unwrap_or_else(|| {
        let message = "The response stream ended with an error";
        Bytes::from(serde_json::json!({ "errorType": error_type, "errorMessage": message }).to_string())
    });
    Some(Reply::Error { error_type, body, fatal: false })
}

/// The header's value when it has the form `(Runtime|Function).Name`, else `unknown`.
pub(crate) fn error_type(headers: &HeaderMap, unknown: &str) -> String {
    let value = headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok());
    value.filter(|value| is_error_type(value)).unwrap_or(unknown).to_owned()
}

fn is_error_type(value: &str) -> bool {
    let Some(name) = value.strip_prefix("Runtime.").or_else(|| value.strip_prefix("Function.")) else { return false };
    name.len() > 1
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|letter| letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_form_of_error_types() {
        let cases = [("Runtime.NoSuch", true), ("Function.Oops", true), ("Function.oops", false), ("Oops", false)];
        for (value, expected) in cases {
            assert_eq!(is_error_type(value), expected, "{value}");
        }
    }

    #[test]
    fn the_caller_does_not_see_the_cause_of_an_error() {
        let body = br#"{"errorMessage":"m","errorType":"t","stackTrace":["a"],"errorCause":{"paths":[]}}"#;
        assert_eq!(without_cause(body), r#"{"errorMessage":"m","errorType":"t","stackTrace":["a"]}"#);
        assert_eq!(without_cause(b"{}"), r#"{"errorMessage":"","errorType":""}"#);
        assert_eq!(without_cause(b"no json"), r#""Invalid error body""#);
    }
}
