//! `Schedule`: a rule with a schedule expression.

use crate::error::TransformError;
use crate::events::{Event, Target, rule};
use crate::properties::{Kind, Property, optional, required};
use crate::resource::Generated;

/// The properties of the event type.
pub const PROPERTIES: [Property; 9] = [
    required("Schedule", Kind::String),
    optional("RuleName", Kind::String),
    optional("Input", Kind::String),
    optional("Enabled", Kind::Boolean),
    optional("State", Kind::String),
    optional("Name", Kind::String),
    optional("Description", Kind::String),
    optional("DeadLetterConfig", Kind::Map),
    optional("RetryPolicy", Kind::Map),
];

/// The rule and its permission.
///
/// # Errors
/// The state is given twice or the dead-letter queue is malformed.
pub fn generate(event: &Event, target: &Target) -> Result<Vec<Generated>, TransformError> {
    let mut schedule = event.resource("", "AWS::Events::Rule", target);
    schedule.set_some("ScheduleExpression", event.get("Schedule"));
    schedule.take(&event.properties, &["Name", "Description"]);
    rule::finish(event, target, schedule)
}
