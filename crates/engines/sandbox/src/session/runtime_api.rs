//! The public Runtime API, 2018-06-01, for runtimes that packages bring themselves.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::{Init, Reply};
use crate::error::RESPONSE_BYTES_MAX;
use crate::spec::Invocation;

/// The port inside the environment.
pub(crate) const RUNTIME_API_PORT: u16 = 9001;
/// Connections that a runtime may hold at the same time.
const CONNECTIONS_MAX: usize = 64;
/// The largest error object.
const ERROR_BYTES_MAX: usize = 256 * 1024;
/// At most one event and one answer are under way.
const QUEUE_MAX: usize = 1;

type Answer = Response<Full<Bytes>>;

/// The host's end of the Runtime API of one environment.
pub(crate) struct RuntimeApi {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Invocation>,
    signals: mpsc::Receiver<Signal>,
    accept: JoinHandle<()>,
}

/// What the runtime did, for the session.
enum Signal {
    Ready,
    InitFailed { error_type: String, body: Bytes },
    Reply(Reply),
}

struct Shared {
    state: Mutex<State>,
    jobs: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    signals: mpsc::Sender<Signal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Started,
    InitFailed,
    Ready,
    Running {
        request_id: String,
    },
    /// The answer to this invocation is being received.
    Answering {
        request_id: String,
    },
    Answered,
}

impl RuntimeApi {
    /// Serves the API on `listener` until dropped.
    pub(crate) fn serve(listener: TcpListener) -> RuntimeApi {
        let (job_sender, job_receiver) = mpsc::channel(QUEUE_MAX);
        let (signal_sender, signals) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Started),
            jobs: tokio::sync::Mutex::new(job_receiver),
            signals: signal_sender,
        });
        let accept = tokio::spawn(accept(listener, shared.clone()));
        RuntimeApi { shared, jobs: job_sender, signals, accept }
    }

    pub(super) async fn init(&mut self) -> Init {
        match self.signals.recv().await {
            Some(Signal::Ready) => Init::Done,
            Some(Signal::InitFailed { error_type, body }) => Init::Failed { error_type, body },
            Some(Signal::Reply(_)) => Init::Broken("a response during init".to_owned()),
            None => Init::Closed,
        }
    }

    pub(super) async fn call(&mut self, invocation: &Invocation) -> Reply {
        if self.jobs.send(invocation.clone()).await.is_err() {
            return Reply::Closed;
        }
        match self.signals.recv().await {
            Some(Signal::Reply(reply)) => reply,
            Some(Signal::Ready | Signal::InitFailed { .. }) => Reply::Broken("an init message".to_owned()),
            None => Reply::Closed,
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.accept.abort();
        self.shared.set(State::Answered);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { return };
        let shared = shared.clone();
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            serve(stream, shared).await;
            drop(slot);
        });
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.route(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a runtime's connection ended early");
    }
}

impl Shared {
    async fn route(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix("/2018-06-01/") else { return not_found(request.uri().path()) };
        let segments: Vec<&str> = path.split('/').collect();
        match (request.method(), segments.as_slice()) {
            (&Method::GET, ["ping"]) => answer(StatusCode::OK, "text/plain", "pong"),
            (&Method::GET, ["runtime", "invocation", "next"]) => self.next().await,
            (&Method::POST, ["runtime", "init", "error"]) => self.init_error(request).await,
            (&Method::POST, ["runtime", "invocation", id, "response"]) => self.response(id, request).await,
            (&Method::POST, ["runtime", "invocation", id, "error"]) => self.error(id, request).await,
            _ => not_found(path),
        }
    }

    async fn next(&self) -> Answer {
        let first = {
            let mut state = self.lock();
            match &*state {
                State::Started | State::Answered => {}
                State::Ready => return transition("Ready", "Ready"),
                State::Running { .. } | State::Answering { .. } => return transition("Running", "Ready"),
                State::InitFailed => return transition("InitError", "Ready"),
            }
            std::mem::replace(&mut *state, State::Ready) == State::Started
        };
        if first && self.signals.send(Signal::Ready).await.is_err() {
            return gone();
        }
        let waiting = Waiting { shared: self, taken: false };
        let job = self.jobs.lock().await.recv().await;
        let Some(invocation) = job else { return gone() };
        waiting.take(&invocation.request_id);
        event(invocation)
    }

    async fn init_error(&self, request: Request<Incoming>) -> Answer {
        if *self.lock() != State::Started {
            return refuse(request, transition("Ready", "InitError")).await;
        }
        let error_type = error_type(request.headers(), "Runtime.Unknown");
        let Ok(body) = collect(request, ERROR_BYTES_MAX).await else { return too_large() };
        self.set(State::InitFailed);
        // A runtime that exits at once must not lose its error: the session hears it first.
        let _ = self.signals.send(Signal::InitFailed { error_type, body: body.0 }).await;
        accepted()
    }

