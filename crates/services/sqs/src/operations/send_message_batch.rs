use std::sync::Arc;

use model_sqs::{
    BatchResultErrorEntry, SendMessageBatchRequest, SendMessageBatchRequestEntry, SendMessageBatchResult,
    SendMessageBatchResultEntry, errors,
};
use wire::{Call, Error};

use super::send_message::{Digests, Given};
use crate::batch;
use crate::message::{sequence_number, uuid};
use crate::queue::Outgoing;
use crate::queue_handle::Live;
use crate::service::Sqs;
use crate::settings::MESSAGE_BYTES_MAX;

pub(crate) async fn send_message_batch(
    sqs: Arc<Sqs>,
    call: Call,
    input: SendMessageBatchRequest,
) -> Result<SendMessageBatchResult, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    batch::check(input.entries.iter().map(|entry| entry.id.as_str()))?;
    let live = queue.live();
    let mut failed = Vec::new();
    let mut accepted = Vec::new();
    let mut messages = Vec::new();
    let mut bytes = 0;
    for entry in input.entries {
        let id = entry.id.clone();
        match check(&sqs, &call, &live, entry, &mut bytes) {
            Ok((message, digests)) => {
                messages.push(message);
                accepted.push((id, digests));
            }
            // What a FIFO queue can't put in order fails the whole call.
            Err(error) if live.settings.fifo && concerns_order(&error) => return Err(error),
            Err(error) => failed.push(refused(id, error)),
        }
    }
    if bytes > MESSAGE_BYTES_MAX {
        let message =
            format!("Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {bytes} bytes.");
        return Err(errors::batch_request_too_long(message));
    }
    let sent = if messages.is_empty() { Vec::new() } else { sqs.send(&queue, messages).await? };
    let successful = accepted.into_iter().zip(sent).map(|((id, digests), sent)| SendMessageBatchResultEntry {
        id,
        message_id: uuid(sent.id),
        md5_of_message_body: digests.body,
        md5_of_message_attributes: digests.attributes,
        md5_of_message_system_attributes: digests.system,
        sequence_number: live.settings.fifo.then(|| sequence_number(sent.sequence)),
    });
    Ok(SendMessageBatchResult { successful: successful.collect(), failed })
}

fn check(
    sqs: &Sqs,
    call: &Call,
    live: &Live,
    entry: SendMessageBatchRequestEntry,
    bytes: &mut usize,
) -> Result<(Outgoing, Digests), Error> {
    let given = Given {
        body: entry.message_body,
        attributes: entry.message_attributes,
        system: entry.message_system_attributes,
        deduplication: entry.message_deduplication_id,
        group: entry.message_group_id,
        delay_s: entry.delay_seconds,
    };
    let (draft, digests) = given.draft(sqs, call)?;
    *bytes += draft.content.size();
    Ok((draft.check(live, sqs.new_id())?, digests))
}

fn concerns_order(error: &Error) -> bool {
    error.code == "MissingRequiredParameterException" && error.message.contains("MessageGroupId")
        || error.message.contains("DeduplicationId")
        || error.message.contains("for parameter MessageGroupId")
}

/// In a batch the sentence of an entry that is too long is another.
fn refused(id: String, error: Error) -> BatchResultErrorEntry {
    let message =
        error.message.replace("One or more parameters are invalid.", "One or more parameters cannot be validated.");
    batch::refused(id, Error { message, ..error })
}
