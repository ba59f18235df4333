use std::collections::{BTreeMap, BTreeSet};

use cell::Tx;

use super::Task;
use super::restore::turn_around;
use crate::change_set::ExecutionStatus;
use crate::document::Prepared;
use crate::operation::{Kind, Operation, Phase};
use crate::outputs::outputs;
use crate::plan::{self, AfterDeploy};
use crate::resource::Underway;
use crate::service::CloudFormation;
use crate::stack::{Output, Stack};
use crate::state::Stacks;
use crate::status::StackStatus;
use crate::story::Told;

/// What a deployment shows to others: its outputs, and the exports that it uses.
type Shown = (Vec<Output>, BTreeSet<String>);

/// Each phase ends in one commit, which begins the next.
impl CloudFormation {
    pub(super) async fn finish_deploy(&self, task: &Task) -> Result<(), cell::Error> {
        self.change_among(task, |stacks, uuid, tx| {
            let shown = shown(stacks, uuid, task);
            let stack = stacks.stacks.get_mut(uuid).expect("a stack stays while it has an operation");
            let Some(operation) = &mut stack.operation else { return ((), Told::new()) };
            let shown = match shown {
                Ok(shown) => shown,
                Err(reason) => {
                    if !operation.is_failing() {
                        operation.reason = Some(reason);
                    }
                    Shown::default()
                }
            };
            let next = plan::after_deploy(operation);
            let reason = operation.is_failing().then(|| plan::failure_reason(&stack.resources, operation));
            ((), follow_up(stack, tx, task, next, reason, shown))
        })
        .await
    }

    pub(super) async fn finish_restore(&self, task: &Task) -> Result<(), cell::Error> {
        self.change(task, |stack, tx| {
            let Some(operation) = &mut stack.operation else { return ((), Told::new()) };
            if !operation.failed.is_empty() {
                let reason = failed_to("update", operation);
                return ((), end(stack, tx, StackStatus::UpdateRollbackFailed, Some(reason)));
            }
            operation.phase = Phase::Cleanup { restored: true };
            stack.save_operation(tx);
            let status = StackStatus::UpdateRollbackCompleteCleanupInProgress;
            ((), vec![stack.tell_status(tx, status, None)])
        })
        .await
    }

    pub(super) async fn finish_cleanup(&self, task: &Task, restored: bool) -> Result<(), cell::Error> {
        let status = if restored { StackStatus::UpdateRollbackComplete } else { StackStatus::UpdateComplete };
        self.change(task, |stack, tx| ((), end(stack, tx, status, None))).await
    }

    pub(super) async fn finish_delete(&self, task: &Task, rollback: bool) -> Result<(), cell::Error> {
        self.change(task, |stack, tx| {
            let Some(operation) = &stack.operation else { return ((), Told::new()) };
            // Somebody wants the stack deleted whose creation was rolled back.
            let (status, reason) = match (operation.failed.is_empty() && operation.doomed.is_empty(), rollback) {
                (true, true) => (StackStatus::RollbackComplete, None),
                (true, false) => (StackStatus::DeleteComplete, None),
                (false, true) => (StackStatus::RollbackFailed, Some(failed_to("delete", operation))),
                (false, false) => (StackStatus::DeleteFailed, Some(failed_to("delete", operation))),
            };
            if operation.cancel == Some(crate::operation::Cancel::Delete) && rollback {
                return ((), begin_deletion(stack, tx, None));
            }
            if status == StackStatus::DeleteComplete {
                stack.facts.deleted = Some(tx.now());
                for uuid in std::mem::take(&mut stack.change_sets).into_keys() {
                    stack.save_change_set(tx, &uuid);
                }
            }
            ((), end(stack, tx, status, reason))
        })
        .await
    }
}

