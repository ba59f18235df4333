use std::collections::BTreeMap;
use std::sync::Arc;

use model_sqs::{
    ListQueueTagsRequest, ListQueueTagsResult, TagQueueOutput, TagQueueRequest, UntagQueueOutput, UntagQueueRequest,
};
use wire::{Call, Error};

use super::set_queue_attributes::change;
use crate::error;
use crate::service::Sqs;

const TAGS_MAX: usize = 50;
const KEY_LENGTH_MAX: usize = 128;
const VALUE_LENGTH_MAX: usize = 256;

pub(crate) async fn tag_queue(sqs: Arc<Sqs>, call: Call, input: TagQueueRequest) -> Result<TagQueueOutput, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    change(&sqs, &queue, |record| {
        let mut tags = record.tags.clone();
        tags.extend(input.tags);
        check_tags(&tags)?;
        record.tags = tags;
        Ok(())
    })
    .await?;
    Ok(TagQueueOutput {})
}

pub(crate) async fn untag_queue(
    sqs: Arc<Sqs>,
    call: Call,
    input: UntagQueueRequest,
) -> Result<UntagQueueOutput, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    change(&sqs, &queue, |record| {
        record.tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await?;
    Ok(UntagQueueOutput {})
}

pub(crate) async fn list_queue_tags(
    sqs: Arc<Sqs>,
    call: Call,
    input: ListQueueTagsRequest,
) -> Result<ListQueueTagsResult, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    let tags = queue.live().record.tags.clone();
    Ok(ListQueueTagsResult { tags: (!tags.is_empty()).then_some(tags) })
}

pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if tags.len() > TAGS_MAX {
        return Err(error::invalid_parameter(format!("Too many tags added for queue. Maximum {TAGS_MAX} tags.")));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > KEY_LENGTH_MAX || value.chars().count() > VALUE_LENGTH_MAX {
            let message = format!(
                "The tag '{key}' is invalid. A key has 1 to {KEY_LENGTH_MAX} characters and a value at most \
                 {VALUE_LENGTH_MAX}."
            );
            return Err(error::invalid_parameter(message));
        }
    }
    Ok(())
}
