use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{ListStackResourcesInput, ListStackResourcesOutput};
use wire::Call;

use super::describe_stack_resources::physical_id;
use super::page::page;
use crate::error::no_stack;
use crate::resource::StackResource;
use crate::service::CloudFormation;

/// How many resources a page has.
const PAGE_RESOURCES_MAX: usize = 100;

pub async fn list_stack_resources(
    service: Arc<CloudFormation>,
    call: Call,
    input: ListStackResourcesInput,
) -> Result<ListStackResourcesOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.read(|stacks| {
        let stack = stacks.find(&input.stack_name).ok_or_else(|| no_stack(&input.stack_name))?;
        let (resources, next_token) = page(stack.resources.values(), input.next_token.as_deref(), PAGE_RESOURCES_MAX)?;
        let summaries = resources.into_iter().map(summarize).collect();
        Ok(ListStackResourcesOutput { stack_resource_summaries: Some(summaries), next_token })
    })
    .await
    .map_err(wire::Error::internal)?
}

fn summarize(resource: &StackResource) -> model::StackResourceSummary {
    model::StackResourceSummary {
        logical_resource_id: resource.logical_id.clone(),
        physical_resource_id: physical_id(resource),
        resource_type: resource.deployed.resource_type.clone(),
        last_updated_timestamp: resource.updated,
        resource_status: resource.status.as_str().to_owned(),
        resource_status_reason: resource.reason.clone(),
        drift_information: Some(model::StackResourceDriftInformationSummary {
            stack_resource_drift_status: "NOT_CHECKED".to_owned(),
            last_check_timestamp: None,
        }),
        module_info: None,
    }
}
