use std::sync::Arc;

use base::Scope;
use model_cloudformation::{UpdateStackInput, UpdateStackOutput};
use wire::Call;

use crate::begin::Beginning;
use crate::changes::{Changes, compare};
use crate::document::Prepared;
use crate::error::{Error, no_stack, no_updates, not_updatable, validation};
use crate::intake::{For, Request};
use crate::operation::{Kind, OnFailure};
use crate::service::CloudFormation;
use crate::stack::{Deployment, Stack};
use crate::state::Stacks;

pub async fn update_stack(
    service: Arc<CloudFormation>,
    call: Call,
    input: UpdateStackInput,
) -> Result<UpdateStackOutput, wire::Error> {
    let token = input.client_request_token.clone();
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let name = input.stack_name.clone();
    let found = cell.read(|stacks| stacks.find(&name).cloned()).await.map_err(wire::Error::internal)?;
    let stack = found.ok_or_else(|| no_stack(&name))?;
    if stack.began_by(Kind::Update, token.as_deref()) {
        let operation_id = stack.facts.operations.first().map(|past| past.id.clone());
        return Ok(UpdateStackOutput { stack_id: Some(stack.facts.id), operation_id });
    }
    check_updatable(&stack)?;
    let uses_previous = input.use_previous_template == Some(true);
    let text = service.template_text(&call, input.template_body, input.template_url.as_deref()).await?;
    if uses_previous == text.is_some() {
        return Err(validation("Either Template URL or Template Body must be specified."));
    }
    let request = Request {
        text,
        parameters: input.parameters.unwrap_or_default(),
        capabilities: input.capabilities.unwrap_or_default(),
        tags: input.tags,
        notification_arns: input.notification_arns,
        role_arn: input.role_arn,
        allows_transform: false,
    };
    let goal = service.intake(request, of(&stack, &call.scope))?;
    let mut beginning = Beginning::new(&service, &call, Kind::Update, token);
    if input.disable_rollback == Some(true) {
        beginning.on_failure = OnFailure::DoNothing;
    }
    beginning.retain_except_on_create = input.retain_except_on_create == Some(true);
    let operation_id = beginning.id.clone();
    let uuid = stack.facts.uuid;
    let (stack_id, told) = cell
        .apply(|stacks, tx| {
            let stack = stacks.stacks.get(&uuid).ok_or_else(|| no_stack(&name))?;
            check_updatable(stack)?;
            if service.changes(stacks, stack, &goal, &call.scope)?.is_empty() {
                return Err(Error::from(no_updates()));
            }
            let stack = stacks.stacks.get_mut(&uuid).ok_or_else(|| no_stack(&name))?;
            Ok((stack.facts.id.clone(), stack.begin(tx, beginning, Some(goal))))
        })
        .await?;
    service.publish(told);
    service.start(call.scope, uuid);
    Ok(UpdateStackOutput { stack_id: Some(stack_id), operation_id: Some(operation_id) })
}

/// The stack as a request is for it.
pub fn of<'a>(stack: &'a Stack, scope: &'a Scope) -> For<'a> {
    For {
        scope,
        stack_id: &stack.facts.id,
        stack_name: &stack.facts.name,
        previous: stack.current.as_deref().or(stack.goal.as_deref()),
    }
}

pub fn check_updatable(stack: &Stack) -> Result<(), wire::Error> {
    match stack.facts.status.is_updatable() && stack.operation.is_none() {
        true => Ok(()),
        false => Err(not_updatable(&stack.facts.id, stack.facts.status.as_str())),
    }
}

impl CloudFormation {
    /// What deploying `goal` would change.
    pub(crate) fn changes(
        &self,
        stacks: &Stacks,
        stack: &Stack,
        goal: &Deployment,
        scope: &Scope,
    ) -> Result<Changes, Error> {
        let prepared = Prepared::new(goal, scope, &stack.facts.id, &stack.facts.name)?;
        let exports = stacks.exports_of_others(&stack.facts.uuid);
        let judge = |resource_type: &str, old: &_, new: &_| self.judge(resource_type, old, new);
        let mut changes = compare(&prepared, &stack.resources, &stack.facts.outputs, &exports, &judge)?;
        changes.are_tags_changed = stack
            .current
            .as_ref()
            .is_some_and(|current| current.tags != goal.tags || current.notification_arns != goal.notification_arns);
        Ok(changes)
    }
}
