//! What becomes a message: checks of what senders give, whoever they are.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Timestamp;
use fabric::Unit;
use wire::{Call, Error};

use crate::message::{Attribute, AttributeValue, Content};
use crate::queue::{Outgoing, Sent};
use crate::queue_handle::{Live, QueueHandle};
use crate::service::Sqs;
use crate::{digest, error};

/// How many custom attributes a message may have.
const ATTRIBUTES_MAX: usize = 10;
const ATTRIBUTE_NAME_LENGTH_MAX: usize = 256;
const DELAY_S_MAX: i32 = 900;
const ID_LENGTH_MAX: usize = 128;

/// What a sender gives, before it is checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) content: Content,
    pub(crate) group: Option<String>,
    pub(crate) delay_s: Option<i32>,
}

impl Draft {
    /// Checks the draft by the rules of the queue.
    pub(crate) fn check(self, live: &Live, id: u128) -> Result<Outgoing, Error> {
        let bytes_max = live.settings.message_bytes_max;
        if self.content.size() > bytes_max {
            return Err(error::message_too_long(bytes_max));
        }
        self.check_moved(live, id)
    }

    /// Checks what another queue has accepted already: it may be larger than what is sent here, or it would be lost.
    pub(crate) fn check_moved(self, live: &Live, id: u128) -> Result<Outgoing, Error> {
        let Draft { mut content, group, delay_s } = self;
        let settings = &live.settings;
        if content.body.is_empty() {
            return Err(error::missing_parameter("MessageBody"));
        }
        check_text(&content.body)?;
        check_attributes(&content.attributes)?;
        for (value, parameter) in [(&group, "MessageGroupId"), (&content.deduplication, "MessageDeduplicationId")] {
            match value {
                Some(value) if !is_id(value) => return Err(error::invalid_id(value, parameter)),
                _ => {}
            }
        }
        let key = if settings.fifo {
            let group = group.as_deref().ok_or_else(|| error::missing_parameter("MessageGroupId"))?;
            if content.deduplication.is_none() && settings.content_based_deduplication {
                content.deduplication = Some(digest::deduplication_id(&content.body));
            }
            let id = content.deduplication.as_deref().ok_or_else(error::needs_deduplication)?;
            Some(key(settings.deduplication_per_group.then_some(group), id))
        } else {
            if let Some(id) = &content.deduplication {
                return Err(error::not_for_this_type(id, "MessageDeduplicationId"));
            }
            None
        };
        let delay = match delay_s {
            Some(0) if settings.fifo => None,
            Some(delay_s) if settings.fifo => return Err(error::not_for_this_type(delay_s, "DelaySeconds")),
            Some(delay_s) if !(0..=DELAY_S_MAX).contains(&delay_s) => {
                let reason = "DelaySeconds must be >= 0 and <= 900.";
                return Err(error::invalid_value(delay_s, "DelaySeconds", reason));
            }
            delay_s => delay_s.map(|delay_s| Duration::from_secs(u64::from(delay_s.unsigned_abs()))),
        };
        Ok(Outgoing { id, content, group: group.map(Into::into), delay, key, sent: None, kept_from: None })
    }
}

/// By what a repetition in a FIFO queue is recognised.
pub(crate) fn key(group: Option<&str>, deduplication: &str) -> u128 {
    digest::short(["fifo", group.unwrap_or_default(), deduplication])
}

impl Sqs {
    /// Takes checked messages; durable when this returns.
    pub(crate) async fn send(&self, queue: &QueueHandle, messages: Vec<Outgoing>) -> Result<Vec<Sent>, Error> {
        let live = queue.live();
        let sizes: Vec<usize> = messages.iter().map(|message| message.content.size()).collect();
        let mut messages = Some(messages);
        let sent = queue
            .apply(|state, tx| state.send(tx, &live.settings, messages.take().unwrap_or_default()))
            .await
            .map_err(Error::from)?;
        self.measure(queue, "NumberOfMessagesSent", sent.len() as f64, Unit::Count);
        for size in sizes {
            self.measure(queue, "SentMessageSize", size as f64, Unit::Bytes);
        }
        Ok(sent)
    }

