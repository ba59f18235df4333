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
        if let Some(value) = value.and_then(|value| header_value(&value)) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// `text` on one line: JSON that a client wrote may have several.
fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.replace(['\r', '\n'], " ").as_bytes()).ok()
}

pub(crate) fn accepted() -> Answer {
    answer(StatusCode::ACCEPTED, "application/json", "{\"status\":\"OK\"}\n")
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

/// What AWS's server answers to any path that it does not know.
pub(crate) fn not_found() -> Answer {
    answer(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n")
}

/// A path that is known, but not with this method.
pub(crate) fn method_not_allowed() -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

/// Another invocation is running, or none.
pub(super) fn invalid_request_id() -> Answer {
    problem(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

pub(crate) fn problem(status: StatusCode, error_type: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    answer(status, "application/json", format!("{body}\n"))
}

pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
