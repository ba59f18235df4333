//! `EventBridgeRule` (also called `CloudWatchEvent`): a rule with a pattern.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::events::dead_letter_queue::{self, DeadLetterQueue};
use crate::events::{Event, Target};
use crate::properties::{Kind, Property, optional};
use crate::resource::Generated;
use crate::value::{Properties, attribute};

/// The properties of the event type.
pub const PROPERTIES: [Property; 11] = [
    optional("EventBusName", Kind::String),
    optional("RuleName", Kind::String),
    optional("Pattern", Kind::Map),
    optional("DeadLetterConfig", Kind::Map),
    optional("RetryPolicy", Kind::Map),
    optional("Input", Kind::String),
    optional("InputPath", Kind::String),
    optional("Target", Kind::Map),
    optional("Enabled", Kind::Boolean),
    optional("State", Kind::String),
    optional("InputTransformer", Kind::Map),
];

/// Characters of a target's id.
const TARGET_ID_CHARS_MAX: usize = 64;
const TARGET_ID_SUFFIX: &str = "LambdaTarget";

/// The rule and its permission.
///
/// # Errors
/// The state is given twice or the dead-letter queue is malformed.
pub fn generate(event: &Event, target: &Target) -> Result<Vec<Generated>, TransformError> {
    let mut rule = event.resource("", "AWS::Events::Rule", target);
    rule.set_some("EventBusName", event.get("EventBusName"));
    rule.set_some("EventPattern", event.get("Pattern"));
    rule.set_some("Name", event.get("RuleName"));
    finish(event, target, rule)
}

/// A rule without target and state, completed: its target, its state, its dead-letter queue and its permission.
///
/// # Errors
/// The state is given twice or the dead-letter queue is malformed.
pub fn finish(event: &Event, target: &Target, mut rule: Generated) -> Result<Vec<Generated>, TransformError> {
    let arn = attribute(&rule.logical_id, "Arn");
    let queue = dead_letter_queue::read(event, target)?;
    set_state(event, &mut rule)?;
    rule.set("Targets", vec![rule_target(event, target, queue.as_ref())]);
    let mut permission = event.permission("events.amazonaws.com", target);
    permission.set("SourceArn", arn.clone());
    let mut made = vec![rule, permission];
    made.extend(queue.into_iter().flat_map(|queue| queue.for_rule(event, target, &arn)));
    Ok(made)
}

fn set_state(event: &Event, rule: &mut Generated) -> Result<(), TransformError> {
    match (event.truthy("State"), event.get("Enabled")) {
        (Some(_), Some(_)) => Err(event.error("State and Enabled Properties cannot both be specified.")),
        (Some(state), None) => {
            rule.set("State", state.clone());
            Ok(())
        }
        (None, Some(enabled)) => {
            rule.set("State", if crate::value::is_truthy(enabled) { "ENABLED" } else { "DISABLED" });
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

fn rule_target(event: &Event, target: &Target, queue: Option<&DeadLetterQueue>) -> Value {
    let own_id = event.truthy("Target").and_then(|target| target.get("Id")).cloned();
    let mut out = Properties::new();
    out.insert("Arn".to_owned(), target.arn.clone());
    out.insert("Id".to_owned(), own_id.unwrap_or_else(|| json!(target_id(&event.logical_id))));
    for name in ["Input", "InputPath", "RetryPolicy", "InputTransformer"] {
        out.extend(event.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    out.extend(queue.map(|queue| ("DeadLetterConfig".to_owned(), json!({"Arn": queue.arn}))));
    Value::Object(out)
}

fn target_id(logical_id: &str) -> String {
    let room = TARGET_ID_CHARS_MAX - TARGET_ID_SUFFIX.len();
    let kept: String = logical_id.chars().take(room).collect();
    format!("{kept}{TARGET_ID_SUFFIX}")
}
