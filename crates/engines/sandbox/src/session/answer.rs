//! What the Runtime API answers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::response::TooLarge;
use crate::spec::Invocation;

pub(crate) type Answer = Response<Full<Bytes>>;

pub(crate) fn event(invocation: Invocation) -> Answer {
    let mut response = Response::new(Full::new(invocation.payload));
    let headers = response.headers_mut();
    headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let deadline = invocation.deadline_epoch_ms.to_string();
    let named = [
        ("lambda-runtime-aws-request-id", Some(invocation.request_id)),
        ("lambda-runtime-deadline-ms", Some(deadline)),
        ("lambda-runtime-invoked-function-arn", Some(invocation.function_arn)),
        ("lambda-runtime-trace-id", Some(invocation.trace_id)),
        ("lambda-runtime-client-context", invocation.client_context),
        ("lambda-runtime-cognito-identity", invocation.cognito_identity),
    ];
    for (name, value) in named {
        let value = value.filter(|value| !value.is_empty());
        if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

pub(crate) fn accepted() -> Answer {
    answer(StatusCode::ACCEPTED, "application/json", r#"{"status":"OK"}"#)
}

pub(crate) fn transition(from: &str, to: &str) -> Answer {
    let message =
        format!("State transition from {from} to {to} failed for runtime. Error: State transition is not allowed");
    problem(StatusCode::FORBIDDEN, "InvalidStateTransition", &message)
}

pub(crate) fn too_large(TooLarge(bytes_max): TooLarge) -> Answer {
    let message = format!("Exceeded maximum allowed payload size ({bytes_max} bytes).");
    problem(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

pub(crate) fn gone() -> Answer {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "The environment is shutting down")
}

pub(crate) fn not_found(path: &str) -> Answer {
    problem(StatusCode::NOT_FOUND, "NotFound", &format!("`{path}` is not part of the Runtime API that is served here"))
}

pub(crate) fn problem(status: StatusCode, error_type: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    answer(status, "application/json", body.to_string())
}

pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
