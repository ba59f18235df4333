use std::sync::Arc;

use model_sqs::{ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResult};
use wire::{Call, Error};

use super::list_queues::{after, next, page_size};
use crate::error;
use crate::name::QueueName;
use crate::redrive::RedrivePolicy;
use crate::service::Sqs;

pub(crate) async fn list_dead_letter_source_queues(
    sqs: Arc<Sqs>,
    call: Call,
    input: ListDeadLetterSourceQueuesRequest,
) -> Result<ListDeadLetterSourceQueuesResult, Error> {
    let max = page_size(input.max_results)?;
    let after = after(input.next_token.as_deref())?;
    let target = sqs.queue_of(&call, &input.queue_url).await?.name.clone();
    let mut names = sources(&sqs, &target).await?;
    names.retain(|name| *name > after);
    let next_token = next(&mut names, max);
    let url = |name| QueueName { scope: target.scope.clone(), name }.url(&call.origin);
    Ok(ListDeadLetterSourceQueuesResult { queue_urls: names.into_iter().map(url).collect(), next_token })
}

/// The queues of which `target` is the dead-letter queue, by name, in order.
pub(super) async fn sources(sqs: &Sqs, target: &QueueName) -> Result<Vec<String>, Error> {
    let directory = sqs.directory(&target.scope).await?;
    let is_source = |policy: &String| RedrivePolicy::parse(policy).is_ok_and(|policy| policy.target == *target);
    let names = directory.read(|directory| {
        let sources = directory.iter().filter(|record| record.attributes.get("RedrivePolicy").is_some_and(is_source));
        sources.map(|record| record.name.clone()).collect()
    });
    names.await.map_err(error::internal)
}
