use std::sync::Arc;

use model_cloudformation::{CancelUpdateStackInput, CancelUpdateStackOutput};
use wire::Call;

use crate::error::{Error, no_stack, validation};
use crate::operation::{Cancel, Kind, Phase};
use crate::service::CloudFormation;

/// Rolls an update back that is in progress; what has begun ends first.
pub async fn cancel_update_stack(
    service: Arc<CloudFormation>,
    call: Call,
    input: CancelUpdateStackInput,
) -> Result<CancelUpdateStackOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.apply(|stacks, tx| {
        let stack = stacks.find_mut(&input.stack_name).ok_or_else(|| no_stack(&input.stack_name))?;
        let deploying = |operation: &&mut crate::operation::Operation| {
            operation.kind == Kind::Update && operation.phase == Phase::Deploy
        };
        let Some(operation) = stack.operation.as_mut().filter(deploying) else {
            return Err(Error::from(validation("CancelUpdateStack cannot be called from current stack status")));
        };
        operation.cancel = Some(Cancel::Rollback);
        operation.reason.get_or_insert_with(|| "User Initiated".to_owned());
        stack.save_operation(tx);
        Ok(())
    })
    .await?;
    Ok(CancelUpdateStackOutput {})
}
