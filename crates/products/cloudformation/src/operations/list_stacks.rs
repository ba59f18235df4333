use std::sync::Arc;

use model_cloudformation as model;
use model_cloudformation::{ListStacksInput, ListStacksOutput};
use wire::Call;

use super::page::page;
use crate::service::CloudFormation;
use crate::stack::Stack;

/// How many stacks a page has.
const PAGE_STACKS_MAX: usize = 100;

/// The stacks, also those deleted within 90 days, newest first.
pub async fn list_stacks(
    service: Arc<CloudFormation>,
    call: Call,
    input: ListStacksInput,
) -> Result<ListStacksOutput, wire::Error> {
    let cell = service.cell(&call.scope).await.map_err(wire::Error::internal)?;
    let filter = input.stack_status_filter.unwrap_or_default();
    cell.read(|stacks| {
        let is_wanted =
            |stack: &&Stack| filter.is_empty() || filter.iter().any(|one| one == stack.facts.status.as_str());
        let mut all: Vec<&Stack> = stacks.stacks.values().filter(is_wanted).collect();
        all.sort_by(|a, b| b.facts.created.cmp(&a.facts.created).then(a.facts.uuid.cmp(&b.facts.uuid)));
        let (stacks, next_token) = page(all, input.next_token.as_deref(), PAGE_STACKS_MAX)?;
        let stack_summaries = Some(stacks.into_iter().map(summarize).collect());
        Ok(ListStacksOutput { stack_summaries, next_token })
    })
    .await
    .map_err(wire::Error::internal)?
}

fn summarize(stack: &Stack) -> model::StackSummary {
    let facts = &stack.facts;
    model::StackSummary {
        stack_id: Some(facts.id.clone()),
        stack_name: facts.name.clone(),
        template_description: stack.shown().and_then(|shown| shown.description.clone()),
        creation_time: facts.created,
        last_updated_time: facts.updated,
        deletion_time: facts.deleted,
        stack_status: facts.status.as_str().to_owned(),
        stack_status_reason: facts.reason.clone(),
        drift_information: Some(model::StackDriftInformationSummary {
            stack_drift_status: "NOT_CHECKED".to_owned(),
            last_check_timestamp: None,
        }),
        ..model::StackSummary::default()
    }
}
