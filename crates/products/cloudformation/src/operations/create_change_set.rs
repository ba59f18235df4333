use std::sync::Arc;

use base::Scope;
use cell::Tx;
use model_cloudformation::errors::already_exists_exception;
use model_cloudformation::{CreateChangeSetInput, CreateChangeSetOutput};
use wire::Call;

use super::create_stack::on_failure;
use super::update_stack::{check_updatable, of};
use crate::change_set::{ChangeSet, ChangeSetFacts, ChangeSetStatus, ExecutionStatus};
use crate::changes::Changes;
use crate::document::DocumentError;
use crate::error::{Error, no_stack, validation};
use crate::intake::Request;
use crate::service::CloudFormation;
use crate::stack::{Deployment, Stack};
use crate::state::Stacks;
use crate::status::StackStatus;
use crate::story::Told;

/// How many change sets a stack has at most.
const CHANGE_SETS_MAX: usize = 1_000;
const NOTHING_CHANGES: &str = "The submitted information didn't contain changes. Submit different information to \
                               create a change set.";

pub async fn create_change_set(
    service: Arc<CloudFormation>,
    call: Call,
    input: CreateChangeSetInput,
) -> Result<CreateChangeSetOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let name = input.stack_name.clone();
    let is_new = match input.change_set_type.as_deref() {
        Some("CREATE") => true,
        None | Some("UPDATE") => false,
        Some(other) => return Err(validation(format!("Kobel does not have change sets of type {other}."))),
    };
    let found = cell.read(|stacks| stacks.find(&name).cloned()).await.map_err(wire::Error::internal)?;
    let stack = match found.filter(|stack| !stack.is_deleted()) {
        Some(stack) => stack,
        None if is_new && !name.starts_with("arn:") => service.new_stack(&call.scope, &name),
        None => return Err(no_stack(&name)),
    };
    check(&stack, &input, is_new)?;
    let token = input.client_token.as_deref();
    if let Some(same) = stack.change_sets.values().find(|one| token.is_some() && one.facts.token.as_deref() == token) {
        return Ok(CreateChangeSetOutput { id: Some(same.facts.id.clone()), stack_id: Some(stack.facts.id.clone()) });
    }
    let text = service.template_text(&call, input.template_body.clone(), input.template_url.as_deref()).await?;
    if (input.use_previous_template == Some(true)) == text.is_some() {
        return Err(validation("Either Template URL or Template Body must be specified."));
    }
    let request = Request {
        text,
        parameters: input.parameters.clone().unwrap_or_default(),
        capabilities: input.capabilities.clone().unwrap_or_default(),
        tags: input.tags.clone(),
        notification_arns: input.notification_arns.clone(),
        role_arn: input.role_arn.clone(),
        allows_transform: true,
    };
    let goal = match service.intake(request, of(&stack, &call.scope)) {
        Ok(goal) => Ok(goal),
        Err(DocumentError::Transform(reason)) => Err(reason),
        Err(invalid) => return Err(invalid.into()),
    };
    let facts = facts(&service, &call.scope, &input);
    let id = facts.id.clone();
    let (stack_id, told) = cell
        .apply(|stacks, tx| {
            let stack = match stacks.find(&name) {
                Some(existing) if existing.facts.uuid != stack.facts.uuid => {
                    return Err(Error::from(validation(format!("Stack [{name}] is being created by somebody else."))));
                }
                Some(existing) => existing,
                None => &stack,
            };
            check(stack, &input, is_new)?;
            let change_set = service.compared(stacks, stack, &call.scope, facts, goal)?;
            Ok(put(stacks, tx, stack.clone(), change_set))
        })
        .await?;
    service.publish(told);
    Ok(CreateChangeSetOutput { id: Some(id), stack_id: Some(stack_id) })
}

