use std::sync::Arc;

use base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::changes::Changes;
use crate::operation::OnFailure;
use crate::stack::Deployment;

/// A change that is prepared and can be looked at before it is executed.
#[derive(Clone, Debug)]
pub struct ChangeSet {
    pub facts: ChangeSetFacts,
    /// Absent where its template could not be processed.
    pub goal: Option<Arc<Deployment>>,
    pub changes: Changes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangeSetFacts {
    /// The ARN.
    pub id: String,
    /// The ARN's last part.
    pub uuid: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    pub created: Timestamp,
    pub status: ChangeSetStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub execution: ExecutionStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    pub includes_nested: bool,
}

/// `ChangeSetStatus`. A change set is computed within the call that creates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeSetStatus {
    CreateComplete,
    Failed,
}

/// `ExecutionStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutionStatus {
    Unavailable,
    Available,
    ExecuteInProgress,
    ExecuteComplete,
    ExecuteFailed,
}

impl ChangeSetStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeSetStatus::CreateComplete => "CREATE_COMPLETE",
            ChangeSetStatus::Failed => "FAILED",
        }
    }
}

impl ExecutionStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            ExecutionStatus::Unavailable => "UNAVAILABLE",
            ExecutionStatus::Available => "AVAILABLE",
            ExecutionStatus::ExecuteInProgress => "EXECUTE_IN_PROGRESS",
            ExecutionStatus::ExecuteComplete => "EXECUTE_COMPLETE",
            ExecutionStatus::ExecuteFailed => "EXECUTE_FAILED",
        }
    }
}
