use std::time::Duration;

use base::{Entropy, Timestamp, Trace};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One asynchronous hop: something that a target must get, sooner or later.
///
/// It is a row of the outbox from the commit that causes it until the commit that ends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Unique; a target uses it to recognise a repetition. For an asynchronous invocation it is the request id.
    pub id: String,
    /// The ARN of what gets it.
    pub target: String,
    pub sender: Sender,
    /// The event, message body or record.
    pub payload: Bytes,
    /// What the target must know besides: message attributes, a group id, a qualifier.
    pub parameters: Map<String, Value>,
    /// What the target has noted about earlier attempts (see [`crate::Outcome::Again`]).
    pub notes: Value,
    /// When it was accepted; its age counts from here.
    pub accepted: Timestamp,
    /// When it is tried next.
    pub due: Timestamp,
    /// Attempts made so far.
    pub attempts: u32,
    /// Times it was put off without an attempt: throttles and system errors.
    pub deferrals: u32,
    pub retry: RetryPolicy,
    /// Where it goes when it is given up; for targets that leave this to the engine.
    pub dead_letter: Option<DeadLetter>,
    pub trace: Trace,
}

/// Who sends: the service principal that a resource policy names, and the resource on whose behalf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// `s3.amazonaws.com`.
    pub service: String,
    /// The bucket, topic, rule or function that causes the delivery.
    pub arn: String,
    pub account: String,
}

/// How often and how long the engine tries what a target reports as [`crate::Outcome::Failed`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    pub attempts_max: u32,
    pub age_max_s: u64,
    pub backoff: Backoff,
}

/// Exponential waits between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    pub first_ms: u64,
    pub factor: f64,
    pub max_ms: u64,
}

/// Where a delivery goes that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub target: String,
    pub parameters: Map<String, Value>,
}

impl RetryPolicy {
    /// Kobel's own policy for hops between its services: they are on one machine, so what fails is rarely
    /// gone at once, and a day is enough to notice.
    pub const INTERNAL: RetryPolicy = RetryPolicy {
        attempts_max: 185,
        age_max_s: 24 * 3600,
        backoff: Backoff { first_ms: 1_000, factor: 2.0, max_ms: 300_000 },
    };

    /// One attempt.
    pub const NONE: RetryPolicy = RetryPolicy { attempts_max: 1, age_max_s: u64::MAX / 2, backoff: Backoff::SECOND };
}

impl Backoff {
    pub const SECOND: Backoff = Backoff { first_ms: 1_000, factor: 2.0, max_ms: 300_000 };

    /// The wait before the retry that follows `failures` failures (at least one).
    pub fn wait(&self, failures: u32) -> Duration {
        let grown = self.first_ms as f64 * self.factor.powi(failures.saturating_sub(1).min(64) as i32);
        Duration::from_millis(grown.min(self.max_ms as f64) as u64)
    }
}

impl Delivery {
    /// A delivery that is due at once.
    pub fn new(entropy: &Entropy, now: Timestamp, target: impl Into<String>, payload: Bytes, trace: Trace) -> Delivery {
        Delivery {
            id: entropy.uuid(),
            target: target.into(),
            sender: Sender::default(),
            payload,
            parameters: Map::new(),
            notes: Value::Null,
            accepted: now,
            due: now,
            attempts: 0,
            deferrals: 0,
            retry: RetryPolicy::INTERNAL,
            dead_letter: None,
            trace,
        }
    }

    pub fn from(mut self, service: &str, arn: impl Into<String>, account: impl ToString) -> Delivery {
        self.sender = Sender { service: service.to_owned(), arn: arn.into(), account: account.to_string() };
        self
    }

    pub fn with(mut self, parameter: &str, value: impl Into<Value>) -> Delivery {
        self.parameters.insert(parameter.to_owned(), value.into());
        self
    }

    pub fn with_retry(mut self, retry: RetryPolicy) -> Delivery {
        self.retry = retry;
        self
    }

    pub fn with_dead_letter(mut self, target: impl Into<String>) -> Delivery {
        self.dead_letter = Some(DeadLetter { target: target.into(), parameters: Map::new() });
        self
    }

