use std::collections::{BTreeMap, BTreeSet};

use base::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::resolver::Known;
use crate::status::ResourceStatus;

/// A resource of a stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackResource {
    pub logical_id: String,
    /// What is there, or is being made: `change` tells which.
    pub deployed: Deployed,
    pub status: ResourceStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub updated: Timestamp,
    /// What the operation in progress does with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Underway>,
}

/// One real resource with all that the stack knows of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    pub resource_type: String,
    /// Empty until it is made.
    pub physical_id: String,
    /// What `Ref` gives.
    pub reference: String,
    pub attributes: Map<String, Value>,
    /// As they were resolved.
    pub properties: Map<String, Value>,
    /// The stack's count of replacements when its making began; with the logical id it gives its suffix.
    pub generation: u32,
    pub noted: Noted,
}

/// What the template says of a resource besides its properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    pub deletion_policy: Policy,
    pub update_replace_policy: Policy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// The resources that it needs, by logical id: it is deleted before them.
    pub needs: BTreeSet<String>,
    /// Names of exports that its properties use.
    pub imports: BTreeSet<String>,
}

/// What an operation has begun with a resource, or has done; it stays until the operation ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Underway {
    pub action: Action,
    pub is_done: bool,
    /// What was there before: what a rollback goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Deployed>>,
}

/// How an operation brings a resource to its properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    Create,
    Update,
    Replace,
    /// Only what Kobel notes of it changes: metadata, policies.
    Note,
}

/// `DeletionPolicy` and `UpdateReplacePolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    #[default]
    Delete,
    Retain,
    RetainExceptOnCreate,
    Snapshot,
}

impl From<template::RetentionPolicy> for Policy {
    fn from(policy: template::RetentionPolicy) -> Policy {
        match policy {
            template::RetentionPolicy::Delete => Policy::Delete,
            template::RetentionPolicy::Retain => Policy::Retain,
            template::RetentionPolicy::RetainExceptOnCreate => Policy::RetainExceptOnCreate,
            template::RetentionPolicy::Snapshot => Policy::Snapshot,
        }
    }
}

impl Noted {
    /// What a template says of a resource that needs `needs` and uses the exports `imports`.
    pub fn new(resource: &template::Resource, needs: BTreeSet<String>, imports: BTreeSet<String>) -> Noted {
        Noted {
            deletion_policy: resource.deletion_policy.into(),
            update_replace_policy: resource.update_replace_policy.into(),
            metadata: resource.metadata.clone(),
            needs,
            imports,
        }
    }

    /// Whether the resource stays when it leaves the stack. Kobel makes no snapshots: it keeps what was to be
    /// deleted after one.
    pub fn is_kept_on_delete(&self) -> bool {
        self.deletion_policy != Policy::Delete
    }

    /// Whether the resource stays when the operation that made it is rolled back.
    pub fn is_kept_on_rollback(&self, retain_except_on_create: bool) -> bool {
        match self.deletion_policy {
            Policy::Delete | Policy::RetainExceptOnCreate => false,
            Policy::Retain | Policy::Snapshot => !retain_except_on_create,
        }
    }

    /// Whether the resource stays when another takes its place.
    pub fn is_kept_on_replacement(&self) -> bool {
        self.update_replace_policy != Policy::Delete
    }
}

impl StackResource {
    /// Whether something real stands behind it that its stack answers for.
    pub fn exists(&self) -> bool {
        !matches!(self.status, ResourceStatus::DeleteComplete | ResourceStatus::DeleteSkipped)
    }

    /// What an operation replaced, if it did: to be deleted when it succeeds.
    pub fn replaced(&self) -> Option<&Deployed> {
        let change = self.change.as_ref().filter(|change| change.action == Action::Replace)?;
        change.before.as_deref().filter(|before| !before.is_same_resource(&self.deployed))
    }
}

impl Deployed {
    /// Whether one real resource stands behind both.
    pub fn is_same_resource(&self, other: &Deployed) -> bool {
        self.physical_id == other.physical_id && self.resource_type == other.resource_type
    }

    pub fn known(&self) -> Known {
        Known {
            resource_type: self.resource_type.clone(),
            reference: self.reference.clone(),
            attributes: self.attributes.clone(),
        }
    }
}

/// The random part of a resource's generated name: twelve upper-case letters and digits, the same whenever this
/// creation is repeated.
pub fn suffix(stack_id: &str, logical_id: &str, generation: u32) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::digest(format!("{stack_id}\n{logical_id}\n{generation}"));
    digest.iter().take(12).map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// The resources of a stack by logical id.
pub type StackResources = BTreeMap<String, StackResource>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_belongs_to_one_creation() {
        let one = suffix("arn:s", "Queue", 0);
        assert_eq!(one.len(), 12);
        assert!(one.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
        assert_eq!(one, suffix("arn:s", "Queue", 0));
        assert_ne!(one, suffix("arn:s", "Queue", 1));
        assert_ne!(one, suffix("arn:t", "Queue", 0));
    }
}
