use std::sync::Arc;

use base::Arn;
use fabric::{Refusal, Sender};
use model_s3::{
    FilterRule, GetBucketNotificationConfigurationRequest, LambdaFunctionConfiguration, NotificationConfiguration,
    NotificationConfigurationFilter, PutBucketNotificationConfigurationOutput,
    PutBucketNotificationConfigurationRequest, QueueConfiguration, S3KeyFilter, TopicConfiguration,
};
use wire::{Call, Error};

use super::multipart::generated_id;
use crate::bucket::Bucket;
use crate::error;
use crate::notification::{EVENTS, Kind, Rule, test_event};
use crate::service::S3;

/// Replaces the whole configuration; an empty one ends all notifications.
pub async fn put_configuration(
    s3: Arc<S3>,
    call: Call,
    input: PutBucketNotificationConfigurationRequest,
) -> Result<PutBucketNotificationConfigurationOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let rules = read(&s3, input.notification_configuration)?;
    check_rules(&s3, &bucket, &rules, input.skip_destination_validation.unwrap_or(false)).await?;
    let tested = rules.iter().filter(|rule| rule.kind != Kind::Function);
    let tests: Vec<_> =
        tested.map(|rule| test_event(&s3.fabric, &bucket, rule, call.request_id.as_str(), &call.trace)).collect();
    s3.change_bucket(&input.bucket, |bucket| bucket.notification = rules).await?;
    s3.fabric.deliveries.accept(tests).await.map_err(error::internal)?;
    Ok(PutBucketNotificationConfigurationOutput {})
}

fn read(s3: &S3, configuration: NotificationConfiguration) -> Result<Vec<Rule>, Error> {
    if configuration.event_bridge_configuration.is_some() {
        return Err(error::not_implemented("notifications to EventBridge"));
    }
    let mut rules = Vec::new();
    for function in configuration.lambda_function_configurations.unwrap_or_default() {
        let LambdaFunctionConfiguration { id, lambda_function_arn, events, filter } = function;
        rules.push(rule(s3, id, Kind::Function, lambda_function_arn, events, filter)?);
    }
    for QueueConfiguration { id, queue_arn, events, filter } in configuration.queue_configurations.unwrap_or_default() {
        rules.push(rule(s3, id, Kind::Queue, queue_arn, events, filter)?);
    }
    for TopicConfiguration { id, topic_arn, events, filter } in configuration.topic_configurations.unwrap_or_default() {
        rules.push(rule(s3, id, Kind::Topic, topic_arn, events, filter)?);
    }
    Ok(rules)
}

fn rule(
    s3: &S3,
    id: Option<String>,
    kind: Kind,
    target: String,
    events: Vec<String>,
    filter: Option<NotificationConfigurationFilter>,
) -> Result<Rule, Error> {
    let id = id.unwrap_or_else(|| generated_id(&s3.fabric.entropy));
    let mut rule = Rule { id, kind, target, events, prefix: None, suffix: None };
    let filters = filter.and_then(|filter| filter.key).and_then(|key| key.filter_rules).unwrap_or_default();
    for FilterRule { name, value } in filters {
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let place = match name.as_str() {
            "prefix" => &mut rule.prefix,
            "suffix" => &mut rule.suffix,
            _ => {
                let message = "filter rule name must be either prefix or suffix";
                return Err(error::invalid_argument(message, "FilterRule.Name", &name));
            }
        };
        if place.is_some() {
            let message = format!("Cannot specify more than one {name} rule in a filter.");
            return Err(error::invalid_argument(message, "FilterRule.Name", &name));
        }
        *place = Some(value.unwrap_or_default());
    }
    Ok(rule)
}

/// Refuses unknown events, rules that overlap, and targets that are missing or may not be sent to.
pub(crate) async fn check_rules(s3: &S3, bucket: &Bucket, rules: &[Rule], skip_targets: bool) -> Result<(), Error> {
    for rule in rules {
        if let Some(unknown) = rule.events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
            return Err(error::invalid_argument("The event is not supported for notifications", "Event", unknown));
        }
    }
    check_overlaps(rules)?;
    for rule in rules {
        let arn: Arn = rule
            .target
            .parse()
            .map_err(|_| error::invalid_argument("The ARN could not be parsed", argument(rule.kind), &rule.target))?;
        if !skip_targets {
            check_target(s3, bucket, rule, &arn).await?;
        }
    }
    Ok(())
}

async fn check_target(s3: &S3, bucket: &Bucket, rule: &Rule, arn: &Arn) -> Result<(), Error> {
    let invalid = |value: String| {
        let message = "Unable to validate the following destination configurations";
        Error::new("InvalidArgument", 400, message)
            .with("ArgumentName1", format!("{}, null", rule.target))
            .with("ArgumentValue1", value)
    };
    let service = match rule.kind {
        Kind::Function => "lambda",
        Kind::Queue => "sqs",
        Kind::Topic => "sns",
    };
    let target = s3.fabric.plugs.target(arn).filter(|_| arn.service == service);
    let Some(target) = target else {
        return Err(error::invalid_argument("The ARN is not well formed", argument(rule.kind), &rule.target));
    };
    let sender = Sender { service: "s3.amazonaws.com".into(), arn: bucket.arn(), account: bucket.account.clone() };
    let value = match (target.check(arn, &sender).await, rule.kind) {
        (Ok(()), _) => return Ok(()),
        (Err(Refusal::Missing | Refusal::Forbidden), Kind::Function) => {
            format!("Not authorized to invoke function [{}]", rule.target)
        }
        (Err(Refusal::Missing), Kind::Queue) => "The destination queue does not exist".into(),
        (Err(Refusal::Missing), Kind::Topic) => "The destination topic does not exist".into(),
        (Err(Refusal::Forbidden), kind) => {
            let what = if kind == Kind::Queue { "queue" } else { "topic" };
            format!("Permissions on the destination {what} do not allow S3 to publish notifications from this bucket")
        }
        (Err(Refusal::Unsuitable(why) | Refusal::Unknown(why)), _) => why,
    };
    Err(invalid(value))
}

