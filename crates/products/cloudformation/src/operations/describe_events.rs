use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{DescribeEventsInput, DescribeEventsOutput};
use wire::Call;

use super::page::page;
use crate::error::{no_stack, validation};
use crate::event::StackEvent;
use crate::operation::Kind;
use crate::service::CloudFormation;
use crate::stack::Stack;

/// How many events a page has.
const PAGE_EVENTS_MAX: usize = 100;

/// The events of a stack or of one of its operations, newest first.
pub async fn describe_events(
    service: Arc<CloudFormation>,
    call: Call,
    input: DescribeEventsInput,
) -> Result<DescribeEventsOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let only_failed = input.filters.as_ref().and_then(|filters| filters.failed_events) == Some(true);
    cell.read(|stacks| {
        let stack = match (&input.stack_name, &input.operation_id) {
            (Some(name), _) => stacks.find(name).ok_or_else(|| no_stack(name))?,
            (None, Some(id)) => {
                let began = |stack: &&Stack| stack.facts.operations.iter().any(|past| past.id == *id);
                let found = stacks.stacks.values().find(began);
                found.ok_or_else(|| validation(format!("Operation [{id}] does not exist")))?
            }
            (None, None) => return Err(validation("StackName or OperationId must be specified.")),
        };
        let is_wanted = |event: &&Arc<StackEvent>| {
            input.operation_id.as_ref().is_none_or(|id| event.operation_id == *id)
                && (!only_failed || event.status.ends_with("_FAILED"))
        };
        let events = stack.events.iter().rev().filter(is_wanted);
        let (events, next_token) = page(events, input.next_token.as_deref(), PAGE_EVENTS_MAX)?;
        let operation_events = events.into_iter().map(|event| describe(stack, event)).collect();
        Ok(DescribeEventsOutput { operation_events: Some(operation_events), next_token })
    })
    .await
    .map_err(wire::Error::internal)?
}

fn describe(stack: &Stack, event: &StackEvent) -> model::OperationEvent {
    let operation = stack.facts.operations.iter().find(|past| past.id == event.operation_id);
    let kind = operation.map(|past| match past.kind {
        Kind::Create => "CREATE_STACK",
        Kind::Update => "UPDATE_STACK",
        Kind::Delete => "DELETE_STACK",
    });
    model::OperationEvent {
        event_id: Some(event.event_id.clone()),
        stack_id: Some(event.stack_id.clone()),
        operation_id: Some(event.operation_id.clone()).filter(|id| !id.is_empty()),
        operation_type: kind.map(str::to_owned),
        event_type: Some("STACK_EVENT".to_owned()),
        logical_resource_id: Some(event.logical_id.clone()),
        physical_resource_id: Some(event.physical_id.clone()),
        resource_type: Some(event.resource_type.clone()),
        timestamp: Some(event.at),
        resource_status: Some(event.status.clone()),
        resource_status_reason: event.reason.clone(),
        resource_properties: event.properties.clone(),
        client_request_token: event.token.clone(),
        ..model::OperationEvent::default()
    }
}
