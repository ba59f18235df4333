use std::collections::BTreeSet;
use std::sync::Arc;

use model_cloudformation::{DeleteStackInput, DeleteStackOutput};
use wire::Call;

use crate::begin::Beginning;
use crate::engine::doom_all;
use crate::error::{Error, validation};
use crate::operation::{Cancel, Kind};
use crate::service::CloudFormation;
use crate::stack::Stack;
use crate::state::Stacks;
use crate::status::StackStatus;

pub async fn delete_stack(
    service: Arc<CloudFormation>,
    call: Call,
    input: DeleteStackInput,
) -> Result<DeleteStackOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let retain: BTreeSet<String> = input.retain_resources.unwrap_or_default().into_iter().collect();
    let force = input.deletion_mode.as_deref() == Some("FORCE_DELETE_STACK");
    let beginning = Beginning::new(&service, &call, Kind::Delete, input.client_request_token);
    let began = cell
        .apply(|stacks, tx| {
            // A stack that is not there is deleted.
            let Some(stack) = stacks.find(&input.stack_name).filter(|stack| !stack.is_deleted()) else {
                return Ok(None);
            };
            check(stacks, stack, &retain, force)?;
            let uuid = stack.facts.uuid.clone();
            let Some(stack) = stacks.stacks.get_mut(&uuid) else { return Ok::<_, Error>(None) };
            if let Some(operation) = &mut stack.operation {
                // A creation is given up for the deletion; a deletion goes on.
                if operation.kind == Kind::Create {
                    operation.cancel = Some(Cancel::Delete);
                    stack.save_operation(tx);
                }
                return Ok(None);
            }
            let told = stack.begin(tx, beginning, None);
            if let Some(operation) = &mut stack.operation {
                operation.retain = retain;
                operation.force = force;
            }
            doom_all(stack, tx, false);
            Ok(Some((uuid, told)))
        })
        .await?;
    if let Some((uuid, told)) = began {
        service.publish(told);
        service.start(call.scope, uuid);
    }
    Ok(DeleteStackOutput {})
}

fn check(stacks: &Stacks, stack: &Stack, retain: &BTreeSet<String>, force: bool) -> Result<(), wire::Error> {
    let (name, status) = (&stack.facts.name, stack.facts.status);
    if stack.facts.is_protected {
        return Err(validation(format!("Stack [{name}] cannot be deleted while TerminationProtection is enabled")));
    }
    if stack.operation.as_ref().is_some_and(|operation| operation.kind == Kind::Update) {
        let id = &stack.facts.id;
        return Err(validation(format!("Stack [{id}] cannot be deleted while in status {}", status.as_str())));
    }
    if (!retain.is_empty() || force) && status != StackStatus::DeleteFailed {
        let what = if force { "DeletionMode FORCE_DELETE_STACK" } else { "RetainResources" };
        return Err(validation(format!(
            "Invalid operation on stack [{}]. {what} can be specified only when the stack is in the DELETE_FAILED state.",
            stack.facts.id
        )));
    }
    for export in stack.facts.outputs.iter().filter_map(|output| output.export.as_deref()) {
        if let Some(user) = stacks.importers(export).find(|user| user.facts.uuid != stack.facts.uuid) {
            let user = &user.facts.name;
            return Err(validation(format!("Export {export} cannot be deleted as it is in use by {user}")));
        }
    }
    Ok(())
}