    async fn response(&self, id: &str, request: Request<Incoming>) -> Answer {
        if let Some(refusal) = self.refusal(id, "InvocationResponse") {
            return refuse(request, refusal).await;
        }
        if let Some(mode) = request.headers().get("lambda-runtime-function-response-mode")
            && mode != "streaming"
        {
            self.set(State::Running { request_id: id.to_owned() });
            let text = "Invalid function response mode";
            let refusal = problem(StatusCode::BAD_REQUEST, "InvalidFunctionResponseMode", text);
            return refuse(request, refusal).await;
        }
        match collect(request, RESPONSE_BYTES_MAX).await {
            Ok((body, trailers)) => {
                self.finish(trailing_error(&trailers).unwrap_or(Reply::Response(body))).await;
                accepted()
            }
            Err(Unread::TooLarge) => {
                self.finish(Reply::TooLarge).await;
                too_large()
            }
            Err(Unread::Truncated) => {
                self.finish(Reply::Broken("Truncated response".to_owned())).await;
                problem(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated")
            }
        }
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Answer {
        if let Some(refusal) = self.refusal(id, "InvocationErrorResponse") {
            return refuse(request, refusal).await;
        }
        let error_type = error_type(request.headers(), "Function.Unknown");
        match collect(request, RESPONSE_BYTES_MAX).await {
            Ok((body, _)) => {
                self.finish(Reply::Error { error_type, body, fatal: false }).await;
                accepted()
            }
            Err(_) => {
                self.finish(Reply::TooLarge).await;
                too_large()
            }
        }
    }

    /// Begins an answer to the running invocation; the refusal if there is none.
    fn refusal(&self, id: &str, to: &str) -> Option<Answer> {
        let mut state = self.lock();
        match &*state {
            State::Running { request_id } if request_id == id => {
                *state = State::Answering { request_id: id.to_owned() };
                None
            }
            State::Running { .. } => Some(problem(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")),
            State::Answering { .. } => Some(transition("InvocationResponse", to)),
            State::Started => Some(transition("Started", to)),
            State::InitFailed => Some(transition("InitError", to)),
            State::Ready => Some(transition("Ready", to)),
            State::Answered => Some(transition("ResponseSent", to)),
        }
    }

    async fn finish(&self, reply: Reply) {
        self.set(State::Answered);
        // The session may be gone: then nobody waits for the answer.
        let _ = self.signals.send(Signal::Reply(reply)).await;
    }

    fn set(&self, state: State) {
        *self.lock() = state;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A `next` that waits. A client that goes away before it got an event may ask again.
struct Waiting<'a> {
    shared: &'a Shared,
    taken: bool,
}

impl Waiting<'_> {
    fn take(mut self, request_id: &str) {
        self.taken = true;
        self.shared.set(State::Running { request_id: request_id.to_owned() });
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.shared.set(State::Answered);
        }
    }
}

enum Unread {
    TooLarge,
    Truncated,
}

async fn collect(request: Request<Incoming>, bytes_max: usize) -> Result<(Bytes, HeaderMap), Unread> {
    let collected = Limited::new(request.into_body(), bytes_max).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() { Unread::TooLarge } else { Unread::Truncated }
    })?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok((collected.to_bytes(), trailers))
}

/// Reads what the client sends, so that it can go on using its connection after the refusal.
async fn refuse(request: Request<Incoming>, refusal: Answer) -> Answer {
    // A body that is too large costs the client its connection.
    let _ = collect(request, RESPONSE_BYTES_MAX).await;
    refusal
}

/// An error that a streaming response ended with.
fn trailing_error(trailers: &HeaderMap) -> Option<Reply> {
    trailers.get("lambda-runtime-function-error-type")?;
    let error_type = error_type(trailers, "Function.Unknown");
    let body =
        serde_json::json!({ "errorType": error_type, "errorMessage": "The response stream ended with an error" });
    Some(Reply::Error { error_type, body: Bytes::from(body.to_string()), fatal: false })
}

/// The header's value when it has the form `(Runtime|Function).Name`, else `unknown`.
fn error_type(headers: &HeaderMap, unknown: &str) -> String {
    let value = headers.get("lambda-runtime-function-error-type").and_then(|value| value.to_str().ok());
    value.filter(|value| is_error_type(value)).unwrap_or(unknown).to_owned()
}

fn is_error_type(value: &str) -> bool {
    let Some(name) = value.strip_prefix("Runtime.").or_else(|| value.strip_prefix("Function.")) else { return false };
    name.len() > 1
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|letter| letter.is_ascii_alphabetic())
}

fn event(invocation: Invocation) -> Answer {
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

fn accepted() -> Answer {
    answer(StatusCode::ACCEPTED, "application/json", r#"{"status":"OK"}"#)
}

fn transition(from: &str, to: &str) -> Answer {
    let message =
        format!("State transition from {from} to {to} failed for runtime. Error: State transition is not allowed");
    problem(StatusCode::FORBIDDEN, "InvalidStateTransition", &message)
}

fn too_large() -> Answer {
    let message = format!("Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).");
    problem(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

fn gone() -> Answer {
    problem(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "The environment is shutting down")
}

fn not_found(path: &str) -> Answer {
    problem(StatusCode::NOT_FOUND, "NotFound", &format!("`{path}` is not part of the Runtime API that is served here"))
}

fn problem(status: StatusCode, error_type: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    answer(status, "application/json", body.to_string())
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::is_error_type;

    #[test]
    fn knows_the_form_of_error_types() {
        let cases = [("Runtime.NoSuch", true), ("Function.Oops", true), ("Function.oops", false), ("Oops", false)];
        for (value, expected) in cases {
            assert_eq!(is_error_type(value), expected, "{value}");
        }
    }
}