/// Begins what comes after the deployment.
fn follow_up(
    stack: &mut Stack,
    tx: &mut Tx<'_>,
    task: &Task,
    next: AfterDeploy,
    reason: Option<String>,
    (outputs, imports): Shown,
) -> Told {
    match next {
        AfterDeploy::End(status) => {
            if reason.is_none() {
                settle(stack, tx, outputs, imports);
            }
            end(stack, tx, status, reason)
        }
        AfterDeploy::Cleanup => {
            let wanted = wanted(stack, task);
            let doomed = plan::superseded(&stack.resources, &wanted);
            settle(stack, tx, outputs, imports);
            enter(stack, tx, Phase::Cleanup { restored: false }, |operation| operation.doomed = doomed);
            vec![stack.tell_status(tx, StackStatus::UpdateCompleteCleanupInProgress, None)]
        }
        AfterDeploy::Restore => {
            let mut told = vec![stack.tell_status(tx, StackStatus::UpdateRollbackInProgress, reason)];
            told.extend(turn_around(stack, tx));
            enter(stack, tx, Phase::Restore, |_| {});
            told
        }
        AfterDeploy::Delete { rollback: false } => begin_deletion(stack, tx, reason),
        AfterDeploy::Delete { rollback: true } => {
            let reason = reason.map(|reason| format!("{} Rollback requested by user.", reason.trim_end()));
            let told = vec![stack.tell_status(tx, StackStatus::RollbackInProgress, reason)];
            doom_all(stack, tx, true);
            told
        }
    }
}

/// Begins to delete the stack.
fn begin_deletion(stack: &mut Stack, tx: &mut Tx<'_>, reason: Option<String>) -> Told {
    let told = vec![stack.tell_status(tx, StackStatus::DeleteInProgress, reason)];
    doom_all(stack, tx, false);
    told
}

/// Begins to delete all resources.
pub(crate) fn doom_all(stack: &mut Stack, tx: &mut Tx<'_>, rollback: bool) {
    let Some(operation) = &stack.operation else { return };
    let doomed = plan::all_doomed(&stack.resources, operation, rollback);
    enter(stack, tx, Phase::Delete { rollback }, |operation| {
        operation.doomed = doomed;
        operation.failed.clear();
        operation.reason = None;
        if !rollback {
            operation.cancel = None;
        }
    });
}

fn enter(stack: &mut Stack, tx: &mut Tx<'_>, phase: Phase, adjust: impl FnOnce(&mut Operation)) {
    if let Some(operation) = &mut stack.operation {
        operation.phase = phase;
        adjust(operation);
    }
    stack.save_operation(tx);
}

/// What was wanted is deployed.
fn settle(stack: &mut Stack, tx: &mut Tx<'_>, outputs: Vec<Output>, imports: BTreeSet<String>) {
    stack.current = stack.goal.take();
    stack.save_current(tx);
    stack.save_goal(tx);
    stack.facts.outputs = outputs;
    stack.facts.imports = imports;
    let resources = stack.resources.iter_mut();
    let ids: Vec<String> = resources.filter_map(|(id, resource)| resource.change.take().map(|_| id.clone())).collect();
    ids.iter().for_each(|id| stack.save_resource(tx, id));
}

/// Ends the operation.
fn end(stack: &mut Stack, tx: &mut Tx<'_>, status: StackStatus, reason: Option<String>) -> Told {
    let now = tx.now();
    let operation = stack.operation.take();
    stack.save_operation(tx);
    if let Some(past) = stack.facts.operations.first_mut() {
        past.ended = Some(now);
    }
    let ids: Vec<String> = stack.resources.keys().cloned().collect();
    for id in ids {
        let Some(resource) = stack.resources.get_mut(&id) else { continue };
        let Some(Underway { is_done, before, .. }) = resource.change.take() else { continue };
        // What was not brought to its new properties is compared with the old ones next time.
        if let (false, Some(before)) = (is_done, before) {
            resource.deployed = *before;
        }
        stack.save_resource(tx, &id);
    }
    // A stack that never was deployed keeps what it was to become: it is what its descriptions show.
    if operation.is_some_and(|operation| operation.kind == Kind::Update) {
        stack.goal = None;
        stack.save_goal(tx);
    }
    end_change_set(stack, tx, status);
    vec![stack.tell_status(tx, status, reason)]
}

