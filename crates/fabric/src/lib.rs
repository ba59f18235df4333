//! What all services are woven into: the plugs by which they meet, the delivery engine for every asynchronous
//! hop, the journal that tells what caused what, sessions, and the metrics sink.
//!
//! Invariants: services never import each other, they meet here; every message that leaves a cell is a
//! [`Delivery`] in the outbox, written in the same batch as the change that causes it; a delivery ends once.

mod credentials;
mod delivery;
mod engine;
mod fabric;
mod journal;
mod lane;
mod metrics;
mod plugs;
mod provider;
mod source;
mod target;

pub use credentials::{Credentials, Session, Sessions};
pub use delivery::{Backoff, DeadLetter, Delivery, RetryPolicy, Sender};
pub use engine::Deliveries;
pub use fabric::{Fabric, Parts};
pub use journal::{Event, EventKind, Journal, JournalError};
pub use metrics::{Metrics, Sample, Unit};
pub use plugs::Plugs;
pub use provider::{Change, ProviderError, Resource, ResourceContext, ResourceProvider, Updated, check_known};
pub use source::{QueueFacts, QueueMessage, QueueSource, SourceError, Wait};
pub use target::{Failure, Outcome, Refusal, Target};
