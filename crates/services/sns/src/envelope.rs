use serde_json::{Map, Value, json};

use crate::publish::Message;
use crate::topics::Subscription;

/// Kobel does not sign messages: nothing outside it could fetch a certificate to verify them by.
const SIGNATURE: &str = "UNSIGNED";

/// What a queue gets, without raw delivery.
pub fn for_queue(message: &Message, body: &str, subscription: &Subscription, origin: &str, region: &str) -> String {
    let mut envelope = Map::new();
    let mut put = |name: &str, value: Value| drop(envelope.insert(name.to_owned(), value));
    put("Type", "Notification".into());
    put("MessageId", message.id.clone().into());
    put("TopicArn", subscription.topic.clone().into());
    if let Some(subject) = &message.subject {
        put("Subject", subject.clone().into());
    }
    put("Message", body.into());
    put("Timestamp", message.published.iso8601().into());
    put("SignatureVersion", "1".into());
    put("Signature", SIGNATURE.into());
    put("SigningCertURL", certificate_url(region).into());
    put("UnsubscribeURL", unsubscribe_url(subscription, origin).into());
    if !message.attributes.is_empty() {
        put("MessageAttributes", attributes(message));
    }
    Value::Object(envelope).to_string()
}

/// The event that a function gets.
pub fn for_function(message: &Message, body: &str, subscription: &Subscription, origin: &str, region: &str) -> String {
    json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": {
            "Type": "Notification",
            "MessageId": message.id,
            "TopicArn": subscription.topic,
            "Subject": message.subject,
            "Message": body,
            "Timestamp": message.published.iso8601(),
            "SignatureVersion": "1",
            "Signature": SIGNATURE,
            "SigningCertUrl": certificate_url(region),
            "UnsubscribeUrl": unsubscribe_url(subscription, origin),
            "MessageAttributes": attributes(message),
        },
    }]})
    .to_string()
}

fn attributes(message: &Message) -> Value {
    let shown = message.attributes.iter().map(|(name, attribute)| (name.clone(), attribute.in_envelope()));
    Value::Object(shown.collect())
}

fn certificate_url(region: &str) -> String {
    format!("https://sns.{region}.amazonaws.com/SimpleNotificationService.pem")
}

fn unsubscribe_url(subscription: &Subscription, origin: &str) -> String {
    format!("{origin}/?Action=Unsubscribe&SubscriptionArn={}", subscription.arn)
}