fn check(stack: &Stack, input: &CreateChangeSetInput, is_new: bool) -> Result<(), wire::Error> {
    let (name, change_set) = (&stack.facts.name, &input.change_set_name);
    let in_review = stack.facts.status == StackStatus::ReviewInProgress;
    if is_new && !in_review {
        return Err(validation(format!(
            "Stack [{name}] already exists and cannot be created again with the changeSet [{change_set}]."
        )));
    }
    if !is_new {
        check_updatable(stack)?;
    }
    let token = input.client_token.as_deref();
    let is_same = |one: &ChangeSet| {
        one.facts.name == *change_set
            && one.facts.execution != ExecutionStatus::ExecuteComplete
            && (token.is_none() || one.facts.token.as_deref() != token)
    };
    if stack.change_sets.values().any(is_same) {
        return Err(already_exists_exception(format!("ChangeSet {change_set} already exists")));
    }
    if stack.change_sets.len() >= CHANGE_SETS_MAX {
        return Err(validation(format!("Stack [{name}] has {CHANGE_SETS_MAX} change sets; delete some first.")));
    }
    Ok(())
}

fn facts(service: &CloudFormation, scope: &Scope, input: &CreateChangeSetInput) -> ChangeSetFacts {
    let uuid = service.fabric.entropy.uuid();
    ChangeSetFacts {
        id: scope.arn("cloudformation", &format!("changeSet/{}/{uuid}", input.change_set_name)),
        uuid,
        name: input.change_set_name.clone(),
        description: input.description.clone(),
        token: input.client_token.clone(),
        created: service.fabric.now(),
        status: ChangeSetStatus::CreateComplete,
        reason: None,
        execution: ExecutionStatus::Available,
        on_failure: input.on_stack_failure.as_deref().map(|name| on_failure(Some(name), None)),
        includes_nested: input.include_nested_stacks == Some(true),
    }
}

impl CloudFormation {
    /// The change set with what it would change, or with why it cannot be.
    fn compared(
        &self,
        stacks: &Stacks,
        stack: &Stack,
        scope: &Scope,
        mut facts: ChangeSetFacts,
        goal: Result<Arc<Deployment>, String>,
    ) -> Result<ChangeSet, Error> {
        let fail = |facts: &mut ChangeSetFacts, reason: String| {
            facts.status = ChangeSetStatus::Failed;
            facts.execution = ExecutionStatus::Unavailable;
            facts.reason = Some(reason);
        };
        match goal {
            Err(reason) => {
                fail(&mut facts, reason);
                Ok(ChangeSet { facts, goal: None, changes: Changes::default() })
            }
            Ok(goal) => {
                let changes = self.changes(stacks, stack, &goal, scope)?;
                if changes.is_empty() {
                    fail(&mut facts, NOTHING_CHANGES.to_owned());
                }
                Ok(ChangeSet { facts, goal: Some(goal), changes })
            }
        }
    }
}

/// Puts the change set into the stack, and the stack under review if it is new.
fn put(stacks: &mut Stacks, tx: &mut Tx<'_>, new: Stack, change_set: ChangeSet) -> (String, Told) {
    let uuid = new.facts.uuid.clone();
    let is_new = !stacks.stacks.contains_key(&uuid);
    let stack = stacks.stacks.entry(uuid).or_insert(new);
    let mut told = Told::new();
    if is_new {
        told.push(stack.tell_status(tx, StackStatus::ReviewInProgress, Some("User Initiated".to_owned())));
    }
    // One that was executed gives way to a new one of its name.
    let is_same = |one: &&ChangeSet| one.facts.name == change_set.facts.name;
    if let Some(executed) = stack.change_sets.values().find(is_same).map(|one| one.facts.uuid.clone()) {
        stack.change_sets.remove(&executed);
        stack.save_change_set(tx, &executed);
    }
    let uuid = change_set.facts.uuid.clone();
    stack.change_sets.insert(uuid.clone(), change_set);
    stack.save_change_set(tx, &uuid);
    (stack.facts.id.clone(), told)
}
