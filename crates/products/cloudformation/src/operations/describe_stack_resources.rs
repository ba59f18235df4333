use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{DescribeStackResourcesInput, DescribeStackResourcesOutput};
use wire::Call;

use crate::error::{no_stack, validation};
use crate::resource::StackResource;
use crate::service::CloudFormation;
use crate::stack::Stack;

/// How many resources the answer has at most.
const RESOURCES_MAX: usize = 100;

pub async fn describe_stack_resources(
    service: Arc<CloudFormation>,
    call: Call,
    input: DescribeStackResourcesInput,
) -> Result<DescribeStackResourcesOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.read(|stacks| {
        let stack = match (&input.stack_name, &input.physical_resource_id) {
            (Some(_), Some(_)) => {
                return Err(validation("You can specify either StackName or PhysicalResourceId, but not both."));
            }
            (Some(name), None) => stacks.find(name).ok_or_else(|| no_stack(name))?,
            (None, Some(physical_id)) => {
                let has = |stack: &&Stack| {
                    !stack.is_deleted() && stack.resources.values().any(|one| one.deployed.physical_id == *physical_id)
                };
                let found = stacks.stacks.values().find(has);
                found.ok_or_else(|| validation(format!("Stack for {physical_id} does not exist")))?
            }
            (None, None) => return Err(validation("Either StackName or PhysicalResourceId must be specified.")),
        };
        let is_wanted = |one: &&StackResource| {
            input.logical_resource_id.as_ref().is_none_or(|logical_id| one.logical_id == *logical_id)
        };
        let resources = stack.resources.values().filter(is_wanted).take(RESOURCES_MAX);
        let stack_resources = resources.map(|resource| describe(stack, resource)).collect();
        Ok(DescribeStackResourcesOutput { stack_resources: Some(stack_resources) })
    })
    .await
    .map_err(wire::Error::internal)?
}

fn describe(stack: &Stack, resource: &StackResource) -> model::StackResource {
    model::StackResource {
        stack_name: Some(stack.facts.name.clone()),
        stack_id: Some(stack.facts.id.clone()),
        logical_resource_id: resource.logical_id.clone(),
        physical_resource_id: physical_id(resource),
        resource_type: resource.deployed.resource_type.clone(),
        timestamp: resource.updated,
        resource_status: resource.status.as_str().to_owned(),
        resource_status_reason: resource.reason.clone(),
        drift_information: Some(drift()),
        ..model::StackResource::default()
    }
}

pub fn physical_id(resource: &StackResource) -> Option<String> {
    Some(resource.deployed.physical_id.clone()).filter(|id| !id.is_empty())
}

pub fn drift() -> model::StackResourceDriftInformation {
    model::StackResourceDriftInformation {
        stack_resource_drift_status: "NOT_CHECKED".to_owned(),
        last_check_timestamp: None,
    }
}
