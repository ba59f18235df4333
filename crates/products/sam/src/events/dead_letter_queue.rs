//! `DeadLetterConfig` of rules and schedules: a queue by ARN, or one that is made.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::events::{Event, Target};
use crate::iam;
use crate::resource::Generated;
use crate::value::{attribute, reference};

/// Where an event goes that cannot be delivered.
pub struct DeadLetterQueue {
    /// The queue's ARN.
    pub arn: Value,
    /// The queue when it was made.
    pub made: Option<Generated>,
}

/// The dead-letter queue of an event, if it has one.
///
/// # Errors
/// Both or neither of `Arn` and `Type` are given, or the type is not SQS.
pub fn read(event: &Event, target: &Target) -> Result<Option<DeadLetterQueue>, TransformError> {
    let Some(config) = event.get("DeadLetterConfig") else { return Ok(None) };
    match (config.get("Arn"), config.get("Type")) {
        (Some(_), Some(_)) => {
            Err(event.error_by_id("You can either define 'Arn' or 'Type' property of DeadLetterConfig."))
        }
        (None, None) => Err(event.error_by_id("No 'Arn' or 'Type' property provided for DeadLetterConfig.")),
        (Some(arn), None) => Ok(Some(DeadLetterQueue { arn: arn.clone(), made: None })),
        (None, Some(name)) if name == "SQS" => {
            let mut queue = event.resource("Queue", "AWS::SQS::Queue", target);
            match config.get("QueueLogicalId").filter(|id| !id.is_null()) {
                None => {}
                Some(Value::String(id)) => queue.logical_id = id.clone(),
                Some(_) => return Err(event.error_by_id("QueueLogicalId must be a string")),
            }
            Ok(Some(DeadLetterQueue { arn: attribute(&queue.logical_id, "Arn"), made: Some(queue) }))
        }
        (None, Some(_)) => {
            Err(event.error_by_id("The only valid value for 'Type' property of DeadLetterConfig is 'SQS'."))
        }
    }
}

impl DeadLetterQueue {
    /// The queue that was made, with a policy that lets a rule send to it.
    pub fn for_rule(&self, event: &Event, target: &Target, rule_arn: &Value) -> Vec<Generated> {
        let Some(queue) = &self.made else { return Vec::new() };
        let mut policy = event.resource("QueuePolicy", "AWS::SQS::QueuePolicy", target);
        let principal = json!({"Service": "events.amazonaws.com"});
        policy.set("PolicyDocument", iam::queue_policy(principal, &self.arn, rule_arn));
        policy.set("Queues", vec![reference(&queue.logical_id)]);
        vec![queue.clone(), policy]
    }
}
