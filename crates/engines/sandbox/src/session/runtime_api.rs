//! The public Runtime API, 2018-06-01, for runtimes that packages bring themselves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Request, StatusCode};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::answer::{
    Answer, accepted, answer, event, gone, invalid_request_id, method_not_allowed, not_found, problem, too_large,
    transition,
};
use super::body::{ERROR_WITH_CAUSE, Unread, collect, error_type, refuse, trailing_error, without_cause};
use super::listen::{Route, accept};
use super::{Init, Reply};
use crate::driver::Listener;
use crate::error::RESPONSE_BYTES_MAX;
use crate::extensions::{self, Extensions};
use crate::metadata;
use crate::response::{Sink, TooLarge, cut};
use crate::spec::Invocation;

/// The port inside the environment.
pub(crate) const RUNTIME_API_PORT: u16 = 9001;
/// The largest error object.
const ERROR_BYTES_MAX: usize = 256 * 1024;
/// At most one event, and one answer or chunk of it, are under way: a runtime that streams is held back by its socket.
const QUEUE_MAX: usize = 1;
const INVALID_MODE: &str = "Invalid function response mode";

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
    InitFailed {
        error_type: String,
        body: Bytes,
    },
    /// A streamed response begins.
    Stream {
        content_type: String,
    },
    Chunk(Bytes),
    Reply(Reply),
}

struct Shared {
    state: Mutex<State>,
    jobs: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    signals: mpsc::Sender<Signal>,
    /// The most bytes that the running invocation may stream.
    stream_bytes_max: AtomicU64,
    /// Serves what is not the runtime's.
    extensions: Arc<Extensions>,
}

/// AWS's states of a runtime, with the invocation that each is about.
#[derive(Clone, Debug)]
enum State {
    Started,
    InitFailed,
    /// It waits for an event.
    Waiting,
    /// It has this event.
    Running(Box<Invocation>),
    /// The answer to this invocation is being received.
    Answering {
        request_id: String,
        /// The name of the state in AWS's messages.
        name: &'static str,
    },
    /// It has answered this invocation, if there was one.
    Answered {
        request_id: String,
    },
}

impl State {
    /// How AWS's messages call it: a runtime that has an event is still `Ready`.
    fn name(&self) -> &'static str {
        match self {
            State::Started => "Started",
            State::InitFailed => "InitError",
            State::Waiting | State::Running(_) => "Ready",
            State::Answering { name, .. } => name,
            State::Answered { .. } => "ResponseSent",
        }
    }

    /// The current invocation, up to the next call of `next`.
    fn request_id(&self) -> Option<&str> {
        match self {
            State::Started | State::InitFailed | State::Waiting => None,
            State::Running(invocation) => Some(&invocation.request_id),
            State::Answering { request_id, .. } | State::Answered { request_id } => Some(request_id),
        }
    }
}

impl RuntimeApi {
    /// Serves the API on `listener` until dropped.
    pub(crate) fn serve(listener: Listener, extensions: Arc<Extensions>) -> RuntimeApi {
        let (job_sender, job_receiver) = mpsc::channel(QUEUE_MAX);
        let (signal_sender, signals) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Started),
            jobs: tokio::sync::Mutex::new(job_receiver),
            signals: signal_sender,
            stream_bytes_max: AtomicU64::new(0),
            extensions,
        });
        let accept = tokio::spawn(accept(listener, shared.clone()));
        RuntimeApi { shared, jobs: job_sender, signals, accept }
    }

    pub(super) async fn init(&mut self) -> Init {
        match self.signals.recv().await {
            Some(Signal::Ready) => Init::Done,
            Some(Signal::InitFailed { error_type, body }) => Init::Failed { error_type, body },
            Some(Signal::Stream { .. } | Signal::Chunk(_) | Signal::Reply(_)) => {
                Init::Broken("a response during init".to_owned())
            }
            None => Init::Closed,
        }
    }

    pub(super) async fn call(&mut self, invocation: &Invocation, sink: &mut Sink) -> Reply {
        self.shared.stream_bytes_max.store(sink.bytes_max(), Ordering::Relaxed);
        if self.jobs.send(invocation.clone()).await.is_err() {
            return Reply::Closed;
        }
        let mut streams = false;
        loop {
            match self.signals.recv().await {
                Some(Signal::Stream { content_type }) => {
                    streams = true;
                    sink.begin(&content_type).await;
                }
                Some(Signal::Chunk(bytes)) => {
                    if let Err(limit) = sink.chunk(bytes).await {
                        return Reply::TooLarge(limit);
                    }
                }
                Some(Signal::Reply(Reply::Response(_))) if streams => return Reply::Response(sink.end()),
                Some(Signal::Reply(Reply::Response(body))) => {
                    return sink.response(body).await.map_or_else(Reply::TooLarge, Reply::Response);
                }
                Some(Signal::Reply(reply)) => return reply,
                Some(Signal::Ready | Signal::InitFailed { .. }) => return Reply::Broken("an init message".to_owned()),
                None => return Reply::Closed,
            }
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.accept.abort();
        self.shared.set_answered();
    }
}

