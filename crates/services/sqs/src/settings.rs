//! A queue's attributes: which there are, what they may be, and what they come to.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use policy::Document;
use wire::Error;

use crate::error;
use crate::name::QueueName;
use crate::redrive::{RedriveAllowPolicy, RedrivePolicy};

/// Attributes as callers give them: texts by name.
pub(crate) type Attributes = BTreeMap<String, String>;

/// How many bytes a message may have at most.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1_048_576;

/// What a queue goes by, read from its attributes.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) fifo: bool,
    pub(crate) visibility_timeout: Duration,
    pub(crate) delay: Duration,
    pub(crate) retention: Duration,
    pub(crate) wait: Duration,
    pub(crate) message_bytes_max: usize,
    pub(crate) redrive: Option<RedrivePolicy>,
    pub(crate) redrive_allow: RedriveAllowPolicy,
    pub(crate) content_based_deduplication: bool,
    pub(crate) deduplication_per_group: bool,
    pub(crate) policy: Option<Document>,
}

/// Numbers: name, range, default.
const NUMBERS: [(&str, RangeInclusive<u64>, &str); 5] = [
    ("DelaySeconds", 0..=900, "0"),
    ("MaximumMessageSize", 1_024..=MESSAGE_BYTES_MAX as u64, "1048576"),
    ("MessageRetentionPeriod", 60..=1_209_600, "345600"),
    ("ReceiveMessageWaitTimeSeconds", 0..=20, "0"),
    ("VisibilityTimeout", 0..=43_200, "30"),
];

/// What a FIFO queue shows besides, by default.
const FIFO_DEFAULTS: [(&str, &str); 4] = [
    ("ContentBasedDeduplication", "false"),
    ("DeduplicationScope", "queue"),
    ("FifoQueue", "true"),
    ("FifoThroughputLimit", "perQueue"),
];

/// Attributes that are computed and can't be set.
pub(crate) const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// Whether GetQueueAttributes knows the name.
pub(crate) fn is_attribute(name: &str) -> bool {
    READ_ONLY.contains(&name)
        || NUMBERS.iter().any(|(number, ..)| *number == name)
        || FIFO_DEFAULTS.iter().any(|(attribute, _)| *attribute == name)
        || matches!(
            name,
            "Policy"
                | "RedrivePolicy"
                | "RedriveAllowPolicy"
                | "KmsMasterKeyId"
                | "KmsDataKeyReusePeriodSeconds"
                | "SqsManagedSseEnabled"
        )
}

