//! The engine's decisions, without any I/O: the state in, what to do next out.

use std::collections::{BTreeMap, BTreeSet};

use fabric::Change;
use serde_json::{Map, Value};

use crate::operation::{Cancel, Doomed, Kind, OnFailure, Operation};
use crate::resource::{Action, Noted, StackResource, StackResources};
use crate::status::StackStatus;

/// For each logical id those that it needs.
pub type Needs = BTreeMap<String, BTreeSet<String>>;

/// The resources to begin with now: those whose needs are all done, and which are not begun.
pub fn ready(needs: &Needs, done: &BTreeSet<String>, begun: &BTreeSet<String>) -> Vec<String> {
    let is_ready = |(id, needed): &(&String, &BTreeSet<String>)| !begun.contains(*id) && needed.is_subset(done);
    needs.iter().filter(is_ready).map(|(id, _)| id.clone()).collect()
}

/// The resources to delete now: those that nothing needs that is still there. What failed to be deleted is still
/// there.
pub fn ready_to_delete(doomed: &BTreeMap<String, Doomed>, begun: &BTreeSet<String>) -> Vec<String> {
    let is_needed =
        |id: &String| doomed.iter().any(|(other, one)| other != id && one.deployed.noted.needs.contains(id));
    doomed.keys().filter(|id| !begun.contains(*id) && !is_needed(id)).cloned().collect()
}

/// What a resource needs to become what the template wants; `None` when it is that already.
pub fn decide(
    existing: Option<&StackResource>,
    resource_type: &str,
    properties: &Map<String, Value>,
    noted: &Noted,
    judge: impl Fn(&Map<String, Value>, &Map<String, Value>) -> Change,
) -> Option<Action> {
    let Some(existing) = existing.filter(|existing| existing.exists() && !existing.deployed.physical_id.is_empty())
    else {
        return Some(Action::Create);
    };
    let old = &existing.deployed;
    if old.resource_type != resource_type {
        return Some(Action::Replace);
    }
    match judge(&old.properties, properties) {
        Change::Replace(_) => Some(Action::Replace),
        Change::Update(_) => Some(Action::Update),
        Change::None if old.noted != *noted || old.properties != *properties => Some(Action::Note),
        Change::None => None,
    }
}

/// What comes after all that could be deployed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterDeploy {
    End(StackStatus),
    /// Deletes what the update has left over.
    Cleanup,
    /// Brings back what was.
    Restore,
    /// Deletes all resources.
    Delete {
        rollback: bool,
    },
}

pub fn after_deploy(operation: &Operation) -> AfterDeploy {
    let rolls_back = operation.on_failure == OnFailure::Rollback || operation.cancel == Some(Cancel::Rollback);
    match (operation.kind, operation.is_failing()) {
        (Kind::Create | Kind::Delete, false) => AfterDeploy::End(StackStatus::CreateComplete),
        (Kind::Update, false) => AfterDeploy::Cleanup,
        (_, true) if operation.cancel == Some(Cancel::Delete) => AfterDeploy::Delete { rollback: false },
        (Kind::Update, true) if rolls_back => AfterDeploy::Restore,
        (Kind::Update, true) => AfterDeploy::End(StackStatus::UpdateFailed),
        (_, true) if rolls_back => AfterDeploy::Delete { rollback: true },
        (_, true) if operation.on_failure == OnFailure::Delete => AfterDeploy::Delete { rollback: false },
        (_, true) => AfterDeploy::End(StackStatus::CreateFailed),
    }
}

/// What a deletion of the whole stack, or the rollback of its creation, has to delete.
pub fn all_doomed(resources: &StackResources, operation: &Operation, rollback: bool) -> BTreeMap<String, Doomed> {
    let doomed = |resource: &StackResource| {
        let noted = &resource.deployed.noted;
        let by_policy = match rollback {
            true => noted.is_kept_on_rollback(operation.retain_except_on_create),
            false => noted.is_kept_on_delete(),
        };
        // What was never made can't be kept.
        let is_retained =
            (by_policy && !resource.deployed.physical_id.is_empty()) || operation.retain.contains(&resource.logical_id);
        Doomed { deployed: resource.deployed.clone(), is_retained, is_last: true }
    };
    resources.values().filter(|one| one.exists()).map(|one| (one.logical_id.clone(), doomed(one))).collect()
}

/// What a successful update leaves over: resources that were replaced, and those that the template has no more.
pub fn superseded(resources: &StackResources, wanted: &BTreeSet<String>) -> BTreeMap<String, Doomed> {
    let doomed = |resource: &StackResource| match resource.replaced() {
        _ if !wanted.contains(&resource.logical_id) => Some(Doomed {
            deployed: resource.deployed.clone(),
            is_retained: resource.deployed.noted.is_kept_on_delete(),
            is_last: true,
        }),
        Some(before) => Some(Doomed {
            deployed: before.clone(),
            is_retained: before.noted.is_kept_on_replacement(),
            is_last: false,
        }),
        None => None,
    };
    let there = resources.values().filter(|resource| resource.exists());
    there.filter_map(|resource| Some((resource.logical_id.clone(), doomed(resource)?))).collect()
}

/// What the rollback of an update leaves over: what it had made. The resources are as the update left them.
pub fn abandoned(resources: &StackResources, operation: &Operation) -> BTreeMap<String, Doomed> {
    let doomed = |resource: &StackResource| {
        let is_last = match resource.change.as_ref()?.action {
            Action::Create => true,
            Action::Replace => false,
            Action::Update | Action::Note => return None,
        };
        // A replacement that was never made, or that is the same real resource, leaves nothing over.
        if !is_last && (resource.deployed.physical_id.is_empty() || resource.replaced().is_none()) {
            return None;
        }
        let is_retained = is_last
            && !resource.deployed.physical_id.is_empty()
            && resource.deployed.noted.is_kept_on_rollback(operation.retain_except_on_create);
        Some(Doomed { deployed: resource.deployed.clone(), is_retained, is_last })
    };
    resources.values().filter_map(|one| Some((one.logical_id.clone(), doomed(one)?))).collect()
}

/// Why a deployment failed, as the stack's event says it.
pub fn failure_reason(resources: &StackResources, operation: &Operation) -> String {
    if let Some(reason) = &operation.reason {
        return reason.clone();
    }
    let was_created = |id: &&String| {
        let change = resources.get(*id).and_then(|resource| resource.change.as_ref());
        change.is_none_or(|change| change.action == Action::Create) && operation.kind != Kind::Delete
    };
    let (created, updated): (Vec<&String>, Vec<&String>) = operation.failed.iter().partition(was_created);
    let sentence = |verb: &str, ids: Vec<&String>| match ids.is_empty() {
        true => String::new(),
        false => {
            let ids: Vec<&str> = ids.into_iter().map(String::as_str).collect();
            format!("The following resource(s) failed to {verb}: [{}]. ", ids.join(", "))
        }
    };
    sentence("create", created) + &sentence("update", updated)
}

#[cfg(test)]
mod tests;
