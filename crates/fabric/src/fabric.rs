use std::path::PathBuf;
use std::sync::Arc;

use base::{Entropy, RequestId, Scope, SpanId, Timestamp, Trace};
use blob::Blobs;
use cell::Cells;
use clock::Clock;
use store::Store;
use wire::{Call, Caller};

use crate::{Deliveries, Journal, JournalError, Metrics, Plugs, Sessions};

/// What a service is given when it is made: the engines, and the plugs by which it meets the others.
#[derive(Clone)]
pub struct Fabric {
    pub clock: Clock,
    pub entropy: Entropy,
    pub store: Arc<dyn Store>,
    pub cells: Cells,
    pub blobs: Blobs,
    pub deliveries: Deliveries,
    pub journal: Arc<Journal>,
    pub metrics: Arc<Metrics>,
    pub plugs: Arc<Plugs>,
    pub sessions: Arc<Sessions>,
    /// The origin that Kobel gives out in URLs when no request says how it was reached.
    pub origin: Arc<str>,
}

/// What a fabric is woven from.
pub struct Parts {
    pub clock: Clock,
    pub entropy: Entropy,
    pub store: Arc<dyn Store>,
    pub blobs: Blobs,
    /// Where the journal's files are; `None` to remember only what is recent.
    pub journal: Option<PathBuf>,
    pub origin: String,
}

impl Fabric {
    pub fn weave(parts: Parts) -> Result<Fabric, JournalError> {
        let Parts { clock, entropy, store, blobs, journal, origin } = parts;
        let plugs = Arc::new(Plugs::default());
        let journal = Arc::new(Journal::open(journal.as_deref())?);
        let deliveries = Deliveries::new(store.clone(), clock.clone(), entropy.clone(), plugs.clone(), journal.clone());
        let cells = Cells::new(store.clone(), clock.clone(), Arc::new(deliveries.clone()));
        Ok(Fabric {
            clock,
            entropy,
            store,
            cells,
            blobs,
            deliveries,
            journal,
            metrics: Arc::default(),
            plugs,
            sessions: Arc::default(),
            origin: origin.into(),
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn new_span(&self) -> SpanId {
        SpanId(self.entropy.u64())
    }

    pub fn begin_trace(&self) -> Trace {
        Trace::begin(&self.entropy, self.now())
    }

    /// The circumstances of a call that `service` makes of another, in `scope`, as a consequence of `trace`.
    pub fn call_from(&self, service: &'static str, scope: Scope, trace: Trace) -> Call {
        let principal = format!("{service}.amazonaws.com");
        Call {
            request_id: RequestId::new(&self.entropy),
            scope,
            caller: Caller { access_key: String::new(), principal, service: Some(service) },
            trace,
            origin: self.origin.to_string(),
            body: None,
        }
    }
}
