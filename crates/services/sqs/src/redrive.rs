//! Where messages go that are received too often, and which queues may send theirs.

use base::Arn;
use serde_json::{Map, Value};
use wire::Error;

use crate::error;
use crate::name::QueueName;

/// `RedrivePolicy`: the dead-letter queue and after how many receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedrivePolicy {
    pub(crate) target: QueueName,
    pub(crate) receives_max: u32,
}

/// `RedriveAllowPolicy`: for which queues this one may be the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RedriveAllowPolicy {
    AllowAll,
    DenyAll,
    /// ARNs.
    ByQueue(Vec<String>),
}

const RECEIVES_MAX: u32 = 1_000;
const SOURCES_MAX: usize = 10;

impl RedrivePolicy {
    pub(crate) fn parse(text: &str) -> Result<RedrivePolicy, Error> {
        let wrong = |reason: &str| error::invalid_value(text, "RedrivePolicy", reason);
        let policy = object(text).ok_or_else(|| wrong("Redrive policy is not a valid JSON map."))?;
        let lacks = |name: &str| wrong(&format!("Redrive policy does not contain mandatory attribute: {name}."));
        let target = policy.get("deadLetterTargetArn").ok_or_else(|| lacks("deadLetterTargetArn"))?;
        let receives = policy.get("maxReceiveCount").ok_or_else(|| lacks("maxReceiveCount"))?;
        let receives_max = number(receives).filter(|count| (1..=RECEIVES_MAX).contains(count)).ok_or_else(|| {
            let shown = receives.as_str().map_or_else(|| receives.to_string(), str::to_owned);
            wrong(&format!(
                "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to 1000 both inclusive."
            ))
        })?;
        let target = target.as_str().and_then(|arn| arn.parse::<Arn>().ok()).and_then(|arn| QueueName::of_arn(&arn));
        let target = target.ok_or_else(|| wrong("Invalid value for deadLetterTargetArn."))?;
        Ok(RedrivePolicy { target, receives_max })
    }

    /// What can be said against the target without looking for it.
    pub(crate) fn check(&self, source: &QueueName, text: &str) -> Result<(), Error> {
        let wrong = |reason: &str| error::invalid_value(text, "RedrivePolicy", reason);
        if self.target.scope != source.scope {
            return Err(wrong("Dead-letter queue must be owned by the same account and be in the same region."));
        }
        if self.target.is_fifo() != source.is_fifo() {
            return Err(wrong("Dead-letter queue must be same type of queue as the source."));
        }
        Ok(())
    }
}

impl RedriveAllowPolicy {
    pub(crate) fn parse(text: &str) -> Result<RedriveAllowPolicy, Error> {
        let wrong = |reason: &str| error::invalid_value(text, "RedriveAllowPolicy", reason);
        let policy = object(text).ok_or_else(|| wrong("Redrive allow policy is not a valid JSON map."))?;
        let sources = policy.get("sourceQueueArns");
        let permission = policy.get("redrivePermission").and_then(Value::as_str);
        let parsed = match permission {
            Some("allowAll") => RedriveAllowPolicy::AllowAll,
            Some("denyAll") => RedriveAllowPolicy::DenyAll,
            Some("byQueue") => {
                let texts = |arns: &Vec<Value>| arns.iter().map(|arn| arn.as_str().map(str::to_owned)).collect();
                let arns: Option<Vec<String>> = sources.and_then(Value::as_array).and_then(texts);
                let arns = arns.filter(|arns| (1..=SOURCES_MAX).contains(&arns.len()));
                let reason = "When redrivePermission is byQueue, sourceQueueArns must have 1 to 10 ARNs.";
                return arns.map(RedriveAllowPolicy::ByQueue).ok_or_else(|| wrong(reason));
            }
            _ => return Err(wrong("redrivePermission must be one of allowAll, denyAll, byQueue.")),
        };
        if sources.is_some() {
            return Err(wrong("sourceQueueArns may only be given when redrivePermission is byQueue."));
        }
        Ok(parsed)
    }

    pub(crate) fn permits(&self, source: &QueueName) -> bool {
        match self {
            RedriveAllowPolicy::AllowAll => true,
            RedriveAllowPolicy::DenyAll => false,
            RedriveAllowPolicy::ByQueue(arns) => arns.contains(&source.arn()),
        }
    }
}

fn object(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        _ => u32::try_from(value.as_u64()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redrive_policies_are_read_or_refused_with_the_reason() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:dlq";
        for count in ["3", "\"3\""] {
            let policy =
                RedrivePolicy::parse(&format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#));
            assert_eq!(policy.map(|policy| policy.receives_max), Ok(3));
        }
        let cases = [
            ("x".to_owned(), "not a valid JSON map"),
            ("{}".to_owned(), "mandatory attribute: deadLetterTargetArn"),
            (format!(r#"{{"deadLetterTargetArn":"{arn}"}}"#), "mandatory attribute: maxReceiveCount"),
            (format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":0}}"#), "maxReceiveCount: 0"),
            (format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"1001"}}"#), "maxReceiveCount: 1001"),
            (r#"{"deadLetterTargetArn":"q","maxReceiveCount":1}"#.to_owned(), "deadLetterTargetArn"),
        ];
        for (text, reason) in cases {
            let message = RedrivePolicy::parse(&text).expect_err(&text).message;
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn allow_policies_name_who_may() {
        let source = QueueName { scope: Default::default(), name: "q".into() };
        let by = |arn: &str| format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{arn}"]}}"#);
        let cases = [
            (r#"{"redrivePermission":"allowAll"}"#.to_owned(), Some(true)),
            (r#"{"redrivePermission":"denyAll"}"#.to_owned(), Some(false)),
            (by(&source.arn()), Some(true)),
            (by("arn:aws:sqs:us-east-1:000000000000:other"), Some(false)),
            (r#"{"redrivePermission":"byQueue"}"#.to_owned(), None),
            (r#"{"redrivePermission":"allowAll","sourceQueueArns":[]}"#.to_owned(), None),
            (r#"{"redrivePermission":"some"}"#.to_owned(), None),
        ];
        for (text, expected) in cases {
            let policy = RedriveAllowPolicy::parse(&text).ok();
            assert_eq!(policy.map(|policy| policy.permits(&source)), expected, "{text}");
        }
    }
}
