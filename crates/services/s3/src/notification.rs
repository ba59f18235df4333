use base::Trace;
use bytes::Bytes;
use fabric::{Delivery, Fabric};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bucket::Bucket;

/// One configuration of a bucket's notification: which events go where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub id: String,
    pub kind: Kind,
    /// The ARN of the function, queue or topic.
    pub target: String,
    /// `s3:ObjectCreated:*`, …
    pub events: Vec<String>,
    #[serde(default)]
    pub prefix: Option<String>,
    #[serde(default)]
    pub suffix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Function,
    Queue,
    Topic,
}

/// What happened to an object.
#[derive(Clone, Debug)]
pub struct Happened<'a> {
    /// Without `s3:`: `ObjectCreated:Put`.
    pub event: &'static str,
    pub key: &'a str,
    /// Absent where the object is gone.
    pub size: Option<u64>,
    pub etag: Option<&'a str>,
    pub request_id: &'a str,
    pub principal: &'a str,
    pub trace: &'a Trace,
}

/// All that may be asked for; `*` stands for the rest of a family.
pub const EVENTS: [&str; 17] = [
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAcl:Put",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:LifecycleExpiration:*",
    "s3:ReducedRedundancyLostObject",
];

impl Rule {
    pub fn wants(&self, event: &str, encoded_key: &str) -> bool {
        let names = |pattern: &String| {
            let pattern = pattern.strip_prefix("s3:").unwrap_or(pattern);
            pattern.strip_suffix('*').map_or(pattern == event, |family| event.starts_with(family))
        };
        self.events.iter().any(names)
            && self.prefix.as_ref().is_none_or(|prefix| encoded_key.starts_with(prefix.as_str()))
            && self.suffix.as_ref().is_none_or(|suffix| encoded_key.ends_with(suffix.as_str()))
    }
}

/// The deliveries that follow from what happened, one for each rule that wants it.
pub fn deliveries(fabric: &Fabric, bucket: &Bucket, happened: &Happened<'_>) -> Vec<Delivery> {
    let key = encode_key(happened.key);
    let rules = bucket.notification.iter().filter(|rule| {
        // The comparison is against the encoded key; a plain value compares with the plain key as well.
        rule.wants(happened.event, &key) || rule.wants(happened.event, happened.key)
    });
    let deliver = |rule: &Rule| {
        let record = record(fabric, bucket, rule, happened, &key);
        let payload = Bytes::from(json!({ "Records": [record] }).to_string());
        let delivery = Delivery::new(&fabric.entropy, fabric.now(), &rule.target, payload, happened.trace.clone());
        let delivery = delivery.from("s3.amazonaws.com", bucket.arn(), &bucket.account);
        match rule.kind {
            Kind::Topic => delivery.with("Subject", "Amazon S3 Notification"),
            Kind::Function | Kind::Queue => delivery,
        }
    };
    rules.map(deliver).collect()
}

/// The message that S3 sends to a queue or topic when a configuration names it.
pub fn test_event(fabric: &Fabric, bucket: &Bucket, rule: &Rule, request_id: &str, trace: &Trace) -> Delivery {
    let payload = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": fabric.now().iso8601(),
        "Bucket": bucket.name,
        "RequestId": request_id,
        "HostId": host_id(request_id),
    });
    let payload = Bytes::from(payload.to_string());
    Delivery::new(&fabric.entropy, fabric.now(), &rule.target, payload, trace.clone())
        .from("s3.amazonaws.com", bucket.arn(), &bucket.account)
        .with("Subject", "Amazon S3 Notification")
}

fn record(
    fabric: &Fabric,
    bucket: &Bucket,
    rule: &Rule,
    happened: &Happened<'_>,
    encoded_key: &str,
) -> serde_json::Value {
    let now = fabric.now();
    let mut object = json!({ "key": encoded_key });
    if let Some(size) = happened.size {
        object["size"] = size.into();
    }
    if let Some(etag) = happened.etag {
        object["eTag"] = etag.into();
    }
    let tagging = happened.event.starts_with("ObjectTagging");
    if !tagging {
        object["sequencer"] = format!("{:018X}", now.micros()).into();
    }
    json!({
        "eventVersion": if tagging { "2.3" } else { "2.1" },
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": now.iso8601(),
        "eventName": happened.event,
        "userIdentity": { "principalId": format!("AWS:{}", happened.principal) },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": {
            "x-amz-request-id": happened.request_id,
            "x-amz-id-2": host_id(happened.request_id),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule.id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": { "principalId": bucket.account },
                "arn": bucket.arn(),
            },
            "object": object,
        },
    })
}

/// The extended request id, `x-amz-id-2`.
fn host_id(request_id: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(format!("kobel-{request_id}"))
}

/// What is encoded in a key, in events and listings.
pub(crate) const KEY_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*');

/// A key as events carry it: encoded like a form, with `/` kept and a space as `+`.
pub fn encode_key(key: &str) -> String {
    utf8_percent_encode(key, KEY_ENCODED).to_string().replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(event: &str, prefix: Option<&str>, suffix: Option<&str>) -> Rule {
        Rule {
            id: "id".into(),
            kind: Kind::Queue,
            target: "arn".into(),
            events: vec![event.into()],
            prefix: prefix.map(str::to_owned),
            suffix: suffix.map(str::to_owned),
        }
    }

    #[test]
    fn rules_match_families_and_affixes() {
        let cases = [
            (rule("s3:ObjectCreated:*", None, None), "ObjectCreated:Put", "a", true),
            (rule("s3:ObjectCreated:Copy", None, None), "ObjectCreated:Put", "a", false),
            (rule("s3:ObjectRemoved:*", None, None), "ObjectCreated:Put", "a", false),
            (rule("s3:ObjectCreated:*", Some("in/"), Some(".txt")), "ObjectCreated:Put", "in/a.txt", true),
            (rule("s3:ObjectCreated:*", Some("in/"), Some(".txt")), "ObjectCreated:Put", "in/a.jpg", false),
            (rule("s3:ObjectCreated:*", Some("in/"), None), "ObjectCreated:Put", "out/a", false),
            (rule("s3:ObjectCreated:*", Some(""), Some("")), "ObjectCreated:Put", "x", true),
        ];
        for (rule, event, key, expected) in cases {
            assert_eq!(rule.wants(event, key), expected, "{rule:?} {event} {key}");
        }
    }

    #[test]
    fn keys_are_encoded_like_a_form() {
        assert_eq!(encode_key("a/b c@d+ü.txt"), "a/b+c%40d%2B%C3%BC.txt");
    }
}
