use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change_set::ChangeSet;
use crate::event::StackEvent;
use crate::operation::{Kind, Operation};
use crate::resource::StackResources;
use crate::status::StackStatus;

/// A stack with all that belongs to it.
#[derive(Clone, Debug)]
pub struct Stack {
    pub facts: Facts,
    /// What is deployed; absent until the first operation has ended well.
    pub current: Option<Arc<Deployment>>,
    /// What the operation in progress, or the failed one, was to deploy.
    pub goal: Option<Arc<Deployment>>,
    pub operation: Option<Operation>,
    pub resources: StackResources,
    /// Oldest first.
    pub events: Vec<Arc<StackEvent>>,
    /// By their id's last part.
    pub change_sets: BTreeMap<String, ChangeSet>,
}

/// The row of a stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The ARN.
    pub id: String,
    /// The ARN's last part.
    pub uuid: String,
    pub name: String,
    pub status: StackStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    #[serde(default)]
    pub disable_rollback: bool,
    #[serde(default)]
    pub retain_except_on_create: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<i32>,
    #[serde(default)]
    pub is_protected: bool,
    #[serde(default)]
    pub outputs: Vec<Output>,
    /// Names of exports that it uses.
    #[serde(default)]
    pub imports: BTreeSet<String>,
    /// The change set that was executed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set_id: Option<String>,
    /// How often a resource was replaced or removed: a resource made later gets another suffix.
    #[serde(default)]
    pub replacements: u32,
    /// The newest operations, newest first.
    #[serde(default)]
    pub operations: Vec<Past>,
}

/// An operation that began; it may have ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    pub id: String,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    pub began: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    pub key: String,
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
}

/// What a caller wants deployed: a template with its parameters and the stack's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// The template as it was given.
    pub original: String,
    /// After the transform; plain JSON.
    pub processed: Value,
    pub was_transformed: bool,
    /// The values of all parameters, defaults included.
    pub parameters: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub capabilities: Vec<String>,
    pub tags: Vec<(String, String)>,
    pub notification_arns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// How many operations a stack remembers.
const OPERATIONS_KEPT_MAX: usize = 20;

impl Stack {
    pub fn new(id: String, uuid: String, name: String, now: Timestamp) -> Stack {
        Stack {
            facts: Facts {
                id,
                uuid,
                name,
                status: StackStatus::ReviewInProgress,
                reason: None,
                created: now,
                updated: None,
                deleted: None,
                disable_rollback: false,
                retain_except_on_create: false,
                timeout_minutes: None,
                is_protected: false,
                outputs: Vec::new(),
                imports: BTreeSet::new(),
                change_set_id: None,
                replacements: 0,
                operations: Vec::new(),
            },
            current: None,
            goal: None,
            operation: None,
            resources: StackResources::new(),
            events: Vec::new(),
            change_sets: BTreeMap::new(),
        }
    }

    /// What its descriptions speak of: what is being deployed, while something first is, else what is deployed.
    pub fn shown(&self) -> Option<&Arc<Deployment>> {
        let creating = !matches!(self.operation.as_ref().map(|operation| operation.kind), Some(Kind::Delete) | None);
        if creating {
            self.goal.as_ref().or(self.current.as_ref())
        } else {
            self.current.as_ref().or(self.goal.as_ref())
        }
    }

    pub fn is_deleted(&self) -> bool {
        self.facts.status == StackStatus::DeleteComplete
    }

    /// The operation of this kind that the token began, if it was the last one.
    pub fn began_by(&self, kind: Kind, token: Option<&str>) -> bool {
        let last = self.facts.operations.first();
        token.is_some() && last.is_some_and(|past| past.kind == kind && past.token.as_deref() == token)
    }
}

impl Facts {
    pub fn note_operation(&mut self, past: Past) {
        self.operations.insert(0, past);
        self.operations.truncate(OPERATIONS_KEPT_MAX);
    }
}
