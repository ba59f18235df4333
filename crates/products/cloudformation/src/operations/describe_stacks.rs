use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{DescribeStacksInput, DescribeStacksOutput};
use wire::Call;

use super::page::page;
use crate::error::no_stack_with_id;
use crate::service::CloudFormation;
use crate::stack::{Deployment, Stack};
use crate::status::StackStatus;

/// How many stacks a page has.
const PAGE_STACKS_MAX: usize = 100;

pub async fn describe_stacks(
    service: Arc<CloudFormation>,
    call: Call,
    input: DescribeStacksInput,
) -> Result<DescribeStacksOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.read(|stacks| match &input.stack_name {
        Some(name) => {
            let stack = stacks.find(name).ok_or_else(|| no_stack_with_id(name))?;
            Ok(DescribeStacksOutput { stacks: Some(vec![describe(stack)]), next_token: None })
        }
        None => {
            let mut all: Vec<&Stack> = stacks.stacks.values().filter(|stack| !stack.is_deleted()).collect();
            all.sort_by(|a, b| b.facts.created.cmp(&a.facts.created).then(a.facts.uuid.cmp(&b.facts.uuid)));
            let (stacks, next_token) = page(all, input.next_token.as_deref(), PAGE_STACKS_MAX)?;
            Ok(DescribeStacksOutput { stacks: Some(stacks.into_iter().map(describe).collect()), next_token })
        }
    })
    .await
    .map_err(wire::Error::internal)?
}

fn describe(stack: &Stack) -> model::Stack {
    let facts = &stack.facts;
    let shown = stack.shown().filter(|_| facts.status != StackStatus::ReviewInProgress);
    let outputs = facts.outputs.iter().map(|output| model::Output {
        output_key: Some(output.key.clone()),
        output_value: Some(output.value.clone()),
        description: output.description.clone(),
        export_name: output.export.clone(),
    });
    model::Stack {
        stack_id: Some(facts.id.clone()),
        stack_name: facts.name.clone(),
        change_set_id: facts.change_set_id.clone(),
        description: shown.and_then(|shown| shown.description.clone()),
        parameters: shown.map(|shown| parameters(shown)),
        creation_time: facts.created,
        deletion_time: facts.deleted,
        last_updated_time: facts.updated,
        stack_status: facts.status.as_str().to_owned(),
        stack_status_reason: facts.reason.clone(),
        disable_rollback: Some(facts.disable_rollback),
        notification_arns: shown.map(|shown| shown.notification_arns.clone()),
        timeout_in_minutes: facts.timeout_minutes,
        capabilities: shown.map(|shown| shown.capabilities.clone()).filter(|names| !names.is_empty()),
        outputs: Some(outputs.collect()).filter(|outputs: &Vec<_>| !outputs.is_empty()),
        role_arn: shown.and_then(|shown| shown.role_arn.clone()),
        tags: Some(shown.map(|shown| tags(shown)).unwrap_or_default()),
        enable_termination_protection: Some(facts.is_protected),
        drift_information: Some(model::StackDriftInformation {
            stack_drift_status: "NOT_CHECKED".to_owned(),
            last_check_timestamp: None,
        }),
        retain_except_on_create: facts.retain_except_on_create.then_some(true),
        ..model::Stack::default()
    }
}

/// The parameters as descriptions show them: what is not to be echoed is not.
pub fn parameters(deployment: &Deployment) -> Vec<model::Parameter> {
    let declared = template::Template::from_json(&deployment.processed).unwrap_or_default().parameters;
    let shown = |(name, value): (&String, &String)| {
        let hidden = declared.get(name).is_some_and(|parameter| parameter.no_echo);
        model::Parameter {
            parameter_key: Some(name.clone()),
            parameter_value: Some(if hidden { "****".to_owned() } else { value.clone() }),
            ..model::Parameter::default()
        }
    };
    deployment.parameters.iter().map(shown).collect()
}

pub fn tags(deployment: &Deployment) -> Vec<model::Tag> {
    deployment.tags.iter().map(|(key, value)| model::Tag { key: key.clone(), value: value.clone() }).collect()
}
