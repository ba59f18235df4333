use std::sync::Arc;

use model_cloudformation::{CreateStackInput, CreateStackOutput};
use wire::Call;

use crate::begin::Beginning;
use crate::error::{Error, stack_exists, validation};
use crate::intake::{For, Request};
use crate::operation::{Kind, OnFailure};
use crate::service::CloudFormation;

pub async fn create_stack(
    service: Arc<CloudFormation>,
    call: Call,
    input: CreateStackInput,
) -> Result<CreateStackOutput, wire::Error> {
    if input.disable_rollback.is_some() && input.on_failure.is_some() {
        return Err(validation("You can specify either DisableRollback or OnFailure, but not both."));
    }
    let token = input.client_request_token.clone();
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let text = service.required_template_text(&call, input.template_body, input.template_url.as_deref()).await?;
    let mut stack = service.new_stack(&call.scope, &input.stack_name);
    let request = Request {
        text: Some(text),
        parameters: input.parameters.unwrap_or_default(),
        capabilities: input.capabilities.unwrap_or_default(),
        tags: input.tags,
        notification_arns: input.notification_arns,
        role_arn: input.role_arn,
        allows_transform: false,
    };
    let of = For { scope: &call.scope, stack_id: &stack.facts.id, stack_name: &input.stack_name, previous: None };
    let goal = service.intake(request, of);

    let mut beginning = Beginning::new(&service, &call, Kind::Create, token.clone());
    beginning.on_failure = on_failure(input.on_failure.as_deref(), input.disable_rollback);
    beginning.retain_except_on_create = input.retain_except_on_create == Some(true);
    beginning.timeout_minutes = input.timeout_in_minutes;
    stack.facts.disable_rollback = beginning.on_failure == OnFailure::DoNothing;
    stack.facts.retain_except_on_create = beginning.retain_except_on_create;
    stack.facts.timeout_minutes = input.timeout_in_minutes;
    stack.facts.is_protected = input.enable_termination_protection == Some(true);

    let (stack_id, operation_id, began) = cell
        .apply(|stacks, tx| {
            if let Some(existing) = stacks.find(&input.stack_name) {
                // The same request again: it has been answered before.
                if existing.began_by(Kind::Create, token.as_deref()) {
                    let operation = existing.facts.operations.first().map(|past| past.id.clone());
                    return Ok((existing.facts.id.clone(), operation, None));
                }
                return Err(Error::from(stack_exists(&input.stack_name)));
            }
            let goal = goal.map_err(wire::Error::from)?;
            stacks.expire(tx);
            let (uuid, id, operation) = (stack.facts.uuid.clone(), stack.facts.id.clone(), beginning.id.clone());
            let told = stack.begin(tx, beginning, Some(goal));
            stacks.stacks.insert(uuid.clone(), stack);
            Ok((id, Some(operation), Some((uuid, told))))
        })
        .await?;
    if let Some((uuid, told)) = began {
        service.publish(told);
        service.start(call.scope, uuid);
    }
    Ok(CreateStackOutput { stack_id: Some(stack_id), operation_id })
}

/// `OnFailure`, or what `DisableRollback` means.
pub fn on_failure(name: Option<&str>, disable_rollback: Option<bool>) -> OnFailure {
    match name {
        Some("DO_NOTHING") => OnFailure::DoNothing,
        Some("DELETE") => OnFailure::Delete,
        None if disable_rollback == Some(true) => OnFailure::DoNothing,
        _ => OnFailure::Rollback,
    }
}
