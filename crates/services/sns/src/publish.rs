use base::{Scope, Timestamp, Trace};
use bytes::Bytes;
use fabric::{Backoff, Delivery, Fabric, RetryPolicy};
use serde_json::{Map, Value};
use wire::Error;

use crate::attribute::{Attribute, Attributes};
use crate::error;
use crate::topics::{Subscription, Topic};
use crate::{envelope, filter};

/// A message that was published.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub published: Timestamp,
    pub body: Body,
    pub subject: Option<String>,
    pub attributes: Attributes,
    /// Passed on to queues.
    pub group: Option<String>,
}

/// One text for all, or one for each protocol.
#[derive(Clone, Debug)]
pub enum Body {
    Plain(String),
    ByProtocol { default: String, others: Map<String, Value> },
}

/// Deliveries to queues and functions: three attempts at once, two after a second each, ten with growing waits, then
/// every 20 seconds, for 23 days.
pub const RETRY: RetryPolicy = RetryPolicy {
    attempts_max: 100_015,
    age_max_s: 23 * 24 * 3600,
    backoff: Backoff { first_ms: 100, factor: 1.7, max_ms: 20_000 },
};

impl Message {
    /// Checks what the model does not: an empty message, a subject, a size, the JSON of a structure.
    pub fn new(
        fabric: &Fabric,
        text: String,
        subject: Option<String>,
        structure: Option<&str>,
        attributes: Attributes,
        group: Option<String>,
    ) -> Result<Message, Error> {
        if text.is_empty() {
            return Err(error::invalid("Empty message"));
        }
        let well_formed =
            |subject: &String| !subject.is_empty() && subject.chars().count() <= 100 && !subject.contains(['\n', '\r']);
        if subject.as_ref().is_some_and(|subject| !well_formed(subject)) {
            return Err(error::invalid("Subject"));
        }
        let body = match structure {
            Some("json") => by_protocol(&text)?,
            _ => Body::Plain(text),
        };
        Ok(Message { id: fabric.entropy.uuid(), published: fabric.now(), body, subject, attributes, group })
    }

    pub fn check_size(&self, topic: &Topic) -> Result<(), Error> {
        let attributes: usize = self.attributes.iter().map(|(name, attribute)| name.len() + attribute.bytes()).sum();
        if self.body.default().len() + attributes > topic.message_bytes_max() {
            return Err(error::invalid("Message too long"));
        }
        Ok(())
    }

    /// The delivery to a subscription, unless its filter does not want the message.
    pub fn deliver(
        &self,
        fabric: &Fabric,
        scope: &Scope,
        subscription: &Subscription,
        origin: &str,
        trace: &Trace,
    ) -> Option<Delivery> {
        let body = self.body.of(&subscription.protocol);
        let filter: &filter::Filter = &subscription.filter;
        if !filter.matches(&self.attributes, body) {
            return None;
        }
        let region = scope.region.as_str();
        let to_queue = subscription.protocol == "sqs";
        let raw = to_queue && subscription.is_raw();
        let payload = match (to_queue, raw) {
            (true, true) => body.to_owned(),
            (true, false) => envelope::for_queue(self, body, subscription, origin, region),
            (false, _) => envelope::for_function(self, body, subscription, origin, region),
        };
        let mut delivery =
            Delivery::new(&fabric.entropy, self.published, &subscription.endpoint, Bytes::from(payload), trace.clone())
                .from("sns.amazonaws.com", &subscription.topic, &scope.account)
                .with_retry(RETRY);
        if raw && !self.attributes.is_empty() {
            let shown = |(name, attribute): (&String, &Attribute)| (name.clone(), attribute.in_queue());
            delivery = delivery.with("MessageAttributes", Value::Object(self.attributes.iter().map(shown).collect()));
        }
        if let Some(group) = self.group.as_ref().filter(|_| to_queue) {
            delivery = delivery.with("MessageGroupId", group.as_str());
        }
        Some(match subscription.dead_letter() {
            Some(dead_letter) => delivery.with_dead_letter(dead_letter),
            None => delivery,
        })
    }
}

impl Body {
    fn default(&self) -> &str {
        match self {
            Body::Plain(text) | Body::ByProtocol { default: text, .. } => text,
        }
    }

    fn of(&self, protocol: &str) -> &str {
        match self {
            Body::Plain(text) => text,
            Body::ByProtocol { default, others } => others.get(protocol).and_then(Value::as_str).unwrap_or(default),
        }
    }
}

fn by_protocol(text: &str) -> Result<Body, Error> {
    let Ok(Value::Object(others)) = serde_json::from_str(text) else {
        return Err(error::invalid("Message Structure - JSON message body failed to parse"));
    };
    let missing = || error::invalid("Message Structure - No default entry in JSON message body");
    let default = others.get("default").and_then(Value::as_str).ok_or_else(missing)?.to_owned();
    Ok(Body::ByProtocol { default, others })
}
