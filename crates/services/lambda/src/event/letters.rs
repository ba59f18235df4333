//! What an asynchronous invocation that has ended sends on: the record to a destination, the event to a
//! dead-letter target.

use std::time::Duration;

use base::{Arn, Entropy, Timestamp, Trace};
use bytes::Bytes;
use fabric::{Backoff, Delivery, RetryPolicy};
use serde_json::{Map, Value, json};

use super::policy::Condition;

/// How much of the error's message a dead letter carries.
const ERROR_MESSAGE_BYTES_MAX: usize = 1_024;
/// How long a record is tried before it is dropped; AWS does not document its own.
const RETRY: RetryPolicy = RetryPolicy {
    attempts_max: 20,
    age_max_s: 6 * 3_600,
    backoff: Backoff { first_ms: 1_000, factor: 2.0, max_ms: Duration::from_secs(300).as_millis() as u64 },
};

/// From whom letters come.
pub(crate) struct Sender<'a> {
    pub(crate) entropy: &'a Entropy,
    pub(crate) now: Timestamp,
    /// Unqualified.
    pub(crate) function_arn: &'a str,
    pub(crate) account: &'a str,
    pub(crate) trace: &'a Trace,
}

impl Sender<'_> {
    /// The delivery of a record to a destination, or why it can't be sent there.
    pub(crate) fn record(
        &self,
        destination: &str,
        condition: Condition,
        qualified_arn: &str,
        record: String,
    ) -> Result<Delivery, String> {
        let arn = suitable(destination)?;
        let delivery = self.letter(destination, Bytes::from(record));
        if arn.service != "events" {
            return Ok(delivery);
        }
        let kind = if condition == Condition::Success { "Success" } else { "Failure" };
        Ok(delivery
            .with("Source", "lambda")
            .with("DetailType", format!("Lambda Function Invocation Result - {kind}"))
            .with("Resources", json!([destination, qualified_arn])))
    }

    /// The delivery of an event that was given up to the dead-letter target.
    pub(crate) fn dead_letter(
        &self,
        target: &str,
        event: Bytes,
        request_id: &str,
        error_code: u16,
        error_message: &str,
    ) -> Result<Delivery, String> {
        suitable(target)?;
        let mut attributes = Map::new();
        attributes.insert("RequestID".into(), attribute("String", request_id));
        attributes.insert("ErrorCode".into(), attribute("Number", &error_code.to_string()));
        // An attribute must not be empty.
        let message = if error_message.is_empty() { "Unknown" } else { beginning(error_message) };
        attributes.insert("ErrorMessage".into(), attribute("String", message));
        Ok(self.letter(target, event).with("MessageAttributes", attributes))
    }

    fn letter(&self, target: &str, payload: Bytes) -> Delivery {
        Delivery::new(self.entropy, self.now, target, payload, self.trace.clone())
            .from("lambda.amazonaws.com", self.function_arn, self.account)
            .with_retry(RETRY)
    }
}

fn suitable(target: &str) -> Result<Arn, String> {
    let arn: Arn = target.parse().map_err(|error: base::ArnError| error.to_string())?;
    match arn.service.as_str() {
        "sqs" | "sns" if arn.name().ends_with(".fifo") => Err(format!("{target} is FIFO, which gets no records")),
        "sqs" | "sns" | "lambda" | "events" => Ok(arn),
        service => Err(format!("Kobel does not send records to {service} ({target})")),
    }
}

fn attribute(data_type: &str, value: &str) -> Value {
    json!({"DataType": data_type, "StringValue": value})
}

fn beginning(text: &str) -> &str {
    let mut end = text.len().min(ERROR_MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_sender<T>(f: impl FnOnce(&Sender<'_>) -> T) -> T {
        let entropy = Entropy::seeded(1);
        let trace = Trace::begin(&entropy, Timestamp::EPOCH);
        f(&Sender {
            entropy: &entropy,
            now: Timestamp::EPOCH,
            function_arn: "arn:aws:lambda:us-east-1:123456789012:function:f",
            account: "123456789012",
            trace: &trace,
        })
    }

    #[test]
    fn a_dead_letter_tells_why_by_its_attributes() {
        let queue = "arn:aws:sqs:us-east-1:123456789012:dead";
        let long = "é".repeat(1_000);
        let letter =
            with_sender(|s| s.dead_letter(queue, Bytes::from_static(b"{}"), "id", 200, &long)).expect("a letter");
        let attributes = &letter.parameters["MessageAttributes"];
        assert_eq!(attributes["RequestID"], json!({"DataType": "String", "StringValue": "id"}));
        assert_eq!(attributes["ErrorCode"], json!({"DataType": "Number", "StringValue": "200"}));
        assert_eq!(attributes["ErrorMessage"]["StringValue"].as_str().expect("text").len(), 1_024);
        assert_eq!(
            (letter.sender.service.as_str(), letter.payload.as_ref()),
            ("lambda.amazonaws.com", b"{}".as_slice())
        );
    }

    #[test]
    fn a_bus_is_told_what_the_record_is() {
        let bus = "arn:aws:events:us-east-1:123456789012:event-bus/default";
        let letter =
            with_sender(|s| s.record(bus, Condition::RetriesExhausted, "f:$LATEST", "{}".into())).expect("a letter");
        assert_eq!(letter.text("DetailType"), Some("Lambda Function Invocation Result - Failure"));
        assert_eq!(letter.parameters["Resources"], json!([bus, "f:$LATEST"]));
    }

    #[test]
    fn refuses_what_gets_no_records() {
        for target in ["arn:aws:sqs:us-east-1:123456789012:q.fifo", "arn:aws:s3:::bucket", "queue"] {
            assert!(with_sender(|s| s.record(target, Condition::Success, "f", "{}".into())).is_err(), "{target}");
        }
    }
}
