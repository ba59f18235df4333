use std::time::Duration;

use base::Arn;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{Delivery, Sender};

/// A plug: a kind of resource that accepts events (a queue, a topic, a function, a bus).
pub trait Target: Send + Sync {
    /// Whether `sender` may send to the resource, and whether there is one: asked when a configuration that
    /// names the target is stored.
    fn check<'a>(&'a self, target: &'a Arn, sender: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>>;

    /// One attempt. May be called again with the same delivery after a crash: see [`Delivery::id`].
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome>;

    /// How many deliveries to one resource run at once.
    fn at_once_max(&self) -> usize {
        32
    }
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Outcome {
    /// The target has it. `next` is what follows from it (a destination's record); it is written in the same
    /// batch that ends the delivery.
    Done { next: Vec<Delivery> },
    /// The target wants it again later, by its own policy. `attempted` says whether this was an attempt;
    /// `notes` replace those of the delivery.
    Again { after: Duration, attempted: bool, notes: Value, why: String },
    /// The attempt failed; the delivery's retry policy decides, and its dead letter gets it in the end.
    Failed(Failure),
    /// The target gives it up, by its own policy, and says what follows.
    Dropped { why: String, next: Vec<Delivery> },
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// An AWS error code.
    pub code: String,
    pub message: String,
    /// False where another attempt can't help.
    pub retryable: bool,
}

/// Why a target would not accept what a sender sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Missing,
    Forbidden,
    /// The resource exists but is of a kind that cannot be such a target, as a sentence.
    Unsuitable(String),
    /// It could not be found out.
    Unknown(String),
}
