use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use model_sqs::{
    ChangeMessageVisibilityBatchRequest, ChangeMessageVisibilityBatchResult, ChangeMessageVisibilityBatchResultEntry,
    ChangeMessageVisibilityOutput, ChangeMessageVisibilityRequest,
};
use wire::{Call, Error};

use crate::queue_handle::QueueHandle;
use crate::service::Sqs;
use crate::{batch, error};

const VISIBILITY_S_MAX: i32 = 43_200;

pub(crate) async fn change_message_visibility(
    sqs: Arc<Sqs>,
    call: Call,
    input: ChangeMessageVisibilityRequest,
) -> Result<ChangeMessageVisibilityOutput, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    change(&sqs, &queue, &input.receipt_handle, Some(input.visibility_timeout)).await?;
    Ok(ChangeMessageVisibilityOutput {})
}

pub(crate) async fn change_message_visibility_batch(
    sqs: Arc<Sqs>,
    call: Call,
    input: ChangeMessageVisibilityBatchRequest,
) -> Result<ChangeMessageVisibilityBatchResult, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    batch::check(input.entries.iter().map(|entry| entry.id.as_str()))?;
    let changed =
        input.entries.iter().map(|entry| change(&sqs, &queue, &entry.receipt_handle, entry.visibility_timeout));
    let changed = join_all(changed).await;
    let mut result = ChangeMessageVisibilityBatchResult::default();
    for (entry, outcome) in input.entries.into_iter().zip(changed) {
        match outcome {
            Ok(()) => result.successful.push(ChangeMessageVisibilityBatchResultEntry { id: entry.id }),
            Err(error) => result.failed.push(batch::refused(entry.id, error)),
        }
    }
    Ok(result)
}

async fn change(sqs: &Sqs, queue: &QueueHandle, handle: &str, timeout_s: Option<i32>) -> Result<(), Error> {
    let timeout_s = timeout_s.ok_or_else(|| error::missing_parameter("VisibilityTimeout"))?;
    if !(0..=VISIBILITY_S_MAX).contains(&timeout_s) {
        let reason = "VisibilityTimeout must be an integer between 0 and 43200";
        return Err(error::invalid_value(timeout_s, "VisibilityTimeout", reason));
    }
    sqs.change_visibility(queue, handle, Duration::from_secs(u64::from(timeout_s.unsigned_abs()))).await
}
