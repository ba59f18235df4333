//! Tells from the head of an HTTP request which service and operation it is for: one port serves them all.

mod bucket;
pub(crate) mod route;

use std::sync::Arc;

use http::HeaderMap;

use crate::schema::{self, Protocol};
use crate::services::Entry;
use crate::sigv4::Credential;
use crate::{Api, Error, Parameters, Services};
pub use route::Labels;
use route::{Asked, Router};

/// What of a request tells its operation.
#[derive(Debug)]
pub struct Head<'a> {
    pub method: &'a str,
    /// Raw: percent-encoded, not normalised.
    pub path: &'a str,
    pub query: &'a Parameters,
    pub headers: &'a HeaderMap,
    /// The host without its port, in lower case.
    pub host: &'a str,
    /// The parameters of a form in the body.
    pub form: Option<&'a Parameters>,
    /// From the signature, if there is one.
    pub credential: Option<&'a Credential>,
}

/// The operation that a request is for.
pub struct Detected {
    pub api: Arc<Api>,
    pub operation: &'static schema::Operation,
    pub protocol: Protocol,
    pub labels: Labels,
}

/// A request that is for no operation of Kobel's, with the protocol in which to say so.
#[derive(Debug)]
pub struct Refusal {
    pub protocol: Protocol,
    pub service: Option<&'static schema::Service>,
    /// What was asked for, as far as the request says.
    pub operation: String,
    pub error: Error,
}

/// Finds the operation. The order of the signals is that in which they are certain.
pub fn detect(services: &Services, head: &Head<'_>) -> Result<Detected, Box<Refusal>> {
    if head.header("smithy-protocol") == Some("rpc-v2-cbor") {
        return by_cbor_path(services, head);
    }
    if let Some(target) = head.header("x-amz-target") {
        return by_target(services, head, target);
    }
    if let Some(action) = head.parameter("Action") {
        let speaks_query = head.credential.is_none_or(|credential| speaks_query(services, &credential.service));
        if speaks_query {
            return by_action(services, head, action);
        }
    }
    match head.credential {
        Some(credential) => by_signature(services, head, credential),
        None => unsigned(services, head),
    }
}

impl Head<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Of the form, or else of the query string.
    fn parameter(&self, name: &str) -> Option<&str> {
        self.form.and_then(|form| form.get(name)).or_else(|| self.query.get(name))
    }

    fn content_type(&self) -> &str {
        let whole = self.header("content-type").unwrap_or_default();
        whole.split(';').next().unwrap_or_default().trim()
    }
}

fn by_cbor_path(services: &Services, head: &Head<'_>) -> Result<Detected, Box<Refusal>> {
    let protocol = Protocol::RpcV2Cbor;
    let mut parts = head.path.rsplit('/');
    let found = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(name), Some("operation"), Some(shape), Some("service")) => Some((shape, name)),
        _ => None,
    };
    let Some((shape, name)) = found.filter(|_| !head.headers.contains_key("x-amz-target")) else {
        return Err(refuse(protocol, None, head.path, unknown_operation(protocol, head.path)));
    };
    match services.by_shape(shape) {
        Some(entry) => by_name(entry, protocol, name),
        None => Err(lacks_service(protocol, signing_name(head).unwrap_or(shape), name)),
    }
}

fn by_target(services: &Services, head: &Head<'_>, target: &str) -> Result<Detected, Box<Refusal>> {
    let asked = match head.content_type() {
        "application/x-amz-json-1.1" => Protocol::Json11,
        _ => Protocol::Json10,
    };
    let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
    let Some(entry) = services.by_target(prefix) else {
        return Err(match signing_name(head) {
            Some(signed) if services.signed_as(signed).next().is_none() => lacks_service(asked, signed, name),
            None if !prefix.is_empty() => lacks_service(asked, prefix, name),
            _ => refuse(asked, None, target, unknown_operation(asked, target)),
        });
    };
    let protocols = entry.api.service().protocols;
    let own = protocols.iter().copied().find(|p| matches!(p, Protocol::Json10 | Protocol::Json11));
    // The reply has the content type of the request, where the service speaks it.
    by_name(entry, if protocols.contains(&asked) { asked } else { own.unwrap_or(asked) }, name)
}

fn speaks_query(services: &Services, signing_name: &str) -> bool {
    let mut known = services.signed_as(signing_name).peekable();
    known.peek().is_none() || known.any(|entry| entry.api.service().protocols.contains(&Protocol::Query))
}

fn by_action(services: &Services, head: &Head<'_>, action: &str) -> Result<Detected, Box<Refusal>> {
    let protocol = Protocol::Query;
    let query = |entry: &&Entry| entry.api.service().protocols.contains(&protocol);
    if let Some(signed) = signing_name(head) {
        return match services.signed_as(signed).find(query) {
            Some(entry) => by_name(entry, protocol, action),
            None => Err(lacks_service(protocol, signed, action)),
        };
    }
    let version = head.parameter("Version");
    let mut candidates = services.entries().filter(query).filter(|entry| {
        let service = entry.api.service();
        version.is_none_or(|version| version == service.api_version)
    });
    let has = |entry: &&Entry| {
        let service = entry.api.service();
        service.operation(action).is_some() || service.lacks(action)
    };
    match candidates.find(has) {
        Some(entry) => by_name(entry, protocol, action),
        None => Err(refuse(protocol, None, action, unknown_operation(protocol, action))),
    }
}

