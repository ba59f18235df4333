use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{DescribeStackResourceInput, DescribeStackResourceOutput};
use wire::Call;

use super::describe_stack_resources::{drift, physical_id};
use crate::error::{no_stack, validation};
use crate::service::CloudFormation;

pub async fn describe_stack_resource(
    service: Arc<CloudFormation>,
    call: Call,
    input: DescribeStackResourceInput,
) -> Result<DescribeStackResourceOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.read(|stacks| {
        let (name, logical_id) = (&input.stack_name, &input.logical_resource_id);
        let stack = stacks.find(name).ok_or_else(|| no_stack(name))?;
        let resource = stack
            .resources
            .get(logical_id)
            .ok_or_else(|| validation(format!("Resource {logical_id} does not exist for stack {name}")))?;
        let detail = model::StackResourceDetail {
            stack_name: Some(stack.facts.name.clone()),
            stack_id: Some(stack.facts.id.clone()),
            logical_resource_id: logical_id.clone(),
            physical_resource_id: physical_id(resource),
            resource_type: resource.deployed.resource_type.clone(),
            last_updated_timestamp: resource.updated,
            resource_status: resource.status.as_str().to_owned(),
            resource_status_reason: resource.reason.clone(),
            metadata: resource.deployed.noted.metadata.as_ref().map(ToString::to_string),
            drift_information: Some(drift()),
            ..model::StackResourceDetail::default()
        };
        Ok(DescribeStackResourceOutput { stack_resource_detail: Some(detail) })
    })
    .await
    .map_err(wire::Error::internal)?
}
