//! The calls by which extensions subscribe.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};

use super::subscription::{Api, Subscription};
use crate::extensions::{Extensions, Refusal, caller, refused};
use crate::session::answer::{Answer, answer, not_found, problem};
use crate::session::body::{collect, refuse};
use crate::spec::Subscribed;

const TELEMETRY: &str = "/2022-07-01/telemetry";
const LOGS: &str = "/2020-08-15/logs";
/// The largest body.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Whether a path belongs to one of the two APIs.
pub(crate) fn is_path(path: &str) -> bool {
    api_of(path).is_some()
}

fn api_of(path: &str) -> Option<Api> {
    match path.strip_suffix('/').unwrap_or(path) {
        TELEMETRY => Some(Api::Telemetry),
        LOGS => Some(Api::Logs),
        _ => None,
    }
}

/// Answers a request to one of them.
pub(crate) async fn route(extensions: &Arc<Extensions>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    match (request.method(), api_of(&path)) {
        (&Method::PUT, Some(api)) => subscribe(extensions, api, request).await.unwrap_or_else(refused),
        _ => refuse(request, not_found()).await,
    }
}

async fn subscribe(extensions: &Arc<Extensions>, api: Api, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let id = caller(request.headers()).map(str::to_owned);
    let body = collect(request, BODY_BYTES_MAX).await;
    let extension = extensions.name_of(&id?)?;
    let invalid = |message: &str| {
        let error_type = if api == Api::Telemetry { "ValidationError" } else { "Logs.ValidationError" };
        problem(StatusCode::BAD_REQUEST, error_type, message)
    };
    let Ok((body, _)) = body else { return Ok(invalid("The body is too large, or ended early")) };
    let subscription = match Subscription::parse(api, &body) {
        Ok(subscription) => subscription,
        Err(message) => return Ok(invalid(&message)),
    };
    if !extensions.can_be_told() {
        let message = "Only external extensions, those of /opt/extensions, can subscribe, and not in a virtual machine";
        return Err(Refusal::new("Telemetry.NotSupported", message));
    }
    let types = subscription.types.clone();
    if !extensions.telemetry.subscribe(&extension, subscription, Arc::downgrade(extensions)) {
        let message = "Extensions can subscribe during the init phase only";
        return Err(Refusal::new("Telemetry.SubscriptionClosed", message));
    }
    extensions.tell_subscription(Subscribed { name: extension, types, logs_api: api == Api::Logs });
    Ok(answer(StatusCode::OK, "text/plain", "\"OK\""))
}
