//! The identities every layer shares: accounts, regions, ARNs, request ids, trace ids, timestamps and the
//! source of randomness.
//!
//! Invariants: no I/O but reading the operating system's entropy once; no async. Every id that Kobel
//! hands out is drawn from [`Entropy`], so that a simulation can seed it.

mod arn;
mod entropy;
mod request_id;
mod scope;
mod timestamp;
mod trace;

pub use arn::{Arn, ArnError};
pub use entropy::Entropy;
pub use request_id::RequestId;
pub use scope::{Account, Region, Scope};
pub use timestamp::Timestamp;
pub use trace::{SpanId, Trace, TraceId};
