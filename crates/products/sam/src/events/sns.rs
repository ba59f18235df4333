//! `SNS`: a subscription of the function, or of a queue that feeds it.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::events::{Event, Target, mapping};
use crate::iam;
use crate::properties::{Kind, Property, optional, passed, required};
use crate::resource::Generated;
use crate::role::Role;
use crate::transform::Scope;
use crate::value::{attribute, is_truthy, only_entry, reference};

/// The properties of the event type.
pub const PROPERTIES: [Property; 6] = [
    required("Topic", Kind::String),
    optional("Region", Kind::String),
    passed("FilterPolicy", false),
    passed("FilterPolicyScope", false),
    optional("SqsSubscription", Kind::BooleanOrMap),
    optional("RedrivePolicy", Kind::Map),
];

/// Messages of a batch when the queue's subscription does not say.
const BATCH_SIZE_DEFAULT: u64 = 10;

/// The subscription with permission, or with queue policy and mapping.
///
/// # Errors
/// `SqsSubscription` names no queue.
pub fn generate(
    event: &Event,
    target: &Target,
    role: &mut Role,
    scope: &Scope<'_>,
) -> Result<Vec<Generated>, TransformError> {
    match event.truthy("SqsSubscription") {
        None => {
            let mut permission = event.permission("sns.amazonaws.com", target);
            permission.set("SourceArn", topic(event));
            Ok(vec![permission, subscription(event, target, "lambda", target.arn.clone())])
        }
        Some(Value::Bool(_)) => Ok(through_new_queue(event, target, role, scope)),
        Some(queue) => through_queue(event, target, role, scope, queue),
    }
}

fn through_new_queue(event: &Event, target: &Target, role: &mut Role, scope: &Scope<'_>) -> Vec<Generated> {
    let mut queue = event.resource("Queue", "AWS::SQS::Queue", target);
    if let Some(fifo) = fifo_topic(event, scope) {
        queue.set("FifoQueue", fifo);
    }
    let arn = attribute(&queue.logical_id, "Arn");
    let url = reference(&queue.logical_id);
    let policy = queue_policy(event, target, None, &arn, url);
    let feeding = mapping::of_queue(event, target, role, scope, &arn, &json!(BATCH_SIZE_DEFAULT));
    vec![feeding, queue, policy, subscription(event, target, "sqs", arn)]
}

fn through_queue(
    event: &Event,
    target: &Target,
    role: &mut Role,
    scope: &Scope<'_>,
    queue: &Value,
) -> Result<Vec<Generated>, TransformError> {
    let part = |name: &str| queue.get(name).filter(|value| is_truthy(value));
    let (Some(arn), Some(url)) = (part("QueueArn"), part("QueueUrl")) else {
        return Err(event.error("No QueueARN or QueueURL provided."));
    };
    let policy_id = part("QueuePolicyLogicalId").and_then(Value::as_str);
    let batch_size = part("BatchSize").cloned().unwrap_or_else(|| json!(BATCH_SIZE_DEFAULT));
    let feeding = mapping::of_queue(event, target, role, scope, arn, &batch_size);
    let policy = queue_policy(event, target, policy_id, arn, url.clone());
    Ok(vec![feeding, policy, subscription(event, target, "sqs", arn.clone())])
}

fn topic(event: &Event) -> Value {
    event.get("Topic").cloned().unwrap_or_default()
}

/// `FifoTopic` of the topic when it is in the template and is true.
fn fifo_topic(event: &Event, scope: &Scope<'_>) -> Option<Value> {
    let topic = topic(event);
    let id = match only_entry(&topic)? {
        ("Ref", Value::String(id)) => id.as_str(),
        ("Fn::GetAtt", Value::Array(parts)) => parts.first()?.as_str()?,
        _ => return None,
    };
    let fifo = scope.resources.get(id)?.get("Properties")?.get("FifoTopic")?;
    Some(scope.parameters.resolve(fifo)).filter(is_truthy)
}

fn subscription(event: &Event, target: &Target, protocol: &str, endpoint: Value) -> Generated {
    let mut subscription = event.resource("", "AWS::SNS::Subscription", target);
    subscription.set("Endpoint", endpoint);
    subscription.set("Protocol", protocol);
    subscription.set("TopicArn", topic(event));
    subscription.take(&event.properties, &["Region", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy"]);
    subscription
}

fn queue_policy(event: &Event, target: &Target, id: Option<&str>, arn: &Value, url: Value) -> Generated {
    let mut policy = event.resource("QueuePolicy", "AWS::SQS::QueuePolicy", target);
    if let Some(id) = id {
        policy.logical_id = id.to_owned();
    }
    policy.set("PolicyDocument", iam::queue_policy(json!("*"), arn, &topic(event)));
    policy.set("Queues", vec![url]);
    policy
}
