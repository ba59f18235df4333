//! Messages that go from one queue to another: to a dead-letter queue, or away from it by a task. They travel as
//! deliveries, written in the batch that takes them out of the queue they leave.

use bytes::Bytes;
use fabric::Delivery;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wire::Error;

use base::{Timestamp, Trace};

use crate::message::{Attribute, AttributeValue, Content, Head};
use crate::queue::Relocation;
use crate::queue_handle::QueueHandle;
use crate::service::Sqs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The delivery's parameter that says what a message keeps on its way.
pub(crate) const MOVED: &str = "MovedMessage";

/// Why a message goes to another queue.
pub(crate) enum Reason {
    /// It was received too often from the queue of this ARN.
    TooManyReceives { source: String },
    /// A task moves it: it becomes a new message there.
    MoveTask,
}

/// What a message keeps on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Moved {
    /// Absent for what becomes a new message.
    pub(crate) original: Option<Original>,
    pub(crate) sender_id: String,
    #[serde(rename = "AWSTraceHeader")]
    pub(crate) trace: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Original {
    pub(crate) message_id: String,
    pub(crate) sent: Timestamp,
    pub(crate) kept_from: Timestamp,
    pub(crate) dead_letter_queue_source_arn: String,
}

impl Sqs {
    /// Sends messages that were taken out of sight to the queue that `target` names for each. Gives how many went;
    /// those without a target stay, and are visible again later.
    pub(crate) async fn relocate(
        &self,
        queue: &QueueHandle,
        taken: Vec<(Head, Option<Box<Content>>)>,
        target: impl Fn(&Content) -> Option<String>,
        reason: &Reason,
    ) -> Result<usize, Error> {
        let contents = queue.contents(taken).await?;
        let mut relocations = Vec::with_capacity(contents.len());
        for (head, content) in contents {
            let Some(content) = content else { continue };
            let Some(target) = target(&content) else { continue };
            let message = self.moving(queue, target, &head, content, reason).message();
            relocations.push(Relocation { head, message });
        }
        let mut relocations = Some(relocations);
        let moved = queue.apply(|state, tx| state.relocate(tx, relocations.take().unwrap_or_default())).await?;
        Ok(moved)
    }

    fn moving(&self, queue: &QueueHandle, target: String, head: &Head, content: Content, reason: &Reason) -> Delivery {
        let trace = content.trace.as_deref().and_then(Trace::parse).unwrap_or_else(|| self.fabric.begin_trace());
        let original = match reason {
            Reason::TooManyReceives { source } => Some(Original {
                message_id: head.message_id(),
                sent: head.sent,
                kept_from: head.kept_from,
                dead_letter_queue_source_arn: source.clone(),
            }),
            Reason::MoveTask => None,
        };
        let moved = Moved { original, sender_id: content.sender_id, trace: content.trace };
        let moved = serde_json::to_value(moved).expect("it has only text keys");
        let payload = Bytes::from(content.body.into_bytes());
        let mut delivery = Delivery::new(&self.fabric.entropy, self.fabric.now(), target, payload, trace)
            .from("sqs.amazonaws.com", queue.name.arn(), &queue.name.scope.account)
            .with(MOVED, moved);
        if !content.attributes.is_empty() {
            let attributes = content.attributes.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
            delivery = delivery.with("MessageAttributes", Value::Object(attributes));
        }
        if let Some(group) = head.group.as_deref() {
            delivery = delivery.with("MessageGroupId", group);
        }
        if queue.name.is_fifo() {
            delivery = delivery.with("MessageDeduplicationId", head.message_id());
        }
        delivery
    }
}

/// An attribute as a delivery's parameters carry it.
fn shown(attribute: &Attribute) -> Value {
    match &attribute.value {
        AttributeValue::Text(text) => json!({"DataType": attribute.data_type, "StringValue": text}),
        AttributeValue::Binary(bytes) => {
            json!({"DataType": attribute.data_type, "BinaryValue": STANDARD.encode(bytes)})
        }
    }
}

/// Reads the attributes of a delivery; one that is not well-formed is named.
pub(crate) fn attributes(shown: &Map<String, Value>) -> Result<std::collections::BTreeMap<String, Attribute>, String> {
    let one = |(name, value): (&String, &Value)| {
        let text = |member: &str| value.get(member).and_then(Value::as_str);
        let data_type = text("DataType").ok_or_else(|| name.clone())?.to_owned();
        let value = match (text("StringValue"), text("BinaryValue")) {
            (Some(text), _) => AttributeValue::Text(text.to_owned()),
            (None, Some(binary)) => AttributeValue::Binary(STANDARD.decode(binary).map_err(|_| name.clone())?.into()),
            (None, None) => return Err(name.clone()),
        };
        Ok((name.clone(), Attribute { data_type, value }))
    };
    shown.iter().map(one).collect()
}