impl Route for Shared {
    async fn route(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        if extensions::is_path(&path) || metadata::is_path(&path) {
            return self.extensions.route(request).await;
        }
        let Some(path) = path.strip_prefix("/2018-06-01/") else { return refuse(request, not_found()).await };
        let segments: Vec<&str> = path.split('/').collect();
        match (request.method(), segments.as_slice()) {
            (&Method::GET, ["ping"]) => answer(StatusCode::OK, "text/plain", "pong"),
            (&Method::GET, ["runtime", "invocation", "next"]) => self.next().await,
            (&Method::POST, ["runtime", "init", "error"]) => self.init_error(request).await,
            (&Method::POST, ["runtime", "invocation", id, "response"]) => self.response(id, request).await,
            (&Method::POST, ["runtime", "invocation", id, "error"]) => self.error(id, request).await,
            (_, ["ping"] | ["runtime", "invocation", "next"] | ["runtime", "init", "error"])
            | (_, ["runtime", "invocation", _, "response" | "error"]) => refuse(request, method_not_allowed()).await,
            _ => refuse(request, not_found()).await,
        }
    }
}

impl Shared {
    async fn next(&self) -> Answer {
        let first = {
            let mut state = self.lock();
            match &*state {
                State::Started | State::Answered { .. } => {}
                // Who asks again, because its connection broke, gets the same event.
                State::Running(invocation) => return event((**invocation).clone()),
                refusing => return transition(refusing.name(), "Ready"),
            }
            matches!(std::mem::replace(&mut *state, State::Waiting), State::Started)
        };
        if first && self.signals.send(Signal::Ready).await.is_err() {
            return gone();
        }
        let waiting = Waiting { shared: self, taken: false };
        let job = self.jobs.lock().await.recv().await;
        let Some(invocation) = job else { return gone() };
        waiting.take(&invocation);
        event(invocation)
    }

    async fn init_error(&self, request: Request<Incoming>) -> Answer {
        let refusing = Some(self.lock().clone()).filter(|state| !matches!(state, State::Started));
        if let Some(state) = refusing {
            return refuse(request, transition(state.name(), "InitError")).await;
        }
        let error_type = error_type(request.headers(), "Runtime.Unknown");
        let Ok(body) = collect(request, ERROR_BYTES_MAX).await else {
            return too_large(TooLarge(ERROR_BYTES_MAX as u64));
        };
        self.set(State::InitFailed);
        // A runtime that exits at once must not lose its error: the session hears it first.
        let _ = self.signals.send(Signal::InitFailed { error_type, body: body.0 }).await;
        accepted()
    }

    async fn response(&self, id: &str, request: Request<Incoming>) -> Answer {
        if let Some(refusal) = self.refusal(id, "InvocationResponse") {
            return refuse(request, refusal).await;
        }
        match request.headers().get("lambda-runtime-function-response-mode") {
            None => self.whole(request).await,
            Some(mode) if mode == "streaming" => self.stream(request).await,
            Some(_) => {
                self.finish(invalid_mode()).await;
                let refusal = problem(StatusCode::BAD_REQUEST, "InvalidFunctionResponseMode", INVALID_MODE);
                refuse(request, refusal).await
            }
        }
    }

