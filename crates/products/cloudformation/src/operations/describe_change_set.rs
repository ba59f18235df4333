use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{DescribeChangeSetInput, DescribeChangeSetOutput};
use serde_json::Value;
use wire::Call;

use super::describe_stacks::{parameters, tags};
use super::page::page;
use crate::change_set::ChangeSet;
use crate::changes::{ChangeKind, PropertyChange, Replacement, ResourceChange};
use crate::error::{no_change_set, no_stack};
use crate::operation::OnFailure;
use crate::service::CloudFormation;
use crate::stack::Stack;

/// How many changes a page has.
const PAGE_CHANGES_MAX: usize = 100;

pub async fn describe_change_set(
    service: Arc<CloudFormation>,
    call: Call,
    input: DescribeChangeSetInput,
) -> Result<DescribeChangeSetOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let shows_values = input.include_property_values == Some(true);
    cell.read(|stacks| {
        if let Some(name) = input.stack_name.as_deref().filter(|_| !input.change_set_name.starts_with("arn:"))
            && stacks.find(name).is_none()
        {
            return Err(no_stack(name));
        }
        let name = &input.change_set_name;
        let (stack, change_set) =
            stacks.find_change_set(name, input.stack_name.as_deref())?.ok_or_else(|| no_change_set(name))?;
        let (changes, next_token) = page(&change_set.changes.resources, input.next_token.as_deref(), PAGE_CHANGES_MAX)?;
        let changes = changes.into_iter().map(|change| describe_change(change, shows_values)).collect();
        Ok(DescribeChangeSetOutput { changes: Some(changes), next_token, ..describe(stack, change_set) })
    })
    .await
    .map_err(wire::Error::internal)?
}

fn describe(stack: &Stack, change_set: &ChangeSet) -> DescribeChangeSetOutput {
    let facts = &change_set.facts;
    let goal = change_set.goal.as_deref();
    let on_failure = facts.on_failure.map(|on_failure| match on_failure {
        OnFailure::Rollback => "ROLLBACK",
        OnFailure::Delete => "DELETE",
        OnFailure::DoNothing => "DO_NOTHING",
    });
    DescribeChangeSetOutput {
        change_set_name: Some(facts.name.clone()),
        change_set_id: Some(facts.id.clone()),
        stack_id: Some(stack.facts.id.clone()),
        stack_name: Some(stack.facts.name.clone()),
        description: facts.description.clone(),
        parameters: goal.map(parameters),
        creation_time: Some(facts.created),
        execution_status: Some(facts.execution.as_str().to_owned()),
        status: Some(facts.status.as_str().to_owned()),
        status_reason: facts.reason.clone(),
        notification_arns: goal.map(|goal| goal.notification_arns.clone()),
        capabilities: goal.map(|goal| goal.capabilities.clone()),
        tags: goal.map(tags),
        include_nested_stacks: Some(facts.includes_nested),
        on_stack_failure: on_failure.map(str::to_owned),
        ..DescribeChangeSetOutput::default()
    }
}

fn describe_change(change: &ResourceChange, shows_values: bool) -> model::Change {
    let mut described = model::ResourceChange {
        logical_resource_id: Some(change.logical_id.clone()),
        physical_resource_id: change.physical_id.clone(),
        resource_type: Some(change.resource_type.clone()),
        scope: Some(Vec::new()),
        details: Some(Vec::new()),
        ..model::ResourceChange::default()
    };
    let action = match &change.kind {
        ChangeKind::Add { after } => {
            let context = || serde_json::json!({ "Properties": after }).to_string();
            described.after_context = shows_values.then(context);
            "Add"
        }
        ChangeKind::Remove { is_retained } => {
            described.policy_action = Some(if *is_retained { "Retain" } else { "Delete" }.to_owned());
            "Remove"
        }
        ChangeKind::Modify { properties, is_metadata_changed, replacement, .. } => {
            let replacement = match replacement {
                Replacement::True => "True",
                Replacement::False => "False",
                Replacement::Conditional => "Conditional",
            };
            described.replacement = Some(replacement.to_owned());
            let scope = [("Properties", !properties.is_empty()), ("Metadata", *is_metadata_changed)];
            let scope = scope.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name.to_owned());
            described.scope = Some(scope.collect());
            described.details = Some(properties.iter().map(|one| describe_property(one, shows_values)).collect());
            "Modify"
        }
    };
    described.action = Some(action.to_owned());
    model::Change { r#type: Some("Resource".to_owned()), hook_invocation_count: None, resource_change: Some(described) }
}

fn describe_property(change: &PropertyChange, shows_values: bool) -> model::ResourceChangeDetail {
    let requires = match (change.demands_replacement, change.is_dynamic) {
        (false, _) => "Never",
        (true, true) => "Conditionally",
        (true, false) => "Always",
    };
    let kind = match (&change.before, &change.after) {
        (None, _) => "Add",
        (_, None) => "Remove",
        _ => "Modify",
    };
    let text = |value: &Option<Value>| value.as_ref().filter(|_| shows_values).map(crate::outputs::text_of);
    let target = model::ResourceTargetDefinition {
        attribute: Some("Properties".to_owned()),
        name: Some(change.name.clone()),
        requires_recreation: Some(requires.to_owned()),
        path: Some(format!("/Properties/{}", change.name)),
        before_value: text(&change.before),
        after_value: text(&change.after),
        attribute_change_type: Some(kind.to_owned()),
        ..model::ResourceTargetDefinition::default()
    };
    let evaluation = if change.is_dynamic { "Dynamic" } else { "Static" };
    model::ResourceChangeDetail {
        target: Some(target),
        evaluation: Some(evaluation.to_owned()),
        change_source: Some(if change.is_dynamic { "ResourceAttribute" } else { "DirectModification" }.to_owned()),
        causing_entity: None,
    }
}