fn by_name(entry: &Entry, protocol: Protocol, name: &str) -> Result<Detected, Box<Refusal>> {
    let service = entry.api.service();
    match service.operation(name) {
        Some(operation) => Ok(Detected { api: entry.api.clone(), operation, protocol, labels: Vec::new() }),
        None if service.lacks(name) => {
            Err(refuse(protocol, Some(service), name, Error::not_implemented(service.id, name)))
        }
        None => Err(refuse(protocol, Some(service), name, unknown_operation(protocol, name))),
    }
}

fn by_signature(services: &Services, head: &Head<'_>, credential: &Credential) -> Result<Detected, Box<Refusal>> {
    let signed = credential.service.as_str();
    let entries: Vec<&Entry> = services.signed_as(signed).collect();
    if let Some(entry) = entries.iter().find(|entry| entry.api.service().id == "s3") {
        return by_bucket(services, entry, head);
    }
    for entry in &entries {
        if let Some(router) = &entry.router
            && let Some(found) = router.find(head.method, head.path, head.query, head.headers)
        {
            return routed(entry, Protocol::RestJson, found);
        }
    }
    let protocol = looks_like(head);
    let Some(entry) = entries.first() else {
        return Err(lacks_service(protocol, signed, &format!("{} {}", head.method, head.path)));
    };
    let service = entry.api.service();
    let protocol = service.protocols.first().copied().unwrap_or(protocol);
    let error = match protocol {
        Protocol::Query => {
            Error::new("MissingAction", 400, "The request is missing an action or a required parameter.")
        }
        _ => unknown_operation(protocol, head.path),
    };
    Err(refuse(protocol, Some(service), head.path, error))
}

fn unsigned(services: &Services, head: &Head<'_>) -> Result<Detected, Box<Refusal>> {
    for entry in services.entries().filter(|entry| entry.api.service().id != "s3") {
        let Some(router) = &entry.router else { continue };
        if let Some(found) = router.find(head.method, head.path, head.query, head.headers) {
            return routed(entry, Protocol::RestJson, found);
        }
    }
    match services.entry("s3") {
        Some(entry) => by_bucket(services, entry, head),
        None => {
            let protocol = looks_like(head);
            Err(refuse(protocol, None, head.path, unknown_operation(protocol, head.path)))
        }
    }
}

fn by_bucket(services: &Services, entry: &Entry, head: &Head<'_>) -> Result<Detected, Box<Refusal>> {
    let router = entry.router.as_ref().expect("S3 is a REST service");
    let found = match bucket::of_host(services.hosts(), head.host) {
        Some(bucket) => find_in(router, head, &format!("/{bucket}{}", head.path)),
        None => find_in(router, head, head.path),
    };
    match found {
        Some(found) => routed(entry, Protocol::RestXml, found),
        None => {
            let service = entry.api.service();
            let error = if head.method == "POST" && head.content_type() == "multipart/form-data" {
                Error::not_implemented("s3", "PostObject")
            } else {
                let message = "The specified method is not allowed against this resource.";
                Error::new("MethodNotAllowed", 405, message).with("Method", head.method)
            };
            Err(refuse(Protocol::RestXml, Some(service), head.method, error))
        }
    }
}

fn find_in(router: &Router, head: &Head<'_>, path: &str) -> Option<(Asked, Labels)> {
    router.find(head.method, path, head.query, head.headers)
}

fn routed(entry: &Entry, protocol: Protocol, (asked, labels): (Asked, Labels)) -> Result<Detected, Box<Refusal>> {
    let service = entry.api.service();
    match asked {
        Asked::Operation(operation) => Ok(Detected { api: entry.api.clone(), operation, protocol, labels }),
        Asked::Missing(missing) => {
            let error = Error::not_implemented(service.id, missing.name);
            Err(refuse(protocol, Some(service), missing.name, error))
        }
    }
}

fn signing_name<'a>(head: &'a Head<'_>) -> Option<&'a str> {
    head.credential.map(|credential| credential.service.as_str())
}

/// The protocol in which to answer a request that nothing knows.
fn looks_like(head: &Head<'_>) -> Protocol {
    match head.content_type() {
        "application/x-www-form-urlencoded" => Protocol::Query,
        "application/x-amz-json-1.0" => Protocol::Json10,
        "application/x-amz-json-1.1" => Protocol::Json11,
        "application/cbor" => Protocol::RpcV2Cbor,
        "application/xml" | "text/xml" => Protocol::RestXml,
        _ => Protocol::RestJson,
    }
}

fn lacks_service(protocol: Protocol, service: &str, operation: &str) -> Box<Refusal> {
    let message = format!("Kobel does not implement the service {service} (asked for {operation}).");
    refuse(protocol, None, operation, Error::new("NotImplemented", 501, message))
}

fn refuse(
    protocol: Protocol,
    service: Option<&'static schema::Service>,
    operation: &str,
    error: Error,
) -> Box<Refusal> {
    Box::new(Refusal { protocol, service, operation: operation.to_owned(), error })
}

/// The family's error for an operation that no model has.
fn unknown_operation(protocol: Protocol, name: &str) -> Error {
    match protocol {
        Protocol::Query => {
            let message = format!("Could not find operation {name} for the version of the request.");
            Error::new("InvalidAction", 400, message)
        }
        Protocol::RestXml => {
            Error::new("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
        }
        Protocol::RestJson => Error::new("UnknownOperationException", 404, format!("Unknown operation: {name}")),
        _ => Error::new("UnknownOperationException", 400, format!("Unknown operation: {name}")),
    }
}
