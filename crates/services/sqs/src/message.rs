//! A message: its head, which changes as it is received, and its content, which never does.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Timestamp;
use bytes::Bytes;

use crate::digest;
use crate::row::{Reader, Writer};

/// A content up to this size is kept in memory with its head; a larger one is read when it is received.
pub(crate) const CONTENT_KEPT_BYTES_MAX: usize = 4_096;

const VERSION: u8 = 1;

/// What a queue must know of a message to decide what happens to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    /// The message id, a UUID.
    pub(crate) id: u128,
    /// The number under which the queue took it; unique in the queue.
    pub(crate) sequence: u64,
    /// When it was first sent: `SentTimestamp`.
    pub(crate) sent: Timestamp,
    /// From when its retention counts.
    pub(crate) kept_from: Timestamp,
    /// From when it can be received.
    pub(crate) visible: Timestamp,
    pub(crate) first_received: Timestamp,
    pub(crate) last_received: Timestamp,
    /// How often: `ApproximateReceiveCount`.
    pub(crate) received: u32,
    pub(crate) group: Option<Arc<str>>,
}

/// What the sender gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, Attribute>,
    pub(crate) sender_id: String,
    /// `AWSTraceHeader`.
    pub(crate) trace: Option<String>,
    /// `MessageDeduplicationId`.
    pub(crate) deduplication: Option<String>,
    /// `DeadLetterQueueSourceArn`.
    pub(crate) dead_letter_source: Option<String>,
}

/// A custom message attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attribute {
    pub(crate) data_type: String,
    pub(crate) value: AttributeValue,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AttributeValue {
    Text(String),
    Binary(Bytes),
}

/// A message on its way out: with a new receipt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    pub(crate) head: Head,
    pub(crate) content: Content,
    pub(crate) receipt: String,
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let group = self.group.as_deref();
        let mut row = Writer::with_capacity(80 + group.map_or(0, |group| 4 + group.len()));
        row.u8(VERSION);
        row.u128(self.id);
        row.u64(self.sequence);
        for moment in [self.sent, self.kept_from, self.visible, self.first_received, self.last_received] {
            row.i64(moment.micros());
        }
        row.u32(self.received);
        row.optional(group);
        row.finish()
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Head> {
        let mut row = Reader::new(row);
        if row.u8()? != VERSION {
            return None;
        }
        Some(Head {
            id: row.u128()?,
            sequence: row.u64()?,
            sent: Timestamp::from_micros(row.i64()?),
            kept_from: Timestamp::from_micros(row.i64()?),
            visible: Timestamp::from_micros(row.i64()?),
            first_received: Timestamp::from_micros(row.i64()?),
            last_received: Timestamp::from_micros(row.i64()?),
            received: row.u32()?,
            group: row.optional()?.map(Arc::from),
        })
    }

    pub(crate) fn message_id(&self) -> String {
        uuid(self.id)
    }

    /// Twenty digits that grow with each message of the queue.
    pub(crate) fn sequence_number(&self) -> String {
        sequence_number(self.sequence)
    }
}

impl Content {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = Writer::with_capacity(64 + self.body.len());
        row.u8(VERSION);
        row.bytes(self.body.as_bytes());
        row.bytes(self.sender_id.as_bytes());
        row.optional(self.trace.as_deref());
        row.optional(self.deduplication.as_deref());
        row.optional(self.dead_letter_source.as_deref());
        for (name, attribute) in &self.attributes {
            row.bytes(name.as_bytes());
            row.bytes(attribute.data_type.as_bytes());
            row.u8(attribute.value.transport());
            row.bytes(attribute.value.bytes());
        }
        row.finish()
    }

    pub(crate) fn decode(row: &[u8]) -> Option<Content> {
        let mut row = Reader::new(row);
        if row.u8()? != VERSION {
            return None;
        }
        let mut content = Content {
            body: row.text()?,
            sender_id: row.text()?,
            trace: row.optional()?,
            deduplication: row.optional()?,
            dead_letter_source: row.optional()?,
            attributes: BTreeMap::new(),
        };
        while !row.is_at_end() {
            let name = row.text()?;
            let data_type = row.text()?;
            let value = match row.u8()? {
                AttributeValue::BINARY => AttributeValue::Binary(Bytes::copy_from_slice(row.bytes()?)),
                _ => AttributeValue::Text(row.text()?),
            };
            content.attributes.insert(name, Attribute { data_type, value });
        }
        Some(content)
    }

    /// What counts towards the maximum message size: the body and the custom attributes.
    pub(crate) fn size(&self) -> usize {
        let attribute = |(name, attribute): (&String, &Attribute)| {
            name.len() + attribute.data_type.len() + attribute.value.bytes().len()
        };
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    pub(crate) fn md5_of_body(&self) -> String {
        digest::of_body(&self.body)
    }
}

impl AttributeValue {
    const TEXT: u8 = 1;
    const BINARY: u8 = 2;

    /// The transport type, as the digest of attributes has it.
    pub(crate) fn transport(&self) -> u8 {
        match self {
            AttributeValue::Text(_) => AttributeValue::TEXT,
            AttributeValue::Binary(_) => AttributeValue::BINARY,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            AttributeValue::Text(text) => text.as_bytes(),
            AttributeValue::Binary(bytes) => bytes,
        }
    }
}

/// The hyphenated form of a UUID.
pub(crate) fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Reads the hyphenated form back.
pub(crate) fn parse_uuid(text: &str) -> Option<u128> {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.iter().map(|part| part.len()).ne([8, 4, 4, 4, 12])
        || !text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
    {
        return None;
    }
    u128::from_str_radix(&parts.concat(), 16).ok()
}

pub(crate) fn sequence_number(sequence: u64) -> String {
    format!("188{sequence:017}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_whole() {
        let head = Head {
            id: 0x1234_5678_9abc_def0_1234_5678_9abc_def0,
            sequence: 7,
            sent: Timestamp::from_micros(1),
            kept_from: Timestamp::from_micros(2),
            visible: Timestamp::from_micros(3),
            first_received: Timestamp::EPOCH,
            last_received: Timestamp::EPOCH,
            received: 4,
            group: Some("g".into()),
        };
        assert_eq!(Head::decode(&head.encode()), Some(head.clone()));
        assert_eq!(parse_uuid(&head.message_id()), Some(head.id));
        assert_eq!(head.sequence_number(), "18800000000000000007");
        let text = Attribute { data_type: "String".into(), value: AttributeValue::Text("v".into()) };
        let binary =
            Attribute { data_type: "Binary.x".into(), value: AttributeValue::Binary(Bytes::from_static(b"\xff")) };
        let content = Content {
            body: "b".into(),
            attributes: [("t".to_owned(), text), ("b".to_owned(), binary)].into(),
            sender_id: "AIDA".into(),
            trace: Some("Root=1".into()),
            ..Content::default()
        };
        assert_eq!(Content::decode(&content.encode()), Some(content.clone()));
        assert_eq!(content.size(), 1 + (1 + 6 + 1) + (1 + 8 + 1));
    }

    #[test]
    fn damaged_rows_are_refused() {
        let row = Content { body: "hello".into(), ..Content::default() }.encode();
        for length in 0..row.len() {
            assert!(Content::decode(&row[..length]).is_none(), "{length}");
        }
        for text in ["", "1234", "zz345678-1234-1234-1234-123456789012", "12345678-1234-1234-1234-1234567890123"] {
            assert!(parse_uuid(text).is_none(), "{text}");
        }
    }
}
