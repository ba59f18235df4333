//! Carries operations on stacks out. Every step is durable before it is done: an operation that was interrupted is
//! carried on from its rows, by the same code.

mod delete;
mod deploy;
mod finish;
mod restore;
mod step;

use std::sync::Arc;

use base::{Scope, Trace};
use cell::{Cell, Tx};
use fabric::ResourceContext;

use crate::operation::{Operation, Phase};
use crate::resource::{Deployed, suffix};
use crate::service::CloudFormation;
use crate::stack::Stack;
use crate::state::Stacks;
use crate::story::Told;

pub(crate) use finish::doom_all;

/// How many resources of a stack are worked on at a time.
const STEPS_AT_ONCE_MAX: usize = 64;
/// How often an operation is taken up again after a fault of the store.
const ATTEMPTS_MAX: usize = 3;

/// An operation on a stack, as its steps see it.
pub(crate) struct Task {
    pub(crate) scope: Scope,
    cell: Cell<Stacks>,
    uuid: String,
    stack_id: String,
    stack_name: String,
    /// The operation as it was when the phase began.
    operation: Operation,
    trace: Trace,
    tags: Vec<(String, String)>,
}

impl CloudFormation {
    /// Begins to work on the operation that the stack has.
    pub(crate) fn start(self: &Arc<Self>, scope: Scope, uuid: String) {
        let service = self.clone();
        let busy = self.fabric.clock.busy();
        tokio::spawn(async move {
            for attempt in 1..=ATTEMPTS_MAX {
                match service.carry_on(&scope, &uuid).await {
                    Ok(()) => break,
                    Err(error) if error.is_retryable() && attempt < ATTEMPTS_MAX => {
                        tracing::warn!(%error, stack = uuid, "a stack's operation is taken up again");
                    }
                    Err(error) => {
                        tracing::error!(%error, stack = uuid, "a stack's operation stops until Kobel starts again");
                        break;
                    }
                }
            }
            drop(busy);
        });
    }

    /// Works through the phases until the stack has no operation any more.
    async fn carry_on(self: &Arc<Self>, scope: &Scope, uuid: &str) -> Result<(), cell::Error> {
        let cell = self.cell(scope).await?;
        while let Some(task) = self.task(scope, &cell, uuid).await? {
            let task = Arc::new(task);
            match task.operation.phase {
                Phase::Deploy => {
                    self.deploy(&task).await?;
                    self.finish_deploy(&task).await?;
                }
                Phase::Restore => {
                    self.restore(&task).await?;
                    self.finish_restore(&task).await?;
                }
                Phase::Cleanup { restored } => {
                    self.delete_doomed(&task).await?;
                    self.finish_cleanup(&task, restored).await?;
                }
                Phase::Delete { rollback } => {
                    self.delete_doomed(&task).await?;
                    self.finish_delete(&task, rollback).await?;
                }
            }
        }
        Ok(())
    }

    async fn task(&self, scope: &Scope, cell: &Cell<Stacks>, uuid: &str) -> Result<Option<Task>, cell::Error> {
        let fresh = self.fabric.begin_trace();
        cell.read(|stacks| {
            let stack = stacks.stacks.get(uuid)?;
            let operation = stack.operation.clone()?;
            Some(Task {
                scope: scope.clone(),
                cell: cell.clone(),
                uuid: uuid.to_owned(),
                stack_id: stack.facts.id.clone(),
                stack_name: stack.facts.name.clone(),
                trace: Trace::parse(&operation.trace).unwrap_or(fresh),
                operation,
                tags: stack.shown().map(|deployment| deployment.tags.clone()).unwrap_or_default(),
            })
        })
        .await
    }

    /// Changes the stack; followers learn of the events once they are durable.
    async fn change<T>(
        &self,
        task: &Task,
        command: impl FnOnce(&mut Stack, &mut Tx<'_>) -> (T, Told),
    ) -> Result<T, cell::Error> {
        self.change_among(task, |stacks, uuid, tx| {
            command(stacks.stacks.get_mut(uuid).expect("a stack stays while it has an operation"), tx)
        })
        .await
    }

    /// Like [`CloudFormation::change`], for a change that depends on other stacks.
    async fn change_among<T>(
        &self,
        task: &Task,
        command: impl FnOnce(&mut Stacks, &str, &mut Tx<'_>) -> (T, Told),
    ) -> Result<T, cell::Error> {
        let (output, told) =
            task.cell.apply(|stacks, tx| Ok::<_, cell::Error>(command(stacks, &task.uuid, tx))).await?;
        self.publish(told);
        Ok(output)
    }
}

impl Task {
    fn context(&self, logical_id: &str, deployed: &Deployed, trace: Trace) -> ResourceContext {
        ResourceContext {
            scope: self.scope.clone(),
            stack_name: self.stack_name.clone(),
            stack_id: self.stack_id.clone(),
            logical_id: logical_id.to_owned(),
            resource_type: deployed.resource_type.clone(),
            suffix: suffix(&self.stack_id, logical_id, deployed.generation),
            tags: self.tags.clone(),
            origin: self.operation.origin.clone(),
            trace,
        }
    }

    /// The operation as it is now.
    async fn current(&self) -> Result<Option<Operation>, cell::Error> {
        self.cell.read(|stacks| stacks.stacks.get(&self.uuid)?.operation.clone()).await
    }
}

#[cfg(test)]
mod tests;
