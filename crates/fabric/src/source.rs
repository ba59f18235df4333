use std::time::Duration;

use base::{Arn, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

/// A plug: a queue from which an event source mapping or a pipe reads.
pub trait QueueSource: Send + Sync {
    /// What a reader must know of the queue; an error where there is none.
    fn facts<'a>(&'a self, queue: &'a Arn) -> BoxFuture<'a, Result<QueueFacts, SourceError>>;

    /// Up to `max` messages, which become invisible for the queue's visibility timeout. Resolves as soon as
    /// there is one, or empty at the end of the wait. It is woken by arrivals; it does not poll.
    fn receive<'a>(
        &'a self,
        queue: &'a Arn,
        max: usize,
        wait: Wait,
    ) -> BoxFuture<'a, Result<Vec<QueueMessage>, SourceError>>;

    /// Deletes what was processed. Receipts that are no longer valid are passed over.
    fn delete<'a>(&'a self, queue: &'a Arn, receipts: &'a [String]) -> BoxFuture<'a, Result<(), SourceError>>;

    /// Makes messages visible again after `after`.
    fn release<'a>(
        &'a self,
        queue: &'a Arn,
        receipts: &'a [String],
        after: Duration,
    ) -> BoxFuture<'a, Result<(), SourceError>>;
}

/// How long to wait for a first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until there is one. Such a waiter is not work and holds no timer of its own.
    ForMessage,
    Until(Timestamp),
}

/// What a reader must know of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFacts {
    pub fifo: bool,
    pub visibility_timeout_s: u32,
}

/// A message as an SQS event record carries it.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueMessage {
    pub id: String,
    pub receipt: String,
    pub body: String,
    pub md5_of_body: String,
    /// System attributes by name: `ApproximateReceiveCount`, `SentTimestamp`, `MessageGroupId`, … as text.
    pub attributes: Map<String, Value>,
    /// Custom attributes in the form of an event record (`stringValue`, `binaryValue`, `dataType`, …).
    pub message_attributes: Map<String, Value>,
    pub md5_of_message_attributes: Option<String>,
    /// The group of a FIFO message, or of a fair queue's.
    pub group: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("the queue {0} does not exist")]
    Missing(String),
    #[error("{0}")]
    Failed(String),
}
