use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{STEPS_AT_ONCE_MAX, Task};
use crate::operation::{Doomed, Phase};
use crate::plan;
use crate::service::CloudFormation;
use crate::stack::Stack;
use crate::status::ResourceStatus;
use crate::story::Told;

type Ended = Result<(), cell::Error>;

impl CloudFormation {
    /// Deletes what the phase has to delete, each as soon as nothing needs it any more.
    pub(super) async fn delete_doomed(self: &Arc<Self>, task: &Arc<Task>) -> Result<(), cell::Error> {
        let mut begun = BTreeSet::new();
        let mut running: JoinSet<Ended> = JoinSet::new();
        loop {
            let doomed = task.current().await?.map(|operation| operation.doomed).unwrap_or_default();
            let room = STEPS_AT_ONCE_MAX - running.len();
            for logical_id in plan::ready_to_delete(&doomed, &begun).into_iter().take(room) {
                let one = doomed[&logical_id].clone();
                begun.insert(logical_id.clone());
                running.spawn(self.clone().delete_step(task.clone(), logical_id, one));
            }
            match running.join_next().await {
                None => return Ok(()),
                Some(Ok(ended)) => ended?,
                // What has failed stays doomed, and the phase ends without it.
                Some(Err(panicked)) => {
                    tracing::error!(%panicked, "a step of a stack's operation ended by a panic");
                }
            }
        }
    }

    async fn delete_step(self: Arc<Self>, task: Arc<Task>, logical_id: String, doomed: Doomed) -> Ended {
        let id = logical_id.as_str();
        if doomed.is_retained || doomed.deployed.physical_id.is_empty() {
            return self.change(&task, |stack, tx| ((), gone(stack, tx, id, &doomed))).await;
        }
        let in_progress = ResourceStatus::DeleteInProgress;
        self.change(&task, |stack, tx| ((), tell(stack, tx, id, &doomed, in_progress, None))).await?;
        match self.unmake(&task, id, &doomed.deployed).await {
            Ok(()) => self.change(&task, |stack, tx| ((), gone(stack, tx, id, &doomed))).await,
            Err(reason) => self.change(&task, |stack, tx| ((), failed(stack, tx, id, &doomed, &reason))).await,
        }
    }
}

/// Tells a status of what is being deleted. It is the logical id's status too, unless something else stands there.
fn tell(
    stack: &mut Stack,
    tx: &mut cell::Tx<'_>,
    id: &str,
    doomed: &Doomed,
    status: ResourceStatus,
    reason: Option<&str>,
) -> Told {
    if doomed.is_last && stack.resources.contains_key(id) {
        return stack.tell_resource_status(tx, id, status, reason).into_iter().collect();
    }
    vec![stack.tell_resource(tx, id, &doomed.deployed, status, reason)]
}

fn gone(stack: &mut Stack, tx: &mut cell::Tx<'_>, id: &str, doomed: &Doomed) -> Told {
    let status = if doomed.is_retained { ResourceStatus::DeleteSkipped } else { ResourceStatus::DeleteComplete };
    let told = tell(stack, tx, id, doomed, status, None);
    let mut lives_on = false;
    if let Some(operation) = &mut stack.operation {
        operation.doomed.remove(id);
        operation.failed.remove(id);
        lives_on = matches!(operation.phase, Phase::Cleanup { .. });
    }
    stack.save_operation(tx);
    // A stack that lives on forgets what it has no more; a deleted one still lists it.
    if doomed.is_last && lives_on {
        stack.resources.remove(id);
        stack.save_resource(tx, id);
        stack.facts.replacements += 1;
        stack.save_facts(tx);
    }
    told
}

fn failed(stack: &mut Stack, tx: &mut cell::Tx<'_>, id: &str, doomed: &Doomed, reason: &str) -> Told {
    let told = tell(stack, tx, id, doomed, ResourceStatus::DeleteFailed, Some(reason));
    let mut is_left_behind = false;
    if let Some(operation) = &mut stack.operation {
        // A cleanup, and a deletion by force, leave behind what can't be deleted.
        is_left_behind = operation.force || matches!(operation.phase, Phase::Cleanup { .. });
        if is_left_behind {
            operation.doomed.remove(id);
        } else {
            operation.failed.insert(id.to_owned());
        }
        if is_left_behind && doomed.is_last && matches!(operation.phase, Phase::Cleanup { .. }) {
            stack.resources.remove(id);
        }
    }
    stack.save_operation(tx);
    if is_left_behind {
        stack.save_resource(tx, id);
    }
    told
}
