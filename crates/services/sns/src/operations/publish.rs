use std::collections::BTreeSet;
use std::sync::Arc;

use base::Arn;
use model_sns::{
    BatchResultErrorEntry, PublishBatchInput, PublishBatchRequestEntry, PublishBatchResponse, PublishBatchResultEntry,
    PublishInput, PublishResponse, errors,
};
use wire::{Call, Error};

use crate::attribute;
use crate::error;
use crate::publish::Message;
use crate::service::Sns;

pub async fn publish(sns: Arc<Sns>, call: Call, input: PublishInput) -> Result<PublishResponse, Error> {
    if input.phone_number.is_some() {
        return Err(error::not_implemented("messages to telephones"));
    }
    let arn = input.topic_arn.or(input.target_arn);
    let arn = arn.ok_or_else(|| error::invalid("TopicArn or TargetArn Reason: no value for required parameter"))?;
    refuse_deduplication(input.message_deduplication_id.as_deref())?;
    let attributes = attribute::read(input.message_attributes)?;
    let structure = input.message_structure.as_deref();
    let message =
        Message::new(&sns.fabric, input.message, input.subject, structure, attributes, input.message_group_id)?;
    let id = message.id.clone();
    send(&sns, &call, &arn, &[message]).await?;
    Ok(PublishResponse { message_id: Some(id), sequence_number: None })
}

fn refuse_deduplication(id: Option<&str>) -> Result<(), Error> {
    match id {
        None => Ok(()),
        Some(_) => {
            let detail = "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that \
                          is not valid for this topic type";
            Err(error::invalid(detail))
        }
    }
}

async fn send(sns: &Sns, call: &Call, arn: &str, messages: &[Message]) -> Result<(), Error> {
    let cell = sns.cell_of(call, arn, "TopicArn").await?;
    let scope = arn.parse::<Arn>().map_err(|_| error::invalid("TopicArn"))?.scope(&call.scope);
    sns.publish(&cell, &scope, arn, messages, &call.origin, &call.trace).await
}

/// Up to ten messages, each accepted or refused by itself.
pub async fn publish_batch(sns: Arc<Sns>, call: Call, input: PublishBatchInput) -> Result<PublishBatchResponse, Error> {
    const ENTRIES_MAX: usize = 10;
    const BYTES_MAX: usize = 262_144;
    let entries = input.publish_batch_request_entries;
    if entries.is_empty() {
        return Err(errors::empty_batch_request_exception("The batch request doesn't contain any entries."));
    }
    if entries.len() > ENTRIES_MAX {
        let message = "The batch request contains more entries than permissible.";
        return Err(errors::too_many_entries_in_batch_request_exception(message));
    }
    let ids: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    if ids.len() < entries.len() {
        let message = "Two or more batch entries in the request have the same Id.";
        return Err(errors::batch_entry_ids_not_distinct_exception(message));
    }
    let impermissible = |id: &&&str| !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if let Some(id) = ids.iter().find(impermissible) {
        let message = format!("The Id of a batch entry in the batch request contains an impermissible character: {id}");
        return Err(errors::invalid_batch_entry_id_exception(message));
    }
    if let Some(id) = ids.iter().find(|id| id.len() > 80) {
        let message = format!("The Id of a batch entry in the batch request is too long: {id}");
        return Err(errors::invalid_batch_entry_id_exception(message));
    }
    if entries.iter().map(|entry| entry.message.len()).sum::<usize>() > BYTES_MAX {
        let message = "The length of all the messages put together is more than the limit.";
        return Err(errors::batch_request_too_long_exception(message));
    }
    let (mut messages, mut successful, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let id = entry.id.clone();
        match read(&sns, entry) {
            Ok(message) => {
                successful.push(PublishBatchResultEntry {
                    id: Some(id),
                    message_id: Some(message.id.clone()),
                    sequence_number: None,
                });
                messages.push(message);
            }
            Err(error) => failed.push(BatchResultErrorEntry {
                id,
                code: error.query_code.into_owned(),
                message: Some(error.message),
                sender_fault: true,
            }),
        }
    }
    send(&sns, &call, &input.topic_arn, &messages).await?;
    Ok(PublishBatchResponse { successful: Some(successful), failed: Some(failed) })
}

fn read(sns: &Sns, entry: PublishBatchRequestEntry) -> Result<Message, Error> {
    refuse_deduplication(entry.message_deduplication_id.as_deref())?;
    let attributes = attribute::read(entry.message_attributes)?;
    let structure = entry.message_structure.as_deref();
    Message::new(&sns.fabric, entry.message, entry.subject, structure, attributes, entry.message_group_id)
}