/// Checks what a caller gives for the queue, one attribute at a time and in its combinations. `old` are the
/// attributes so far; `None` for a queue that is to be made. Gives the attributes that are then stored.
pub(crate) fn checked(queue: &QueueName, old: Option<&Attributes>, given: &Attributes) -> Result<Attributes, Error> {
    for (name, value) in given {
        check(queue, old.is_none(), name, value)?;
    }
    let mut all = old.cloned().unwrap_or_default();
    let clears = |name: &str, value: &str| value.is_empty() && is_clearable(name);
    for (name, value) in given {
        if clears(name, value) {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
    encrypt(&mut all, given)?;
    let per_group = all.get("FifoThroughputLimit").is_some_and(|limit| limit == "perMessageGroupId");
    if per_group && all.get("DeduplicationScope").is_none_or(|scope| scope != "messageGroup") {
        return Err(error::invalid_attribute_because(
            "FifoThroughputLimit",
            "FifoThroughputLimit can only be set to perMessageGroupId when DeduplicationScope is messageGroup.",
        ));
    }
    Ok(all)
}

/// One kind of encryption at a time; a KMS key switches SQS's own off.
fn encrypt(all: &mut Attributes, given: &Attributes) -> Result<(), Error> {
    let key = given.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty());
    let managed = given.get("SqsManagedSseEnabled").is_some_and(|managed| managed == "true");
    match (key, managed) {
        (true, true) => return Err(error::two_encryptions()),
        (true, false) => drop(all.insert("SqsManagedSseEnabled".into(), "false".into())),
        (false, true) => drop(all.remove("KmsMasterKeyId")),
        (false, false) => {}
    }
    Ok(())
}

fn is_clearable(name: &str) -> bool {
    matches!(
        name,
        "Policy" | "RedrivePolicy" | "RedriveAllowPolicy" | "KmsMasterKeyId" | "KmsDataKeyReusePeriodSeconds"
    )
}

fn check(queue: &QueueName, new: bool, name: &str, value: &str) -> Result<(), Error> {
    if value.is_empty() && is_clearable(name) {
        return Ok(());
    }
    let is = |valid: bool| if valid { Ok(()) } else { Err(error::invalid_attribute(name)) };
    let fifo = queue.is_fifo();
    if let Some((_, range, _)) = NUMBERS.iter().find(|(number, ..)| *number == name) {
        return is(value.parse().is_ok_and(|number| range.contains(&number)));
    }
    match name {
        "Policy" => is(Document::parse(value).is_ok()),
        "RedrivePolicy" => RedrivePolicy::parse(value)?.check(queue, value),
        "RedriveAllowPolicy" => RedriveAllowPolicy::parse(value).map(drop),
        "KmsMasterKeyId" => Ok(()),
        "KmsDataKeyReusePeriodSeconds" => is(value.parse().is_ok_and(|s: u64| (60..=86_400).contains(&s))),
        "SqsManagedSseEnabled" => is(is_bool(value)),
        "FifoQueue" if new && fifo => is(value == "true"),
        "FifoQueue" if new => Err(error::unknown_attribute(name)),
        "FifoQueue" if fifo && value == "true" => Ok(()),
        "FifoQueue" => Err(error::invalid_attribute_because(name, "Modifying queue type is not supported.")),
        "ContentBasedDeduplication" if fifo => is(is_bool(value)),
        "ContentBasedDeduplication" => Err(error::unknown_attribute(name)),
        "DeduplicationScope" | "FifoThroughputLimit" if !fifo => Err(error::only_for_fifo(name)),
        "DeduplicationScope" => is(matches!(value, "queue" | "messageGroup")),
        "FifoThroughputLimit" => is(matches!(value, "perQueue" | "perMessageGroupId")),
        _ => Err(error::unknown_attribute(name)),
    }
}

fn is_bool(value: &str) -> bool {
    matches!(value, "true" | "false")
}

/// All attributes of a queue but the computed ones, defaults filled in, as GetQueueAttributes shows them.
pub(crate) fn shown(queue: &QueueName, stored: &Attributes) -> Attributes {
    let mut shown: Attributes =
        NUMBERS.iter().map(|(name, _, default)| ((*name).to_owned(), (*default).to_owned())).collect();
    shown.insert("SqsManagedSseEnabled".into(), "true".into());
    if queue.is_fifo() {
        shown.extend(FIFO_DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    if stored.contains_key("KmsMasterKeyId") {
        shown.insert("KmsDataKeyReusePeriodSeconds".into(), "300".into());
    }
    shown.extend(stored.clone());
    shown
}

impl Settings {
    /// Reads stored attributes; what was checked when it was stored is not refused here.
    pub(crate) fn of(queue: &QueueName, stored: &Attributes) -> Settings {
        let all = shown(queue, stored);
        let number = |name: &str| all.get(name).and_then(|value| value.parse::<u64>().ok()).unwrap_or_default();
        let is = |name: &str, wanted: &str| all.get(name).is_some_and(|value| value == wanted);
        let allow = all.get("RedriveAllowPolicy").and_then(|policy| RedriveAllowPolicy::parse(policy).ok());
        Settings {
            fifo: queue.is_fifo(),
            visibility_timeout: Duration::from_secs(number("VisibilityTimeout")),
            delay: Duration::from_secs(number("DelaySeconds")),
            retention: Duration::from_secs(number("MessageRetentionPeriod")),
            wait: Duration::from_secs(number("ReceiveMessageWaitTimeSeconds")),
            message_bytes_max: usize::try_from(number("MaximumMessageSize")).unwrap_or(MESSAGE_BYTES_MAX),
            redrive: all.get("RedrivePolicy").and_then(|policy| RedrivePolicy::parse(policy).ok()),
            redrive_allow: allow.unwrap_or(RedriveAllowPolicy::AllowAll),
            content_based_deduplication: is("ContentBasedDeduplication", "true"),
            deduplication_per_group: is("DeduplicationScope", "messageGroup"),
            policy: all.get("Policy").and_then(|policy| Document::parse(policy).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str) -> QueueName {
        QueueName { scope: Default::default(), name: name.into() }
    }

    fn given(pairs: &[(&str, &str)]) -> Attributes {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn attributes_are_taken_or_refused_by_their_rules() {
        let cases: [(&str, &str, &str, Option<&str>); 18] = [
            ("q", "VisibilityTimeout", "43200", None),
            ("q", "VisibilityTimeout", "43201", Some("Invalid value for the parameter VisibilityTimeout.")),
            ("q", "VisibilityTimeout", "x", Some("Invalid value for the parameter VisibilityTimeout.")),
            ("q", "MaximumMessageSize", "1023", Some("Invalid value for the parameter MaximumMessageSize.")),
            ("q", "MessageRetentionPeriod", "60", None),
            ("q", "DelaySeconds", "901", Some("Invalid value for the parameter DelaySeconds.")),
            ("q", "Policy", "{", Some("Invalid value for the parameter Policy.")),
            ("q", "Policy", "", None),
            ("q", "Nonsense", "1", Some("Unknown Attribute Nonsense.")),
            ("q", "QueueArn", "a", Some("Unknown Attribute QueueArn.")),
            ("q", "FifoQueue", "false", Some("Unknown Attribute FifoQueue.")),
            ("q", "ContentBasedDeduplication", "true", Some("Unknown Attribute ContentBasedDeduplication.")),
            (
                "q",
                "DeduplicationScope",
                "queue",
                Some("You can specify the DeduplicationScope only when FifoQueue is set to true."),
            ),
            ("q.fifo", "FifoQueue", "true", None),
            ("q.fifo", "ContentBasedDeduplication", "true", None),
            (
                "q.fifo",
                "ContentBasedDeduplication",
                "yes",
                Some("Invalid value for the parameter ContentBasedDeduplication."),
            ),
            ("q.fifo", "DeduplicationScope", "messageGroup", None),
            (
                "q.fifo",
                "FifoThroughputLimit",
                "perMessageGroupId",
                Some(
                    "Invalid value for the parameter FifoThroughputLimit. Reason: FifoThroughputLimit can only be set to \
                     perMessageGroupId when DeduplicationScope is messageGroup.",
                ),
            ),
        ];
        for (name, attribute, value, refusal) in cases {
            let outcome = checked(&queue(name), None, &given(&[(attribute, value)]));
            assert_eq!(outcome.err().map(|error| error.message).as_deref(), refusal, "{attribute}={value}");
        }
    }

    #[test]
    fn a_queue_never_changes_its_type() {
        let error = checked(&queue("q"), Some(&given(&[])), &given(&[("FifoQueue", "true")])).expect_err("refused");
        let message = "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.";
        assert_eq!((error.code.as_ref(), error.message.as_str()), ("InvalidAttributeValue", message));
    }

    #[test]
    fn a_key_switches_the_queues_own_encryption_off() {
        let with_key = checked(&queue("q"), None, &given(&[("KmsMasterKeyId", "alias/k")])).expect("taken");
        assert_eq!(with_key["SqsManagedSseEnabled"], "false");
        let both = given(&[("KmsMasterKeyId", "k"), ("SqsManagedSseEnabled", "true")]);
        assert_eq!(checked(&queue("q"), None, &both).expect_err("refused").code, "InvalidAttributeName");
        let managed =
            checked(&queue("q"), Some(&with_key), &given(&[("SqsManagedSseEnabled", "true")])).expect("taken");
        assert!(!managed.contains_key("KmsMasterKeyId"));
    }

    #[test]
    fn an_empty_value_clears_a_policy() {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d","maxReceiveCount":"2"}"#;
        let with = checked(&queue("q"), None, &given(&[("RedrivePolicy", policy)])).expect("taken");
        assert_eq!(Settings::of(&queue("q"), &with).redrive.map(|redrive| redrive.receives_max), Some(2));
        let without = checked(&queue("q"), Some(&with), &given(&[("RedrivePolicy", "")])).expect("taken");
        assert!(without.is_empty());
    }

    #[test]
    fn a_fresh_queue_shows_the_defaults() {
        let names: Vec<_> = shown(&queue("q"), &given(&[])).into_keys().collect();
        let expected = [
            "DelaySeconds",
            "MaximumMessageSize",
            "MessageRetentionPeriod",
            "ReceiveMessageWaitTimeSeconds",
            "SqsManagedSseEnabled",
            "VisibilityTimeout",
        ];
        assert_eq!(names, expected);
        assert_eq!(shown(&queue("q.fifo"), &given(&[])).len(), expected.len() + 4);
    }
}
