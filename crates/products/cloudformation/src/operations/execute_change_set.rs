use std::sync::Arc;

use model_cloudformation::errors::invalid_change_set_status_exception;
use model_cloudformation::{ExecuteChangeSetInput, ExecuteChangeSetOutput};
use wire::Call;

use super::update_stack::check_updatable;
use crate::begin::Beginning;
use crate::change_set::ExecutionStatus;
use crate::error::{Error, no_change_set};
use crate::operation::{Kind, OnFailure};
use crate::service::CloudFormation;
use crate::status::StackStatus;

pub async fn execute_change_set(
    service: Arc<CloudFormation>,
    call: Call,
    input: ExecuteChangeSetInput,
) -> Result<ExecuteChangeSetOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let token = input.client_request_token;
    let mut beginning = Beginning::new(&service, &call, Kind::Update, token.clone());
    beginning.retain_except_on_create = input.retain_except_on_create == Some(true);
    let name = &input.change_set_name;
    let began = cell
        .apply(|stacks, tx| {
            let found = stacks.find_change_set(name, input.stack_name.as_deref())?;
            let (stack, change_set) = found.ok_or_else(|| no_change_set(name))?;
            let (uuid, id, set) =
                (stack.facts.uuid.clone(), change_set.facts.id.clone(), change_set.facts.uuid.clone());
            let is_new = stack.facts.status == StackStatus::ReviewInProgress;
            if change_set.facts.execution == ExecutionStatus::ExecuteInProgress
                && (stack.began_by(Kind::Update, token.as_deref()) || stack.began_by(Kind::Create, token.as_deref()))
            {
                return Ok(None);
            }
            let goal = match (&change_set.goal, change_set.facts.execution) {
                (Some(goal), ExecutionStatus::Available) => goal.clone(),
                (_, execution) => {
                    return Err(Error::from(invalid_change_set_status_exception(format!(
                        "ChangeSet [{id}] cannot be executed in its current execution status of [{}]",
                        execution.as_str()
                    ))));
                }
            };
            if !is_new {
                check_updatable(stack)?;
            }
            beginning.kind = if is_new { Kind::Create } else { Kind::Update };
            beginning.on_failure = match (input.disable_rollback, change_set.facts.on_failure) {
                (Some(true), _) => OnFailure::DoNothing,
                (_, on_failure) => on_failure.unwrap_or_default(),
            };
            let Some(stack) = stacks.stacks.get_mut(&uuid) else { return Ok(None) };
            stack.facts.change_set_id = Some(id);
            stack.facts.disable_rollback = beginning.on_failure == OnFailure::DoNothing;
            stack.facts.retain_except_on_create = beginning.retain_except_on_create;
            // The others were compared with what will not be any more.
            let others: Vec<String> = stack.change_sets.keys().filter(|other| **other != set).cloned().collect();
            for other in others {
                stack.change_sets.remove(&other);
                stack.save_change_set(tx, &other);
            }
            if let Some(change_set) = stack.change_sets.get_mut(&set) {
                change_set.facts.execution = ExecutionStatus::ExecuteInProgress;
            }
            stack.save_change_set(tx, &set);
            let told = stack.begin(tx, beginning, Some(goal));
            Ok(Some((uuid, told)))
        })
        .await?;
    if let Some((uuid, told)) = began {
        service.publish(told);
        service.start(call.scope, uuid);
    }
    Ok(ExecuteChangeSetOutput {})
}
