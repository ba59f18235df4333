use std::collections::{BTreeMap, BTreeSet};

use base::Timestamp;
use serde::{Deserialize, Serialize};

use crate::resource::Deployed;

/// A change of a stack that is in progress. All that it takes to carry it on after a crash is here, in the
/// resources' [`Underway`](crate::resource::Underway) and in the goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub id: String,
    pub kind: Kind,
    pub phase: Phase,
    /// `ClientRequestToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The trace that it belongs to, as a header.
    pub trace: String,
    /// The origin by which the deploying client reached Kobel.
    pub origin: String,
    pub on_failure: OnFailure,
    /// Resources of this operation are deleted on rollback whatever their policy.
    #[serde(default)]
    pub retain_except_on_create: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// When it gives up, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The logical ids of what failed.
    #[serde(default)]
    pub failed: BTreeSet<String>,
    /// What failed besides resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a deletion is to leave alone.
    #[serde(default)]
    pub retain: BTreeSet<String>,
    /// A deletion that leaves behind what can't be deleted.
    #[serde(default)]
    pub force: bool,
    /// What the phase still has to delete, by logical id.
    #[serde(default)]
    pub doomed: BTreeMap<String, Doomed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Create,
    Update,
    Delete,
}

/// Where an operation stands.
///
/// ```text
/// Create: Deploy → end | Delete (rollback) → end
/// Update: Deploy → Cleanup → end | Restore → Cleanup → end
/// Delete: Delete → end
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Resources are brought to the goal.
    Deploy,
    /// What a failed update changed is brought back.
    Restore,
    /// What an update has left over is deleted.
    Cleanup { restored: bool },
    /// All resources are deleted; `rollback` after a failed creation.
    Delete { rollback: bool },
}

/// What becomes of the resources when the operation fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    #[default]
    Rollback,
    Delete,
    DoNothing,
}

/// Somebody does not want the operation to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cancel {
    Rollback,
    /// The stack is deleted in its place.
    Delete,
}

/// A resource that is to be deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doomed {
    pub deployed: Deployed,
    /// It is only let go of.
    pub is_retained: bool,
    /// Nothing stands behind its logical id afterwards.
    pub is_last: bool,
}

impl Operation {
    /// Whether no new step may begin.
    pub fn is_failing(&self) -> bool {
        !self.failed.is_empty() || self.reason.is_some() || self.cancel.is_some()
    }
}
