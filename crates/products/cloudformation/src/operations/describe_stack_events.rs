use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{DescribeStackEventsInput, DescribeStackEventsOutput};
use wire::Call;

use super::page::page;
use crate::error::no_stack;
use crate::event::StackEvent;
use crate::service::CloudFormation;

/// How many events a page has.
const PAGE_EVENTS_MAX: usize = 100;

/// The events of a stack, newest first. The token of a page holds the number of its first event, so that pages
/// stay in place while events are added.
pub async fn describe_stack_events(
    service: Arc<CloudFormation>,
    call: Call,
    input: DescribeStackEventsInput,
) -> Result<DescribeStackEventsOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.read(|stacks| {
        let stack = stacks.find(&input.stack_name).ok_or_else(|| no_stack(&input.stack_name))?;
        let token = input.next_token.as_deref().map(|token| token.parse::<u64>());
        let from = match token {
            None => u64::MAX,
            Some(from) => from.map_err(|_| crate::error::validation("The NextToken is not valid."))?,
        };
        let newest_first = stack.events.iter().rev().skip_while(|event| event.number > from);
        let (events, more) = page(newest_first, None, PAGE_EVENTS_MAX)?;
        let next_token = more.and_then(|_| Some(events.last()?.number.checked_sub(1)?.to_string()));
        let stack_events = events.into_iter().map(|event| describe(event)).collect();
        Ok(DescribeStackEventsOutput { stack_events: Some(stack_events), next_token })
    })
    .await
    .map_err(wire::Error::internal)?
}

fn describe(event: &StackEvent) -> model::StackEvent {
    model::StackEvent {
        stack_id: event.stack_id.clone(),
        event_id: event.event_id.clone(),
        stack_name: event.stack_name.clone(),
        operation_id: Some(event.operation_id.clone()).filter(|id| !id.is_empty()),
        logical_resource_id: Some(event.logical_id.clone()),
        physical_resource_id: Some(event.physical_id.clone()),
        resource_type: Some(event.resource_type.clone()),
        timestamp: event.at,
        resource_status: Some(event.status.clone()),
        resource_status_reason: event.reason.clone(),
        resource_properties: event.properties.clone(),
        client_request_token: event.token.clone(),
        ..model::StackEvent::default()
    }
}
