use std::sync::Arc;

use futures_util::future::join_all;
use model_sqs::{
    DeleteMessageBatchRequest, DeleteMessageBatchResult, DeleteMessageBatchResultEntry, DeleteMessageOutput,
    DeleteMessageRequest,
};
use wire::{Call, Error};

use crate::batch;
use crate::service::Sqs;

pub(crate) async fn delete_message(
    sqs: Arc<Sqs>,
    call: Call,
    input: DeleteMessageRequest,
) -> Result<DeleteMessageOutput, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    sqs.delete_message(&queue, &input.receipt_handle).await?;
    Ok(DeleteMessageOutput {})
}

pub(crate) async fn delete_message_batch(
    sqs: Arc<Sqs>,
    call: Call,
    input: DeleteMessageBatchRequest,
) -> Result<DeleteMessageBatchResult, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    batch::check(input.entries.iter().map(|entry| entry.id.as_str()))?;
    let deleted = input.entries.iter().map(|entry| sqs.delete_message(&queue, &entry.receipt_handle));
    let deleted = join_all(deleted).await;
    let mut result = DeleteMessageBatchResult::default();
    for (entry, outcome) in input.entries.into_iter().zip(deleted) {
        match outcome {
            Ok(()) => result.successful.push(DeleteMessageBatchResultEntry { id: entry.id }),
            Err(error) => result.failed.push(batch::refused(entry.id, error)),
        }
    }
    Ok(result)
}
