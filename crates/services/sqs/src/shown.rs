//! Messages as receivers see them, with the attributes they ask for.

use std::collections::BTreeMap;

use model_sqs::{Message, MessageAttributeValue};

use crate::digest;
use crate::message::{Attribute, AttributeValue, Received};

/// Which attributes a receiver asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    All,
    /// Exact names, and beginnings of names (`prefix.*`).
    Some {
        exact: Vec<String>,
        prefixes: Vec<String>,
    },
}

impl Names {
    /// Reads a list of names, `All`, `.*` and `prefix.*`.
    pub(crate) fn read<'a>(names: impl IntoIterator<Item = &'a String>) -> Names {
        let (mut exact, mut prefixes) = (Vec::new(), Vec::new());
        for name in names {
            match name.strip_suffix(".*") {
                _ if name == "All" => return Names::All,
                Some("") => return Names::All,
                Some(prefix) => prefixes.push(prefix.to_owned()),
                None => exact.push(name.clone()),
            }
        }
        Names::Some { exact, prefixes }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Names::All => true,
            Names::Some { exact, prefixes } => {
                exact.iter().any(|exact| exact == name)
                    || prefixes.iter().any(|prefix| {
                        name == prefix || name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.'))
                    })
            }
        }
    }
}

/// The system attributes of a message that are asked for.
pub(crate) fn system_attributes(received: &Received, names: &Names) -> BTreeMap<String, String> {
    let (head, content) = (&received.head, &received.content);
    // Only a FIFO queue has numbered, deduplicated messages.
    let fifo = content.deduplication.is_some();
    let all = [
        ("AWSTraceHeader", content.trace.clone()),
        ("ApproximateFirstReceiveTimestamp", Some(head.first_received.millis().to_string())),
        ("ApproximateReceiveCount", Some(head.received.to_string())),
        ("DeadLetterQueueSourceArn", content.dead_letter_source.clone()),
        ("MessageDeduplicationId", content.deduplication.clone()),
        ("MessageGroupId", head.group.as_deref().map(str::to_owned)),
        ("SenderId", Some(content.sender_id.clone())),
        ("SentTimestamp", Some(head.sent.millis().to_string())),
        ("SequenceNumber", fifo.then(|| head.sequence_number())),
    ];
    let wanted = all.into_iter().filter(|(name, _)| names.has(name));
    wanted.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A message as ReceiveMessage answers it.
pub(crate) fn message(received: Received, system: &Names, custom: &Names) -> Message {
    let attributes = system_attributes(&received, system);
    let id = received.head.message_id();
    let md5_of_body = received.content.md5_of_body();
    let mut shown = received.content.attributes;
    shown.retain(|name, _| custom.has(name));
    Message {
        message_id: Some(id),
        receipt_handle: Some(received.receipt),
        md5_of_body: Some(md5_of_body),
        attributes: (!attributes.is_empty()).then_some(attributes),
        md5_of_message_attributes: digest::of_attributes(&shown),
        message_attributes: (!shown.is_empty())
            .then(|| shown.into_iter().map(|(name, attribute)| (name, value(attribute))).collect()),
        body: Some(received.content.body),
    }
}

fn value(attribute: Attribute) -> MessageAttributeValue {
    let data_type = attribute.data_type;
    match attribute.value {
        AttributeValue::Text(text) => {
            MessageAttributeValue { string_value: Some(text), data_type, ..Default::default() }
        }
        AttributeValue::Binary(bytes) => {
            MessageAttributeValue { binary_value: Some(bytes), data_type, ..Default::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_in_all_their_forms() {
        let cases: [(&[&str], &str, bool); 8] = [
            (&["All"], "x", true),
            (&[".*"], "x", true),
            (&["x"], "x", true),
            (&["x"], "xy", false),
            (&["a.*"], "a.b", true),
            (&["a.*"], "ab", false),
            (&["y", "x"], "x", true),
            (&[], "x", false),
        ];
        for (names, name, expected) in cases {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(Names::read(&names).has(name), expected, "{names:?} {name}");
        }
    }
}
