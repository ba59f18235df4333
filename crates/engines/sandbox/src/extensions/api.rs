//! The calls of the Extensions API.

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::Extensions;
use super::registry::Refusal;
use crate::session::answer::{Answer, accepted, answer, not_found, problem};
use crate::session::body::{collect, refuse};
use crate::telemetry;

const PREFIX: &str = "/2020-01-01/extension/";
const NAME: &str = "lambda-extension-name";
const IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-identifier");
const EVENT_IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-event-identifier");
const ACCEPT_FEATURE: &str = "lambda-extension-accept-feature";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";
/// The largest registration or error object.
const BODY_BYTES_MAX: usize = 256 * 1024;

#[derive(Deserialize)]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
}

/// Whether a path belongs to this API, or to those that extensions have besides.
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with(PREFIX) || telemetry::is_path(path)
}

pub(super) async fn route(extensions: &Extensions, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let result = match (request.method(), path.strip_prefix(PREFIX)) {
        (&Method::POST, Some("register")) => register(extensions, request).await,
        (&Method::GET, Some("event/next")) => next(extensions, request.headers()).await,
        (&Method::POST, Some("init/error")) => report(extensions, request, true).await,
        (&Method::POST, Some("exit/error")) => report(extensions, request, false).await,
        _ => return refuse(request, not_found()).await,
    };
    result.unwrap_or_else(refused)
}

async fn register(extensions: &Extensions, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let name = header(NAME);
    let features = header(ACCEPT_FEATURE).unwrap_or_default();
    let body = collect(request, BODY_BYTES_MAX).await;
    let malformed = || Refusal::new("Extension.InvalidRequestFormat", "The body is no registration in JSON");
    let name = name.ok_or_else(|| missing("Lambda-Extension-Name"))?;
    let (body, _) = body.map_err(|_| malformed())?;
    let registration: Registration = serde_json::from_slice(&body).map_err(|_| malformed())?;
    let id = identifier()?;
    extensions.registry().register(&name, id.clone(), &registration.events)?;
    extensions.changed();
    let about = &extensions.about;
    let mut body = json!({
        "functionName": about.function_name,
        "functionVersion": about.function_version,
        "handler": about.handler,
    });
    if let Some(account_id) = &about.account_id
        && features.split(',').any(|feature| feature.trim() == "accountId")
    {
        body["accountId"] = account_id.as_str().into();
    }
    let mut answer = answer(StatusCode::OK, "application/json", body.to_string());
    answer.headers_mut().insert(IDENTIFIER, HeaderValue::from_str(&id).expect("a UUID is plain text"));
    Ok(answer)
}

async fn next(extensions: &Extensions, headers: &HeaderMap) -> Result<Answer, Refusal> {
    let id = caller(headers)?;
    let mut changes = extensions.changes.subscribe();
    extensions.registry().ask(id)?;
    extensions.changed();
    loop {
        if let Some(event) = extensions.registry().take(id) {
            let mut answer = answer(StatusCode::OK, "application/json", event.body.to_string());
            let id = HeaderValue::from_str(&identifier()?).expect("a UUID is plain text");
            answer.headers_mut().insert(EVENT_IDENTIFIER, id);
            return Ok(answer);
        }
        if changes.changed().await.is_err() {
            return Err(Refusal::new("Extension.InvalidExtensionState", "The environment is shutting down"));
        }
    }
}

async fn report(extensions: &Extensions, request: Request<Incoming>, during_init: bool) -> Result<Answer, Refusal> {
    let id = caller(request.headers()).map(str::to_owned);
    let error_type = request.headers().get(ERROR_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // The object is for the extension's own use: what counts is the header.
    let _ = collect(request, BODY_BYTES_MAX).await;
    let id = id?;
    let error_type = error_type.ok_or_else(|| missing("Lambda-Extension-Function-Error-Type"))?;
    extensions.registry().report(&id, error_type, during_init)?;
    extensions.changed();
    Ok(accepted())
}

/// The identifier that a caller gives.
pub(crate) fn caller(headers: &HeaderMap) -> Result<&str, Refusal> {
    let Some(value) = headers.get(IDENTIFIER) else {
        return Err(Refusal::new("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"));
    };
    let id = value.to_str().ok().filter(|id| is_uuid(id));
    id.ok_or_else(|| Refusal::new("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"))
}

fn missing(header: &str) -> Refusal {
    let error_type =
        if header == "Lambda-Extension-Name" { "Extension.InvalidExtensionName" } else { "Extension.MissingHeader" };
    Refusal::new(error_type, format!("Missing {header} header"))
}

pub(crate) fn refused(refusal: Refusal) -> Answer {
    let status = match refusal.error_type {
        "Extension.InvalidRequestFormat" => StatusCode::BAD_REQUEST,
        "Extension.ServiceError" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::FORBIDDEN,
    };
    problem(status, refusal.error_type, &refusal.message)
}

/// A random UUID, version 4.
fn identifier() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Refusal::new("Extension.ServiceError", format!("no randomness: {error}")))?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_identifiers_that_it_knows_again() {
        let id = identifier().expect("randomness");
        assert!(is_uuid(&id), "{id}");
        assert!(!is_uuid("12") && !is_uuid(&id.replace('-', "_")));
    }
}
