use std::sync::Arc;

use tokio::task::JoinSet;

use super::{STEPS_AT_ONCE_MAX, Task};
use crate::plan;
use crate::resource::{Action, Deployed, Underway};
use crate::service::CloudFormation;
use crate::stack::Stack;
use crate::status::ResourceStatus;
use crate::story::Told;

impl CloudFormation {
    /// Brings back in place what a failed update has changed. All that was there before still is, so the order does
    /// not matter.
    pub(super) async fn restore(self: &Arc<Self>, task: &Arc<Task>) -> Result<(), cell::Error> {
        let mut waiting: Vec<(String, Deployed, Deployed)> = task
            .cell
            .read(|stacks| {
                let resources = stacks.stacks.get(&task.uuid).into_iter().flat_map(|stack| stack.resources.values());
                let to_restore = resources.filter_map(|resource| {
                    let change = resource.change.as_ref().filter(|change| change.action == Action::Update)?;
                    let from = change.before.as_deref()?.clone();
                    Some((resource.logical_id.clone(), from, resource.deployed.clone()))
                });
                to_restore.collect()
            })
            .await?;
        let mut running: JoinSet<Result<(), cell::Error>> = JoinSet::new();
        loop {
            while running.len() < STEPS_AT_ONCE_MAX
                && let Some((logical_id, from, to)) = waiting.pop()
            {
                running.spawn(self.clone().restore_step(task.clone(), logical_id, from, to));
            }
            match running.join_next().await {
                None => return Ok(()),
                Some(Ok(ended)) => ended?,
                Some(Err(panicked)) => tracing::error!(%panicked, "a step of a stack's rollback ended by a panic"),
            }
        }
    }

    async fn restore_step(
        self: Arc<Self>,
        task: Arc<Task>,
        logical_id: String,
        from: Deployed,
        to: Deployed,
    ) -> Result<(), cell::Error> {
        let id = logical_id.as_str();
        let begin = |stack: &mut Stack, tx: &mut cell::Tx<'_>| {
            stack.tell_resource_status(tx, id, ResourceStatus::UpdateInProgress, None).into_iter().collect::<Told>()
        };
        self.change(&task, |stack, tx| ((), begin(stack, tx))).await?;
        let restored = self.alter(&task, id, &from, &to).await;
        self.change(&task, |stack, tx| {
            let (status, reason) = match restored {
                Ok(made) => {
                    if let Some(resource) = stack.resources.get_mut(id) {
                        resource.deployed.reference = made.reference;
                        resource.deployed.attributes = made.attributes;
                        resource.change = None;
                    }
                    (ResourceStatus::UpdateComplete, None)
                }
                Err(reason) => {
                    if let Some(operation) = &mut stack.operation {
                        operation.failed.insert(id.to_owned());
                    }
                    stack.save_operation(tx);
                    (ResourceStatus::UpdateFailed, Some(reason))
                }
            };
            ((), stack.tell_resource_status(tx, id, status, reason.as_deref()).into_iter().collect())
        })
        .await
    }
}

/// Turns the resources of a failed update around: what was there is wanted again, and what was made for the update
/// is doomed. Writes the resources, not the operation.
pub(super) fn turn_around(stack: &mut Stack, tx: &mut cell::Tx<'_>) -> Told {
    let Some(operation) = &mut stack.operation else { return Told::new() };
    operation.doomed = plan::abandoned(&stack.resources, operation);
    operation.failed.clear();
    operation.reason = None;
    let mut told = Told::new();
    let ids: Vec<String> = stack.resources.keys().cloned().collect();
    for id in ids {
        let Some(resource) = stack.resources.get_mut(&id) else { continue };
        let Some(Underway { action, before: Some(before), .. }) = resource.change.take() else { continue };
        let abandoned = std::mem::replace(&mut resource.deployed, *before);
        let same = abandoned.is_same_resource(&resource.deployed);
        match action {
            Action::Update | Action::Replace if same => {
                let before = Some(Box::new(abandoned));
                resource.change = Some(Underway { action: Action::Update, is_done: false, before });
                stack.save_resource(tx, &id);
            }
            Action::Note => stack.save_resource(tx, &id),
            Action::Create | Action::Update | Action::Replace => {
                told.extend(stack.tell_resource_status(tx, &id, ResourceStatus::UpdateComplete, None));
            }
        }
    }
    told
}
