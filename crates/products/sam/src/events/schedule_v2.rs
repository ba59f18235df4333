//! `ScheduleV2`: a schedule of EventBridge Scheduler, with a role that may invoke the function.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::events::dead_letter_queue::{self, DeadLetterQueue};
use crate::events::{Event, Target};
use crate::iam;
use crate::properties::{Kind, Property, literal, optional, required};
use crate::resource::Generated;
use crate::value::{Properties, attribute};

/// The properties of the event type.
pub const PROPERTIES: [Property; 16] = [
    optional("PermissionsBoundary", Kind::String),
    required("ScheduleExpression", Kind::String),
    optional("FlexibleTimeWindow", Kind::Map),
    optional("Name", Kind::String),
    optional("State", Kind::String),
    optional("Description", Kind::String),
    optional("StartDate", Kind::String),
    optional("EndDate", Kind::String),
    optional("ScheduleExpressionTimezone", Kind::String),
    optional("GroupName", Kind::String),
    optional("KmsKeyArn", Kind::String),
    optional("Input", Kind::String),
    optional("RoleArn", Kind::String),
    optional("DeadLetterConfig", Kind::Map),
    optional("RetryPolicy", Kind::Map),
    literal("OmitName", Kind::Boolean),
];

/// Properties that the schedule has as the event has them.
const TAKEN: [&str; 6] =
    ["Description", "StartDate", "EndDate", "ScheduleExpressionTimezone", "GroupName", "KmsKeyArn"];

/// The schedule, its role unless `RoleArn` is given, and its dead-letter queue.
///
/// # Errors
/// A name is given although it shall be omitted, or the dead-letter queue is malformed.
pub fn generate(event: &Event, target: &Target) -> Result<Vec<Generated>, TransformError> {
    let mut schedule = schedule(event, target)?;
    let queue = dead_letter_queue::read(event, target)?;
    let (role_arn, role) = match event.truthy("RoleArn") {
        Some(arn) => (arn.clone(), None),
        None => {
            let role = role(event, target, queue.as_ref());
            (attribute(&role.logical_id, "Arn"), Some(role))
        }
    };
    let mut invoked = Properties::new();
    invoked.insert("Arn".to_owned(), target.arn.clone());
    invoked.insert("RoleArn".to_owned(), role_arn);
    for name in ["Input", "RetryPolicy"] {
        invoked.extend(event.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    invoked.extend(queue.as_ref().map(|queue| ("DeadLetterConfig".to_owned(), json!({"Arn": queue.arn}))));
    schedule.set("Target", Value::Object(invoked));
    Ok([Some(schedule), queue.and_then(|queue| queue.made), role].into_iter().flatten().collect())
}

fn schedule(event: &Event, target: &Target) -> Result<Generated, TransformError> {
    let mut schedule = event.resource("", "AWS::Scheduler::Schedule", target);
    schedule.set_some("ScheduleExpression", event.get("ScheduleExpression"));
    schedule.set_some("State", event.truthy("State"));
    match (event.truthy("OmitName"), event.truthy("Name")) {
        (Some(_), Some(_)) => return Err(event.error_by_id("Name cannot be set when OmitName is True")),
        (Some(_), None) => {}
        (None, name) => schedule.set("Name", name.cloned().unwrap_or_else(|| json!(event.logical_id))),
    }
    let window = event.truthy("FlexibleTimeWindow").cloned();
    schedule.set("FlexibleTimeWindow", window.unwrap_or_else(|| json!({"Mode": "OFF"})));
    schedule.take(&event.properties, &TAKEN);
    Ok(schedule)
}

fn role(event: &Event, target: &Target, queue: Option<&DeadLetterQueue>) -> Generated {
    let mut role = event.resource("Role", "AWS::IAM::Role", target);
    role.set("AssumeRolePolicyDocument", iam::trust("scheduler.amazonaws.com"));
    let invoke = iam::destination("Lambda", &target.arn, &event.logical_id);
    let send = queue.and_then(|queue| iam::destination("SQS", &queue.arn, &event.logical_id));
    role.set("Policies", invoke.into_iter().chain(send).collect::<Vec<_>>());
    role.set_some("PermissionsBoundary", event.truthy("PermissionsBoundary"));
    role
}
