use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{ListChangeSetsInput, ListChangeSetsOutput};
use wire::Call;

use super::page::page;
use crate::change_set::ChangeSet;
use crate::error::no_stack;
use crate::service::CloudFormation;
use crate::stack::Stack;

/// How many change sets a page has.
const PAGE_CHANGE_SETS_MAX: usize = 100;

pub async fn list_change_sets(
    service: Arc<CloudFormation>,
    call: Call,
    input: ListChangeSetsInput,
) -> Result<ListChangeSetsOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    cell.read(|stacks| {
        let stack = stacks.find(&input.stack_name).ok_or_else(|| no_stack(&input.stack_name))?;
        let (sets, next_token) = page(stack.change_sets.values(), input.next_token.as_deref(), PAGE_CHANGE_SETS_MAX)?;
        let summaries = sets.into_iter().map(|change_set| summarize(stack, change_set)).collect();
        Ok(ListChangeSetsOutput { summaries: Some(summaries), next_token })
    })
    .await
    .map_err(wire::Error::internal)?
}

fn summarize(stack: &Stack, change_set: &ChangeSet) -> model::ChangeSetSummary {
    let facts = &change_set.facts;
    model::ChangeSetSummary {
        stack_id: Some(stack.facts.id.clone()),
        stack_name: Some(stack.facts.name.clone()),
        change_set_id: Some(facts.id.clone()),
        change_set_name: Some(facts.name.clone()),
        execution_status: Some(facts.execution.as_str().to_owned()),
        status: Some(facts.status.as_str().to_owned()),
        status_reason: facts.reason.clone(),
        creation_time: Some(facts.created),
        description: facts.description.clone(),
        include_nested_stacks: Some(facts.includes_nested),
        ..model::ChangeSetSummary::default()
    }
}
