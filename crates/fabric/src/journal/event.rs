use base::{SpanId, Timestamp, Trace, TraceId};
use serde::{Deserialize, Serialize};

/// How much of a payload an event keeps.
const PAYLOAD_BYTES_MAX: usize = 2_048;

/// What kind of step an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// An API operation was called.
    Call,
    /// A delivery was attempted.
    Delivery,
    /// A function ran.
    Invocation,
    /// An execution environment was started ahead of need.
    Init,
    /// A stack changed a resource.
    Deployment,
}

/// One step of a trace, recorded when it ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub root: TraceId,
    pub span: SpanId,
    /// The step that caused it.
    pub parent: Option<SpanId>,
    pub kind: EventKind,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in real time.
    pub duration_us: u64,
    /// `s3`, `lambda`, …
    pub service: String,
    /// The operation, or what was done: `PutObject`, `deliver`, `invoke`.
    pub action: String,
    /// What it was done to: an ARN or a name.
    pub resource: String,
    /// `ok`, or an error code.
    pub outcome: String,
    /// More for people: an attempt's number, a message, the wait before the next attempt.
    pub detail: String,
    /// The payload's beginning.
    pub payload: String,
}

impl Event {
    /// A step that continues `trace`, identified by `span`.
    pub fn new(trace: &Trace, span: SpanId, kind: EventKind, at: Timestamp) -> Event {
        Event {
            root: trace.root,
            span,
            parent: trace.parent,
            kind,
            at,
            duration_us: 0,
            service: String::new(),
            action: String::new(),
            resource: String::new(),
            outcome: "ok".into(),
            detail: String::new(),
            payload: String::new(),
        }
    }

    /// Keeps the beginning of a payload, as text.
    pub fn with_payload(mut self, payload: &[u8]) -> Event {
        let kept = &payload[..payload.len().min(PAYLOAD_BYTES_MAX)];
        self.payload = String::from_utf8_lossy(kept).into_owned();
        self
    }

    pub(super) fn write_line(&self, lines: &mut Vec<u8>) {
        serde_json::to_writer(&mut *lines, &Line::from(self)).expect("an event has only text keys");
        lines.push(b'\n');
    }

    pub(super) fn read_line(line: &[u8]) -> Option<Event> {
        serde_json::from_slice::<Line>(line).ok()?.into_event()
    }

    /// The event as the admin API shows it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(Line::from(self)).expect("an event has only text keys")
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    root: String,
    span: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    kind: EventKind,
    at: Timestamp,
    duration_us: u64,
    service: String,
    action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    resource: String,
    outcome: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    payload: String,
}

impl From<&Event> for Line {
    fn from(event: &Event) -> Line {
        Line {
            root: event.root.to_string(),
            span: event.span.to_string(),
            parent: event.parent.map(|span| span.to_string()),
            kind: event.kind,
            at: event.at,
            duration_us: event.duration_us,
            service: event.service.clone(),
            action: event.action.clone(),
            resource: event.resource.clone(),
            outcome: event.outcome.clone(),
            detail: event.detail.clone(),
            payload: event.payload.clone(),
        }
    }
}

impl Line {
    fn into_event(self) -> Option<Event> {
        let span = |text: &str| u64::from_str_radix(text, 16).ok().map(SpanId);
        Some(Event {
            root: Trace::parse(&format!("Root={}", self.root))?.root,
            span: span(&self.span)?,
            parent: self.parent.as_deref().and_then(span),
            kind: self.kind,
            at: self.at,
            duration_us: self.duration_us,
            service: self.service,
            action: self.action,
            resource: self.resource,
            outcome: self.outcome,
            detail: self.detail,
            payload: self.payload,
        })
    }
}