fn end_change_set(stack: &mut Stack, tx: &mut Tx<'_>, status: StackStatus) {
    let executing = |one: &&mut crate::change_set::ChangeSet| one.facts.execution == ExecutionStatus::ExecuteInProgress;
    let Some(change_set) = stack.change_sets.values_mut().find(executing) else { return };
    change_set.facts.execution = match status {
        StackStatus::CreateComplete | StackStatus::UpdateComplete => ExecutionStatus::ExecuteComplete,
        _ => ExecutionStatus::ExecuteFailed,
    };
    let uuid = change_set.facts.uuid.clone();
    stack.save_change_set(tx, &uuid);
}

/// The logical ids that the goal has.
fn wanted(stack: &Stack, task: &Task) -> BTreeSet<String> {
    let goal = stack.goal.as_ref().or(stack.current.as_ref());
    let prepared = goal.and_then(|goal| Prepared::new(goal, &task.scope, &task.stack_id, &task.stack_name).ok());
    prepared.map(|prepared| prepared.resources().map(|(id, _)| id.clone()).collect()).unwrap_or_default()
}

/// What the goal shows to others once its resources are there; or why it may not.
fn shown(stacks: &Stacks, uuid: &str, task: &Task) -> Result<Shown, String> {
    let stack = &stacks.stacks[uuid];
    let Some(goal) = stack.goal.as_ref().filter(|_| stack.operation.as_ref().is_some_and(|one| !one.is_failing()))
    else {
        return Ok(Shown::default());
    };
    let prepared = Prepared::new(goal, &task.scope, &task.stack_id, &task.stack_name).map_err(|e| e.to_string())?;
    let known: BTreeMap<_, _> =
        stack.resources.iter().map(|(id, resource)| (id.clone(), resource.deployed.known())).collect();
    let (outputs, mut imports) =
        outputs(&prepared, &known, &stacks.exports_of_others(uuid)).map_err(|error| error.message)?;
    let names: BTreeSet<&String> = prepared.resources().map(|(id, _)| id).collect();
    let wanted = stack.resources.iter().filter(|(id, _)| names.contains(id));
    imports.extend(wanted.flat_map(|(_, resource)| resource.deployed.noted.imports.iter().cloned()));
    check_exports(stacks, stack, &outputs)?;
    Ok((outputs, imports))
}

/// Exports are unique, and do not change while somebody uses them.
fn check_exports(stacks: &Stacks, stack: &Stack, new: &[Output]) -> Result<(), String> {
    for name in new.iter().filter_map(|output| output.export.as_deref()) {
        let mut exports = stacks.exports();
        let elsewhere = exports.find(|(other, _, owner)| *other == name && owner.facts.uuid != stack.facts.uuid);
        if let Some((_, _, owner)) = elsewhere {
            return Err(format!("Export with name {name} is already exported by stack {}", owner.facts.name));
        }
    }
    for old in stack.facts.outputs.iter().filter(|output| output.export.is_some()) {
        let name = old.export.as_deref().unwrap_or_default();
        let Some(user) = stacks.importers(name).next() else { continue };
        let user = &user.facts.name;
        match new.iter().find(|output| output.export == old.export) {
            None => return Err(format!("Export {name} cannot be deleted as it is in use by {user}")),
            Some(output) if output.value != old.value => {
                return Err(format!("Export {name} cannot be updated as it is in use by {user}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn failed_to(verb: &str, operation: &Operation) -> String {
    let mut ids: Vec<&str> = operation.failed.iter().map(String::as_str).collect();
    if ids.is_empty() {
        ids = operation.doomed.keys().map(String::as_str).collect();
    }
    format!("The following resource(s) failed to {verb}: [{}]. ", ids.join(", "))
}
