use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base::{Entropy, SpanId, Timestamp, Trace};
use fabric::{Event, EventKind, Fabric};
use wire::{Beginning, Ending, Host, Identity, Input, Value};

/// How many characters of a resource's name the journal keeps.
const RESOURCE_CHARACTERS_MAX: usize = 200;

/// What the fabric supplies to `wire` for every request: time, who a session is, and the journal.
pub struct FabricHost {
    fabric: Fabric,
    /// Calls under way, by their span.
    pending: Mutex<HashMap<SpanId, Pending>>,
}

struct Pending {
    /// What caused the call.
    cause: Trace,
    resource: String,
    input: String,
}

impl FabricHost {
    pub fn new(fabric: Fabric) -> FabricHost {
        FabricHost { fabric, pending: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SpanId, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What caused a call: as its header says, or else what the calling session is doing.
    fn cause(&self, beginning: &Beginning<'_>) -> Trace {
        if beginning.trace.parent.is_some() {
            return beginning.trace.clone();
        }
        let session = self.fabric.sessions.get(&beginning.caller.access_key);
        session.and_then(|session| session.current()).unwrap_or_else(|| beginning.trace.clone())
    }
}

impl Host for FabricHost {
    fn now(&self) -> Timestamp {
        self.fabric.now()
    }

    fn entropy(&self) -> &Entropy {
        &self.fabric.entropy
    }

    fn identify(&self, access_key: &str) -> Option<Identity> {
        let session = self.fabric.sessions.get(access_key)?;
        Some(Identity { account: session.account.clone(), principal: session.principal.clone() })
    }

    fn begin(&self, beginning: &Beginning<'_>, input: Input<'_>) -> Trace {
        let cause = self.cause(beginning);
        let span = self.fabric.new_span();
        let trace = cause.under(span);
        let pending = Pending { cause, resource: resource(input), input: input.summary().to_string() };
        self.lock().insert(span, pending);
        trace
    }

    fn end(&self, beginning: &Beginning<'_>, ending: &Ending<'_>) {
        let Some(span) = ending.trace.parent else { return };
        let Some(pending) = self.lock().remove(&span) else { return };
        let event = Event::new(&pending.cause, span, EventKind::Call, beginning.at);
        self.fabric.journal.record(Event {
            duration_us: u64::try_from(ending.duration.as_micros()).unwrap_or(u64::MAX),
            service: beginning.service.to_owned(),
            action: beginning.operation.to_owned(),
            resource: pending.resource,
            outcome: ending.error.map_or_else(|| "ok".to_owned(), |error| error.code.to_string()),
            detail: format!("request {}", beginning.request_id),
            ..event.with_payload(pending.input.as_bytes())
        });
    }
}

/// What a call is about: its required texts, which name the bucket and key, the function, the queue.
fn resource(input: Input<'_>) -> String {
    let mut parts = Vec::new();
    for (member, value) in input.schema.members.iter().zip(&input.fields.0) {
        if let (true, Some(Value::String(text))) = (member.required, value) {
            parts.push(text.as_str());
        }
    }
    parts.join("/").chars().take(RESOURCE_CHARACTERS_MAX).collect()
}
