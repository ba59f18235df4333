use std::sync::Arc;

use model_cloudformation::{UpdateTerminationProtectionInput, UpdateTerminationProtectionOutput};
use wire::Call;

use crate::error::{Error, no_stack};
use crate::service::CloudFormation;

pub async fn update_termination_protection(
    service: Arc<CloudFormation>,
    call: Call,
    input: UpdateTerminationProtectionInput,
) -> Result<UpdateTerminationProtectionOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let stack_id = cell
        .apply(|stacks, tx| {
            let found = stacks.find_mut(&input.stack_name).filter(|stack| !stack.is_deleted());
            let stack = found.ok_or_else(|| Error::from(no_stack(&input.stack_name)))?;
            stack.facts.is_protected = input.enable_termination_protection;
            stack.save_facts(tx);
            Ok::<_, Error>(stack.facts.id.clone())
        })
        .await?;
    Ok(UpdateTerminationProtectionOutput { stack_id: Some(stack_id) })
}
