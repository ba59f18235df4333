use std::time::Duration;

use base::{Account, Entropy, RequestId, Scope, Timestamp, Trace};

use crate::schema::Structure;
use crate::{Caller, Error, Fields};

/// What the front supplies for every request: time, identity, and the journal.
pub trait Host: Send + Sync {
    fn now(&self) -> Timestamp;

    fn entropy(&self) -> &Entropy;

    /// Who holds an access key that is not itself an account, such as the `ASIA…` key of a session. `None` if it is
    /// not known: the caller then has the default account.
    fn identify(&self, access_key: &str) -> Option<Identity>;

    /// A call begins. Gives the trace under which it runs, with the call's journal event as its parent.
    fn begin(&self, beginning: &Beginning<'_>, _input: Input<'_>) -> Trace {
        beginning.trace.clone()
    }

    /// The call that began so has ended.
    fn end(&self, beginning: &Beginning<'_>, ending: &Ending<'_>) {
        let _ = (beginning, ending);
    }

    /// Decides whether a call may be made. Local mode accepts all.
    fn authorize(&self, _beginning: &Beginning<'_>, _input: Input<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// Who holds an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: Account,
    /// The ARN of the user or role session.
    pub principal: String,
}

/// A call that is about to be made.
#[derive(Debug)]
pub struct Beginning<'a> {
    pub request_id: &'a RequestId,
    /// `lambda`.
    pub service: &'static str,
    /// `Invoke`.
    pub operation: &'static str,
    pub scope: &'a Scope,
    pub caller: &'a Caller,
    /// What the request says caused it, or a new trace.
    pub trace: &'a Trace,
    pub at: Timestamp,
}

/// The validated input of a call that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub schema: &'static Structure,
    pub fields: &'a Fields,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ending<'a> {
    /// The HTTP status.
    pub status: u16,
    pub error: Option<&'a Error>,
    /// In real time.
    pub duration: Duration,
    pub trace: &'a Trace,
}

impl Input<'_> {
    /// The input as JSON for people: values are shortened, and what is sensitive is left out.
    pub fn summary(&self) -> serde_json::Value {
        crate::summary::of(self.schema, self.fields)
    }
}
