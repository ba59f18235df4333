use base::Timestamp;
use serde::{Deserialize, Serialize};

/// The type under which a stack's own events stand.
pub const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

/// A step in a stack's life: AWS's `StackEvent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackEvent {
    /// Its place among the stack's events.
    #[serde(default)]
    pub number: u64,
    pub stack_id: String,
    pub stack_name: String,
    pub event_id: String,
    pub operation_id: String,
    pub logical_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub physical_id: String,
    pub resource_type: String,
    pub at: Timestamp,
    /// A stack's or a resource's status.
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The resource's properties as a JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl StackEvent {
    /// Whether it is about the stack itself.
    pub fn is_of_stack(&self) -> bool {
        self.resource_type == STACK_TYPE && self.logical_id == self.stack_name
    }
}
