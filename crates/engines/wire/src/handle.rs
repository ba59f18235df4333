//! Answers HTTP requests: the one way from a connection to a service.

pub(crate) mod fill;
mod identity;
mod incoming;
mod limits;

use std::time::Instant;

use base::{Entropy, RequestId, Trace};
use bytes::Bytes;
use http::request;

use crate::detect::{Detected, Head, Refusal, detect};
use crate::schema::{Protocol, Service};
use crate::sigv4::Signature;
use crate::{
    Beginning, Body, ByteStream, Call, Ending, Error, Fields, Host, Input, Notice, Parameters, Parts, Reply, Services,
    Writer, read, streams, upload, validate,
};

/// Answers a request. `origin` is that of the listener, for a request that does not name its host.
pub async fn handle<B>(
    services: &Services,
    host: &dyn Host,
    request: http::Request<B>,
    origin: String,
) -> http::Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let (mut parts, body) = request.into_parts();
    if parts.method == http::Method::OPTIONS {
        return options();
    }
    let (body, rest) = incoming::raw(body);
    let response = match prepare(services, &parts, body).await {
        Ok(prepared) => answer(services, host, &mut parts, prepared, origin).await,
        Err(refusal) => refuse(host, &parts, &refusal),
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        rest.discard(&parts.headers).await;
    }
    response
}

/// A request whose operation is known.
struct Prepared {
    detected: Detected,
    query: Parameters,
    signature: Option<Signature>,
    form: Option<Parameters>,
    /// Of a form it is used up.
    body: ByteStream,
}

async fn prepare(services: &Services, parts: &request::Parts, body: ByteStream) -> Result<Prepared, Box<Refusal>> {
    let query = Parameters::parse(parts.uri.query().unwrap_or_default());
    let malformed = query.is_none();
    let query = query.unwrap_or_default();
    let signature = Signature::of(&parts.headers, &query);
    let credential = signature.as_ref().ok().and_then(Option::as_ref).map(|signature| &signature.credential);
    let (form, body) = match form(parts, body).await {
        Ok(taken) => taken,
        Err(error) => return Err(refusal_of(Protocol::Query, None, error)),
    };
    let head = Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: &query,
        headers: &parts.headers,
        host: &host_name(parts),
        form: form.as_ref(),
        credential,
    };
    let detected = detect(services, &head)?;
    let (protocol, service) = (detected.protocol, detected.api.service());
    if malformed {
        let error = Error::new("MalformedQueryString", 400, "The query string is malformed.");
        return Err(refusal_of(protocol, Some(service), error));
    }
    let signature =
        signature.map_err(|error| refusal_of(protocol, Some(service), identity::malformed(error, protocol)))?;
    Ok(Prepared { detected, query, signature, form, body })
}

/// Takes the parameters out of the body of a form.
async fn form(parts: &request::Parts, body: ByteStream) -> Result<(Option<Parameters>, ByteStream), Error> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let kind = parts.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = kind.is_some_and(|kind| kind.starts_with(FORM)) && !parts.headers.contains_key("x-amz-target");
    // An object may have that type too.
    if !is_form || parts.method != http::Method::POST {
        return Ok((None, body));
    }
    let bytes = incoming::form(body, &parts.headers).await?;
    let malformed = || Error::new("MalformedQueryString", 404, "The form is malformed.");
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    let form = Parameters::parse(text).ok_or_else(malformed)?;
    Ok((Some(form), ByteStream::from(bytes)))
}

async fn answer(
    services: &Services,
    host: &dyn Host,
    parts: &mut request::Parts,
    prepared: Prepared,
    origin: String,
) -> http::Response<Body> {
    let service = prepared.detected.api.service();
    let operation = prepared.detected.operation;
    let protocol = prepared.detected.protocol;
    let request_id = request_id(protocol, host.entropy());
    let host_id = host_id(protocol, host.entropy());
    let mut ignored = Vec::new();
    let result = run(host, parts, prepared, origin, &request_id, &mut ignored).await;
    services.warn_of_ignored(service, operation.name, &ignored);
    let writer = Writer {
        protocol,
        service: Some(service),
        request_id: request_id.as_str(),
        host_id: &host_id,
        head: parts.method == http::Method::HEAD,
        now: host.now(),
        ignored: &ignored,
    };
    match result {
        Ok(reply) => writer.success(operation, reply),
        Err(error) => writer.failure(&error),
    }
}

