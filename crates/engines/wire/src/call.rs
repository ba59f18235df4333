use base::{RequestId, Scope, Trace};

use crate::{ByteStream, EventStream};

/// Who calls, as the credentials say. Whether they are genuine is the front's concern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The access key id; empty for an unsigned request.
    pub access_key: String,
    /// The ARN of the user, role session or service that calls.
    pub principal: String,
    /// Set where a service of Kobel's calls: `cloudformation.amazonaws.com`.
    pub service: Option<&'static str>,
}

/// The circumstances of one call of an operation.
#[derive(Debug)]
pub struct Call {
    pub request_id: RequestId,
    /// The account and region that the credentials and the signature name.
    pub scope: Scope,
    pub caller: Caller,
    /// What caused the call, with the call's own journal event as the parent of what it causes.
    pub trace: Trace,
    /// The origin by which the caller reached Kobel, `http://127.0.0.1:4566`: queue URLs begin with it.
    pub origin: String,
    /// The body of an operation whose payload is a streaming blob.
    pub body: Option<ByteStream>,
}

/// What an operation answers besides its output.
#[derive(Debug)]
pub struct Reply<T> {
    pub output: T,
    /// The body where the output's payload is a streaming blob.
    pub body: Option<ByteStream>,
    /// The events where a member of the output is an event stream.
    pub events: Option<EventStream>,
    /// In place of the status that the model gives.
    pub status: Option<u16>,
    /// Headers that no member of the output carries.
    pub headers: Vec<(&'static str, String)>,
}

impl<T> Reply<T> {
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Reply<U> {
        let Reply { output, body, events, status, headers } = self;
        Reply { output: f(output), body, events, status, headers }
    }

    pub fn with_body(mut self, body: ByteStream) -> Reply<T> {
        self.body = Some(body);
        self
    }

    pub fn with_events(mut self, events: EventStream) -> Reply<T> {
        self.events = Some(events);
        self
    }

    pub fn with_status(mut self, status: u16) -> Reply<T> {
        self.status = Some(status);
        self
    }

    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Reply<T> {
        self.headers.push((name, value.into()));
        self
    }
}

impl<T> From<T> for Reply<T> {
    fn from(output: T) -> Reply<T> {
        Reply { output, body: None, events: None, status: None, headers: Vec::new() }
    }
}