    /// A new message id.
    pub(crate) fn new_id(&self) -> u128 {
        let random = u128::from(self.fabric.entropy.u64()) << 64 | u128::from(self.fabric.entropy.u64());
        const VERSION: u128 = 0xf << 76;
        const VARIANT: u128 = 0x3 << 62;
        random & !VERSION & !VARIANT | 0x4 << 76 | 0x2 << 62
    }

    /// The trace that a message of this call carries on: where a function of Kobel's sends it, what the function
    /// does is known as its doing.
    pub(crate) fn trace_of(&self, call: &Call) -> Option<String> {
        self.fabric.sessions.get(&call.caller.access_key).map(|_| call.trace.to_string())
    }
}

/// `SenderId`: the unique id of who sends, which stays the same.
pub(crate) fn sender_id(call: &Call) -> String {
    match call.caller.principal.split_once(":assumed-role/") {
        Some((_, role)) => {
            let session = role.rsplit('/').next().unwrap_or(role);
            format!("AROA{}:{session}", unique(role.split('/').next().unwrap_or(role)))
        }
        None => principal_id(&format!("{}/{}", call.scope.account, call.caller.principal)),
    }
}

/// The unique id of a user or a service.
pub(crate) fn principal_id(principal: &str) -> String {
    format!("AIDA{}", unique(principal))
}

fn unique(name: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = digest::short([name]);
    (0..17).map(|at| char::from(ALPHABET[(digest >> (at * 5) & 31) as usize])).collect()
}

/// Characters that XML allows.
fn check_text(text: &str) -> Result<(), Error> {
    let is_valid = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    match text.chars().find(|c| !is_valid(*c)) {
        None => Ok(()),
        Some(c) => {
            let message = format!(
                "Invalid binary character '#x{:X}' was found in the message body, the set of allowed characters is \
                 #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
                u32::from(c)
            );
            Err(model_sqs::errors::invalid_message_contents(message))
        }
    }
}

fn check_attributes(attributes: &BTreeMap<String, Attribute>) -> Result<(), Error> {
    if attributes.len() > ATTRIBUTES_MAX {
        let count = attributes.len();
        let message = format!("Number of message attributes [{count}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].");
        return Err(error::invalid_parameter(message));
    }
    attributes.iter().try_for_each(|(name, attribute)| check_attribute(name, attribute))
}

fn check_attribute(name: &str, attribute: &Attribute) -> Result<(), Error> {
    let lower = name.to_ascii_lowercase();
    let valid = (1..=ATTRIBUTE_NAME_LENGTH_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..");
    if !valid {
        let message = format!(
            "Message (user) attribute name '{name}' is invalid. It can contain letters, digits, periods, hyphens and \
             underscores, must not begin with AWS. or Amazon., nor begin, end or have a sequence of periods."
        );
        return Err(error::invalid_parameter(message));
    }
    let kind = attribute.data_type.split('.').next().unwrap_or_default();
    let matches = match (&attribute.value, kind) {
        (AttributeValue::Text(_), "String" | "Number") | (AttributeValue::Binary(_), "Binary") => true,
        (_, "String" | "Number" | "Binary") => false,
        _ => {
            let message = format!(
                "The type of message (user) attribute '{name}' is invalid. You must use only the following supported \
                 type prefixes: Binary, Number, String."
            );
            return Err(error::invalid_parameter(message));
        }
    };
    if !matches || attribute.value.bytes().is_empty() {
        let message = format!("Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.");
        return Err(error::invalid_parameter(message));
    }
    match &attribute.value {
        AttributeValue::Text(text) if kind == "Number" && text.parse::<f64>().is_err() => {
            let message = format!("Can't cast the value of message (user) attribute '{name}' to a number.");
            Err(error::invalid_parameter(message))
        }
        AttributeValue::Text(text) => check_text(text),
        AttributeValue::Binary(_) => Ok(()),
    }
}

pub(crate) fn is_id(id: &str) -> bool {
    (1..=ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// A message that another queue sends on keeps when it was first sent.
pub(crate) fn moved(mut message: Outgoing, sent: Timestamp, kept_from: Option<Timestamp>) -> Outgoing {
    message.sent = Some(sent);
    message.kept_from = kept_from;
    message.delay = Some(Duration::ZERO);
    message
}
