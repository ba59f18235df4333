use std::collections::BTreeMap;
use std::sync::Arc;

use model_sqs::{MessageAttributeValue, MessageSystemAttributeValue, SendMessageRequest, SendMessageResult};
use wire::{Call, Error};

use crate::message::{Attribute, AttributeValue, Content, sequence_number, uuid};
use crate::sending::{Draft, sender_id};
use crate::service::Sqs;
use crate::{digest, error};

pub(crate) async fn send_message(
    sqs: Arc<Sqs>,
    call: Call,
    input: SendMessageRequest,
) -> Result<SendMessageResult, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    let given = Given {
        body: input.message_body,
        attributes: input.message_attributes,
        system: input.message_system_attributes,
        deduplication: input.message_deduplication_id,
        group: input.message_group_id,
        delay_s: input.delay_seconds,
    };
    let (draft, digests) = given.draft(&sqs, &call)?;
    let message = draft.check(&queue.live(), sqs.new_id())?;
    let sent = sqs.send(&queue, vec![message]).await?;
    let sent = sent.first().ok_or_else(|| error::internal("a message was sent and not counted"))?;
    Ok(SendMessageResult {
        md5_of_message_body: Some(digests.body),
        md5_of_message_attributes: digests.attributes,
        md5_of_message_system_attributes: digests.system,
        message_id: Some(uuid(sent.id)),
        sequence_number: queue.name.is_fifo().then(|| sequence_number(sent.sequence)),
    })
}

/// What a caller gives for one message.
pub(super) struct Given {
    pub(super) body: String,
    pub(super) attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    pub(super) system: Option<BTreeMap<String, MessageSystemAttributeValue>>,
    pub(super) deduplication: Option<String>,
    pub(super) group: Option<String>,
    pub(super) delay_s: Option<i32>,
}

pub(super) struct Digests {
    pub(super) body: String,
    pub(super) attributes: Option<String>,
    pub(super) system: Option<String>,
}

impl Given {
    pub(super) fn draft(self, sqs: &Sqs, call: &Call) -> Result<(Draft, Digests), Error> {
        let attributes = self.attributes.unwrap_or_default().into_iter().map(|(name, value)| {
            let attribute = attribute(&name, value.data_type, value.string_value, value.binary_value)?;
            Ok((name, attribute))
        });
        let attributes: BTreeMap<_, _> = attributes.collect::<Result<_, Error>>()?;
        let system = self.system.unwrap_or_default().into_iter().map(|(name, value)| {
            let attribute = attribute(&name, value.data_type, value.string_value, value.binary_value)?;
            Ok((name, attribute))
        });
        let system: BTreeMap<_, _> = system.collect::<Result<_, Error>>()?;
        let digests = Digests {
            body: digest::of_body(&self.body),
            attributes: digest::of_attributes(&attributes),
            system: digest::of_attributes(&system),
        };
        let trace = match system.get("AWSTraceHeader").map(|attribute| &attribute.value) {
            Some(AttributeValue::Text(text)) => Some(text.clone()),
            _ => sqs.trace_of(call),
        };
        let content = Content {
            body: self.body,
            attributes,
            sender_id: sender_id(call),
            trace,
            deduplication: self.deduplication,
            dead_letter_source: None,
        };
        Ok((Draft { content, group: self.group, delay_s: self.delay_s }, digests))
    }
}

fn attribute(
    name: &str,
    data_type: String,
    text: Option<String>,
    binary: Option<bytes::Bytes>,
) -> Result<Attribute, Error> {
    let value = match (text, binary) {
        (Some(text), None) => AttributeValue::Text(text),
        (None, Some(binary)) => AttributeValue::Binary(binary),
        _ => {
            let kind = data_type.split('.').next().unwrap_or_default();
            let message = format!("Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.");
            return Err(error::invalid_parameter(message));
        }
    };
    Ok(Attribute { data_type, value })
}