    async fn whole(&self, request: Request<Incoming>) -> Answer {
        match collect(request, RESPONSE_BYTES_MAX).await {
            Ok((body, _)) => {
                self.finish(Reply::Response(body)).await;
                accepted()
            }
            Err(Unread::TooLarge) => self.exceeded(RESPONSE_BYTES_MAX as u64).await,
            Err(Unread::Truncated) => self.truncated().await,
        }
    }

    /// Hands on a response chunk by chunk, no faster than the session takes it.
    async fn stream(&self, request: Request<Incoming>) -> Answer {
        let bytes_max = self.stream_bytes_max.load(Ordering::Relaxed);
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        self.signal(Signal::Stream { content_type }).await;
        let mut body = request.into_body();
        let mut received = 0;
        let mut trailers = HeaderMap::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return self.truncated().await };
            match frame.into_data() {
                Ok(mut bytes) => {
                    let exceeds = cut(&mut bytes, bytes_max - received);
                    received += bytes.len() as u64;
                    self.signal(Signal::Chunk(bytes)).await;
                    if exceeds {
                        return self.exceeded(bytes_max).await;
                    }
                }
                Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        self.finish(trailing_error(&trailers).unwrap_or(Reply::Response(Bytes::new()))).await;
        accepted()
    }

    async fn exceeded(&self, bytes_max: u64) -> Answer {
        self.finish(Reply::TooLarge(TooLarge(bytes_max))).await;
        too_large(TooLarge(bytes_max))
    }

    async fn truncated(&self) -> Answer {
        self.finish(Reply::Truncated).await;
        problem(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", "HTTP request detected as truncated")
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Answer {
        if let Some(refusal) = self.refusal(id, "InvocationErrorResponse") {
            return refuse(request, refusal).await;
        }
        let error_type = error_type(request.headers(), "Function.Unknown");
        let with_cause = request.headers().get(CONTENT_TYPE).is_some_and(|value| value == ERROR_WITH_CAUSE);
        match collect(request, RESPONSE_BYTES_MAX).await {
            Ok((body, _)) => {
                let body = if with_cause { without_cause(&body) } else { body };
                self.finish(Reply::Error { error_type, body, fatal: false }).await;
                accepted()
            }
            Err(Unread::TooLarge) => self.exceeded(RESPONSE_BYTES_MAX as u64).await,
            Err(Unread::Truncated) => self.truncated().await,
        }
    }

    /// Begins an answer to the running invocation; the refusal if there is none.
    fn refusal(&self, id: &str, to: &'static str) -> Option<Answer> {
        let mut state = self.lock();
        if state.request_id() != Some(id) {
            return Some(invalid_request_id());
        }
        if !matches!(*state, State::Running(_)) {
            return Some(transition(state.name(), to));
        }
        *state = State::Answering { request_id: id.to_owned(), name: to };
        None
    }

    async fn finish(&self, reply: Reply) {
        self.set_answered();
        self.signal(Signal::Reply(reply)).await;
    }

    async fn signal(&self, signal: Signal) {
        // The session may be gone: then nobody waits for the answer.
        let _ = self.signals.send(signal).await;
    }

    fn set_answered(&self) {
        let mut state = self.lock();
        let request_id = state.request_id().unwrap_or_default().to_owned();
        *state = State::Answered { request_id };
    }

    fn set(&self, state: State) {
        *self.lock() = state;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the caller gets of a response whose mode nobody knows.
fn invalid_mode() -> Reply {
    let error_type = "Runtime.InvalidResponseModeHeader";
    let body = serde_json::json!({ "errorType": error_type, "errorMessage": INVALID_MODE });
    Reply::Error { error_type: error_type.to_owned(), body: Bytes::from(body.to_string()), fatal: false }
}

/// A `next` that waits. A client that goes away before it got an event may ask again.
struct Waiting<'a> {
    shared: &'a Shared,
    taken: bool,
}

impl Waiting<'_> {
    fn take(mut self, invocation: &Invocation) {
        self.taken = true;
        self.shared.set(State::Running(Box::new(invocation.clone())));
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.shared.set_answered();
        }
    }
}