fn argument(kind: Kind) -> &'static str {
    match kind {
        Kind::Function => "CloudFunction",
        Kind::Queue => "Queue",
        Kind::Topic => "Topic",
    }
}

/// No event of an object may match two rules.
fn check_overlaps(rules: &[Rule]) -> Result<(), Error> {
    for (at, one) in rules.iter().enumerate() {
        for other in &rules[at + 1..] {
            let shared = one
                .events
                .iter()
                .find_map(|a| other.events.iter().find(|b| families_meet(a, b)).map(|b| format!("{a}, {b}")));
            let Some(events) = shared else { continue };
            let filtered = |rule: &Rule| rule.prefix.is_some() || rule.suffix.is_some();
            if !filtered(one) && !filtered(other) {
                let message = "Configurations overlap. Configurations on the same bucket cannot share a common \
                               event type.";
                return Err(error::invalid_argument(message, "Event", &events));
            }
            let prefixes = meet(&one.prefix, &other.prefix, |a, b| a.starts_with(b));
            let suffixes = meet(&one.suffix, &other.suffix, |a, b| a.ends_with(b));
            if prefixes && suffixes {
                let message = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules \
                               if the prefixes are overlapping for the same event type.";
                return Err(Error::new("InvalidArgument", 400, message));
            }
        }
    }
    Ok(())
}

fn families_meet(a: &str, b: &str) -> bool {
    let covers = |family: &str, event: &str| family.strip_suffix('*').is_some_and(|stem| event.starts_with(stem));
    a == b || covers(a, b) || covers(b, a)
}

fn meet(a: &Option<String>, b: &Option<String>, within: impl Fn(&str, &str) -> bool) -> bool {
    let (a, b) = (a.as_deref().unwrap_or_default(), b.as_deref().unwrap_or_default());
    within(a, b) || within(b, a)
}

pub async fn get_configuration(
    s3: Arc<S3>,
    call: Call,
    input: GetBucketNotificationConfigurationRequest,
) -> Result<NotificationConfiguration, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let of = |kind: Kind| bucket.notification.iter().filter(move |rule| rule.kind == kind);
    let function = |rule: &Rule| LambdaFunctionConfiguration {
        id: Some(rule.id.clone()),
        lambda_function_arn: rule.target.clone(),
        events: rule.events.clone(),
        filter: filter(rule),
    };
    let queue = |rule: &Rule| QueueConfiguration {
        id: Some(rule.id.clone()),
        queue_arn: rule.target.clone(),
        events: rule.events.clone(),
        filter: filter(rule),
    };
    let topic = |rule: &Rule| TopicConfiguration {
        id: Some(rule.id.clone()),
        topic_arn: rule.target.clone(),
        events: rule.events.clone(),
        filter: filter(rule),
    };
    Ok(NotificationConfiguration {
        topic_configurations: some(of(Kind::Topic).map(topic).collect()),
        queue_configurations: some(of(Kind::Queue).map(queue).collect()),
        lambda_function_configurations: some(of(Kind::Function).map(function).collect()),
        event_bridge_configuration: None,
    })
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn filter(rule: &Rule) -> Option<NotificationConfigurationFilter> {
    let named = |name: &str, value: &Option<String>| {
        value.clone().map(|value| FilterRule { name: Some(name.to_owned()), value: Some(value) })
    };
    let rules: Vec<_> = [named("Prefix", &rule.prefix), named("Suffix", &rule.suffix)].into_iter().flatten().collect();
    some(rules).map(|rules| NotificationConfigurationFilter { key: Some(S3KeyFilter { filter_rules: Some(rules) }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(events: &[&str], prefix: Option<&str>, suffix: Option<&str>) -> Rule {
        Rule {
            id: "id".into(),
            kind: Kind::Queue,
            target: String::new(),
            events: events.iter().map(ToString::to_string).collect(),
            prefix: prefix.map(str::to_owned),
            suffix: suffix.map(str::to_owned),
        }
    }

    #[test]
    fn rules_that_could_both_match_are_refused() {
        let created = ["s3:ObjectCreated:*"];
        let cases = [
            (rule(&created, None, None), rule(&["s3:ObjectCreated:Put"], None, None), false),
            (rule(&created, None, None), rule(&["s3:ObjectRemoved:*"], None, None), true),
            (rule(&created, Some("a/"), None), rule(&created, Some("b/"), None), true),
            (rule(&created, Some("a/"), None), rule(&created, Some("a/b/"), None), false),
            (rule(&created, Some("a/"), Some(".jpg")), rule(&created, Some("a/"), Some(".png")), true),
            (rule(&created, None, Some(".jpg")), rule(&created, Some("a/"), None), false),
        ];
        for (one, other, fine) in cases {
            assert_eq!(check_overlaps(&[one.clone(), other.clone()]).is_ok(), fine, "{one:?} {other:?}");
        }
    }
}