    /// A parameter that is text.
    pub fn text(&self, parameter: &str) -> Option<&str> {
        self.parameters.get(parameter)?.as_str()
    }

    /// The row of the outbox. Rows of one target stand together, in the order in which they are due.
    pub fn message(&self) -> cell::Message {
        cell::Message { key: self.key(), due: self.due, value: self.encode() }
    }

    pub(crate) fn key(&self) -> Vec<u8> {
        format!("{}{:016x}/{}", lane_prefix(&self.target), self.due.micros().max(0), self.id).into_bytes()
    }

    fn encode(&self) -> Vec<u8> {
        let head = Head {
            id: self.id.clone(),
            target: self.target.clone(),
            sender: self.sender.clone(),
            parameters: self.parameters.clone(),
            notes: self.notes.clone(),
            accepted: self.accepted,
            due: self.due,
            attempts: self.attempts,
            deferrals: self.deferrals,
            retry: self.retry,
            dead_letter: self.dead_letter.clone(),
            trace: self.trace.to_string(),
        };
        let head = serde_json::to_vec(&head).expect("a head has only text keys");
        let mut row = Vec::with_capacity(5 + head.len() + self.payload.len());
        row.push(VERSION);
        row.extend_from_slice(&u32::try_from(head.len()).expect("a head is short").to_be_bytes());
        row.extend_from_slice(&head);
        row.extend_from_slice(&self.payload);
        row
    }

    /// Reads a row of the outbox back.
    pub(crate) fn decode(row: &[u8]) -> Option<Delivery> {
        let (&version, rest) = row.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        if version != VERSION || rest.len() < length {
            return None;
        }
        let (head, payload) = rest.split_at(length);
        let head: Head = serde_json::from_slice(head).ok()?;
        Some(Delivery {
            id: head.id,
            target: head.target,
            sender: head.sender,
            payload: Bytes::copy_from_slice(payload),
            parameters: head.parameters,
            notes: head.notes,
            accepted: head.accepted,
            due: head.due,
            attempts: head.attempts,
            deferrals: head.deferrals,
            retry: head.retry,
            dead_letter: head.dead_letter,
            trace: Trace::parse(&head.trace)?,
        })
    }
}

/// All rows of a delivery begin with this.
pub(crate) const OUTBOX: &str = "delivery/";

/// What the rows of one target begin with. A slash in the ARN is escaped, so that no target's rows lie among
/// another's.
pub(crate) fn lane_prefix(target: &str) -> String {
    format!("{OUTBOX}{}/", target.replace('%', "%25").replace('/', "%2F"))
}

const VERSION: u8 = 1;

/// All of a delivery but its payload, which follows it as plain bytes.
#[derive(Serialize, Deserialize)]
struct Head {
    id: String,
    target: String,
    #[serde(default)]
    sender: Sender,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    parameters: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    notes: Value,
    accepted: Timestamp,
    due: Timestamp,
    attempts: u32,
    deferrals: u32,
    retry: RetryPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_letter: Option<DeadLetter>,
    trace: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_whole() {
        let entropy = Entropy::seeded(1);
        let now = Timestamp::from_secs(1_700_000_000);
        let trace = Trace::begin(&entropy, now);
        let delivery =
            Delivery::new(&entropy, now, "arn:aws:sqs:us-east-1:000000000000:q", Bytes::from_static(b"\0x"), trace)
                .from("s3.amazonaws.com", "arn:aws:s3:::b", "000000000000")
                .with("MessageGroupId", "g")
                .with_dead_letter("arn:aws:sqs:us-east-1:000000000000:dlq");
        assert_eq!(Delivery::decode(&delivery.message().value), Some(delivery));
    }

    #[test]
    fn backoff_doubles_up_to_its_maximum() {
        let waits: Vec<_> = [1, 2, 3, 10, 1000].map(|n| Backoff::SECOND.wait(n).as_secs()).to_vec();
        assert_eq!(waits, [1, 2, 4, 300, 300]);
    }

    #[test]
    fn lanes_do_not_overlap() {
        assert!(!lane_prefix("arn:a/b").starts_with(&lane_prefix("arn:a")));
    }
}
