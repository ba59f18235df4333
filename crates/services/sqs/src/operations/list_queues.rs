use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model_sqs::{ListQueuesRequest, ListQueuesResult};
use wire::{Call, Error};

use crate::error;
use crate::name::QueueName;
use crate::service::Sqs;

/// How many queues one page has at most, and without paging an answer.
const PAGE_MAX: i32 = 1_000;

pub(crate) async fn list_queues(
    sqs: Arc<Sqs>,
    call: Call,
    input: ListQueuesRequest,
) -> Result<ListQueuesResult, Error> {
    let max = page_size(input.max_results)?;
    let after = after(input.next_token.as_deref())?;
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let directory = sqs.directory(&call.scope).await?;
    let mut names: Vec<String> = directory
        .read(|directory| directory.names(&prefix, &after).take(max + 1).map(str::to_owned).collect())
        .await
        .map_err(error::internal)?;
    let next_token = next(&mut names, max).filter(|_| input.max_results.is_some());
    let url = |name| QueueName { scope: call.scope.clone(), name }.url(&call.origin);
    let urls: Vec<String> = names.into_iter().map(url).collect();
    Ok(ListQueuesResult { queue_urls: (!urls.is_empty()).then_some(urls), next_token })
}

/// `MaxResults`.
pub(super) fn page_size(max: Option<i32>) -> Result<usize, Error> {
    let max = max.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&max) {
        let reason = "MaxResults must be an integer between 1 and 1000.";
        return Err(error::invalid_value(max, "MaxResults", reason));
    }
    Ok(max.unsigned_abs() as usize)
}

/// The name after which a page begins; empty for the first.
pub(super) fn after(token: Option<&str>) -> Result<String, Error> {
    let Some(token) = token else { return Ok(String::new()) };
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
    name.ok_or_else(|| error::invalid_value(token, "NextToken", "The token is not valid."))
}

/// Cuts what was read to one page; the token of the next, if there is one.
pub(super) fn next(names: &mut Vec<String>, max: usize) -> Option<String> {
    if names.len() <= max {
        return None;
    }
    names.truncate(max);
    names.last().map(|name| URL_SAFE_NO_PAD.encode(name))
}
