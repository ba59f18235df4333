//! The event that a batch of a queue's messages becomes.

use base::Arn;
use bytes::Bytes;
use fabric::QueueMessage;
use serde::Serialize;
use serde_json::{Map, Value};

/// The largest event of a synchronous invocation.
pub(super) const EVENT_BYTES_MAX: usize = 6_291_456;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: &'a Map<String, Value>,
    message_attributes: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<&'a str>,
    md5_of_body: &'a str,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "Records")]
    records: Vec<Record<'a>>,
}

/// The event of `messages`, which came from `queue`.
pub(super) fn event(queue: &Arn, messages: &[QueueMessage]) -> Bytes {
    let event_source_arn = queue.to_string();
    let records = messages.iter().map(|message| Record {
        message_id: &message.id,
        receipt_handle: &message.receipt,
        body: &message.body,
        attributes: &message.attributes,
        message_attributes: &message.message_attributes,
        md5_of_message_attributes: message.md5_of_message_attributes.as_deref(),
        md5_of_body: &message.md5_of_body,
        event_source: "aws:sqs",
        event_source_arn: &event_source_arn,
        aws_region: &queue.region,
    });
    let event = Event { records: records.collect() };
    Bytes::from(serde_json::to_vec(&event).expect("an event has only text keys"))
}

/// About how large the record of a message is, never less than it is for text without escapes.
pub(super) fn size(message: &QueueMessage) -> usize {
    const FIXED_BYTES: usize = 512;
    let map = |map: &Map<String, Value>| map.iter().map(|(k, v)| k.len() + 8 + v.to_string().len()).sum::<usize>();
    // What must be escaped grows: a quote to two bytes, a control character to six.
    let escaped: usize =
        message.body.bytes().map(|b| if b < 0x20 { 6 } else { 1 + usize::from(b == b'"' || b == b'\\') }).sum();
    escaped + map(&message.attributes) + map(&message.message_attributes) + message.receipt.len() + FIXED_BYTES
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_event_is_that_of_aws() {
        let queue: Arn = "arn:aws:sqs:us-east-1:111122223333:q".parse().expect("an ARN");
        let object = |value: Value| value.as_object().expect("an object").clone();
        let message = QueueMessage {
            id: "id".into(),
            receipt: "handle".into(),
            body: "te\"xt".into(),
            md5_of_body: "0".repeat(32),
            attributes: object(json!({"ApproximateReceiveCount": "1"})),
            message_attributes: object(json!({"n": {"stringValue": "6", "dataType": "Number"}})),
            md5_of_message_attributes: None,
            group: None,
        };
        let event = event(&queue, std::slice::from_ref(&message));
        let expected = format!(
            "{{\"Records\":[{{\"messageId\":\"id\",\"receiptHandle\":\"handle\",\"body\":\"te\\\"xt\",\
             \"attributes\":{{\"ApproximateReceiveCount\":\"1\"}},\
             \"messageAttributes\":{{\"n\":{{\"stringValue\":\"6\",\"dataType\":\"Number\"}}}},\
             \"md5OfBody\":\"{}\",\"eventSource\":\"aws:sqs\",\
             \"eventSourceARN\":\"arn:aws:sqs:us-east-1:111122223333:q\",\"awsRegion\":\"us-east-1\"}}]}}",
            "0".repeat(32)
        );
        assert_eq!(event, expected);
        assert!(size(&message) >= event.len() - "{\"Records\":[]}".len());
    }
}