async fn run(
    host: &dyn Host,
    parts: &mut request::Parts,
    prepared: Prepared,
    origin: String,
    request_id: &RequestId,
    ignored: &mut Vec<String>,
) -> Result<Reply<Fields>, Error> {
    let Prepared { detected, query, signature, form, body } = prepared;
    let Detected { api, operation, protocol, labels } = detected;
    let service = api.service();
    if let Some(signature) = &signature {
        identity::check_expiry(signature, host.now())?;
    } else if service.id == "s3" {
        identity::check_legacy_expiry(&query, host.now())?;
    }
    let (bytes, stream) = if streams(operation.input) {
        let stream = if service.id == "s3" { upload::verified(body, &parts.headers)? } else { body };
        (Bytes::new(), Some(stream))
    } else if protocol == Protocol::Query {
        (Bytes::new(), None)
    } else {
        (incoming::whole(service.id, operation, body, &parts.headers).await?, None)
    };
    if service.id == "s3" {
        upload::undo_chunking(&mut parts.headers);
    }
    let carriers = Parts { labels: &labels, query: &query, headers: &parts.headers, form: form.as_ref(), body: &bytes };
    let mut notice = Notice::default();
    let input = read(operation, protocol, &carriers, &mut notice);
    ignored.extend(notice.into_ignored());
    let mut input = input.map_err(|unreadable| unreadable.into_error(protocol, service))?;
    fill::tokens(operation, &mut input, request_id);
    let origin = origin_of(parts, origin);
    if service.id == "sqs" && protocol == Protocol::Query {
        fill::queue_url(operation, &mut input, &origin, parts.uri.path());
    }
    validate(service, protocol, operation.input, &input)?;

    let (scope, caller) = identity::caller(host, signature.as_ref(), &query);
    let trace = parts.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok()).and_then(Trace::parse);
    let at = host.now();
    let trace = trace.unwrap_or_else(|| Trace::begin(host.entropy(), at));
    let beginning = Beginning {
        request_id,
        service: service.id,
        operation: operation.name,
        scope: &scope,
        caller: &caller,
        trace: &trace,
        at,
    };
    let under = {
        let input = Input { schema: operation.input, fields: &input };
        host.authorize(&beginning, input)?;
        host.begin(&beginning, input)
    };
    let call = Call {
        request_id: request_id.clone(),
        scope: scope.clone(),
        caller: caller.clone(),
        trace: under.clone(),
        origin,
        body: stream,
    };
    let running = Running { host, beginning: &beginning, trace: &under, began: instant(), ended: false };
    let result = api.call(operation.name, call, input).await;
    let status = match &result {
        Ok(reply) => reply.status.unwrap_or(operation.status),
        Err(error) => error.status,
    };
    running.end(status, result.as_ref().err());
    result
}

/// A call under way. If its client goes away, the call is dropped, and the host is told so.
struct Running<'a> {
    host: &'a dyn Host,
    beginning: &'a Beginning<'a>,
    trace: &'a Trace,
    began: Instant,
    ended: bool,
}

impl Running<'_> {
    fn end(mut self, status: u16, error: Option<&Error>) {
        self.ended = true;
        self.tell(status, error);
    }

    fn tell(&self, status: u16, error: Option<&Error>) {
        let duration = instant().saturating_duration_since(self.began);
        self.host.end(self.beginning, &Ending { status, error, duration, trace: self.trace });
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let message = "The client closed the connection before the reply.";
            self.tell(499, Some(&Error::new("ClientClosedRequest", 499, message)));
        }
    }
}

fn refuse(host: &dyn Host, parts: &request::Parts, refusal: &Refusal) -> http::Response<Body> {
    let request_id = request_id(refusal.protocol, host.entropy());
    let writer = Writer {
        protocol: refusal.protocol,
        service: refusal.service,
        request_id: request_id.as_str(),
        host_id: &host_id(refusal.protocol, host.entropy()),
        head: parts.method == http::Method::HEAD,
        now: host.now(),
        ignored: &[],
    };
    tracing::warn!(operation = refusal.operation, error = %refusal.error, "a request was refused");
    writer.failure(&refusal.error)
}

fn refusal_of(protocol: Protocol, service: Option<&'static Service>, error: Error) -> Box<Refusal> {
    Box::new(Refusal { protocol, service, operation: String::new(), error })
}

/// No bucket has a cross-origin configuration, so a preflight is told nothing but the methods.
fn options() -> http::Response<Body> {
    let mut response = http::Response::new(crate::body::full(""));
    let allow = http::HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE, OPTIONS");
    response.headers_mut().insert(http::header::ALLOW, allow);
    response
}

/// S3's ids are sixteen letters and digits; all others are UUIDs.
fn request_id(protocol: Protocol, entropy: &Entropy) -> RequestId {
    match protocol {
        Protocol::RestXml => RequestId::from(entropy.text(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", 16).as_str()),
        _ => RequestId::new(entropy),
    }
}

fn host_id(protocol: Protocol, entropy: &Entropy) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if protocol == Protocol::RestXml { entropy.text(LETTERS, 75) + "=" } else { String::new() }
}

fn host_header(parts: &request::Parts) -> Option<&str> {
    let header = parts.headers.get(http::header::HOST).and_then(|value| value.to_str().ok());
    header.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str))
}

/// Without the port, in lower case.
fn host_name(parts: &request::Parts) -> String {
    let host = host_header(parts).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.to_ascii_lowercase()
}

fn origin_of(parts: &request::Parts, origin: String) -> String {
    let scheme = origin.split_once("://").map_or("http", |(scheme, _)| scheme);
    host_header(parts).map(|host| format!("{scheme}://{host}")).unwrap_or(origin)
}

#[expect(clippy::disallowed_methods, reason = "measures how long a call took in real time")]
fn instant() -> Instant {
    Instant::now()
}
