use std::sync::Arc;

use model_cloudformation::errors::invalid_change_set_status_exception;
use model_cloudformation::{DeleteChangeSetInput, DeleteChangeSetOutput};
use wire::Call;

use crate::change_set::ExecutionStatus;
use crate::error::{Error, no_stack};
use crate::service::CloudFormation;

/// Deletes a change set; one that is not there is deleted.
pub async fn delete_change_set(
    service: Arc<CloudFormation>,
    call: Call,
    input: DeleteChangeSetInput,
) -> Result<DeleteChangeSetOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.apply(|stacks, tx| {
        if let Some(name) = &input.stack_name
            && stacks.find(name).is_none()
        {
            return Err(Error::from(no_stack(name)));
        }
        let Some((stack, change_set)) = stacks.find_change_set(&input.change_set_name, input.stack_name.as_deref())?
        else {
            return Ok(());
        };
        if change_set.facts.execution == ExecutionStatus::ExecuteInProgress {
            return Err(Error::from(invalid_change_set_status_exception(format!(
                "ChangeSet [{}] is being executed and cannot be deleted",
                change_set.facts.id
            ))));
        }
        let (uuid, set) = (stack.facts.uuid.clone(), change_set.facts.uuid.clone());
        if let Some(stack) = stacks.stacks.get_mut(&uuid) {
            stack.change_sets.remove(&set);
            stack.save_change_set(tx, &set);
        }
        Ok(())
    })
    .await?;
    Ok(DeleteChangeSetOutput {})
}
