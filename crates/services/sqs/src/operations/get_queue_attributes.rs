use std::sync::Arc;

use model_sqs::{GetQueueAttributesRequest, GetQueueAttributesResult};
use wire::{Call, Error};

use crate::error;
use crate::queue_handle::QueueHandle;
use crate::service::Sqs;
use crate::settings::{self, Attributes};

pub(crate) async fn get_queue_attributes(
    sqs: Arc<Sqs>,
    call: Call,
    input: GetQueueAttributesRequest,
) -> Result<GetQueueAttributesResult, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    let names = input.attribute_names.unwrap_or_default();
    if let Some(unknown) = names.iter().find(|name| *name != "All" && !settings::is_attribute(name)) {
        return Err(error::unknown_attribute(unknown));
    }
    if names.is_empty() {
        return Ok(GetQueueAttributesResult::default());
    }
    let mut attributes = all(&queue).await?;
    if !names.iter().any(|name| name == "All") {
        attributes.retain(|name, _| names.contains(name));
    }
    Ok(GetQueueAttributesResult { attributes: (!attributes.is_empty()).then_some(attributes) })
}

async fn all(queue: &QueueHandle) -> Result<Attributes, Error> {
    let live = queue.live();
    let counts = queue.apply(|state, tx| state.counts(tx.now())).await?;
    let computed = [
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
        ("CreatedTimestamp", live.record.created.secs().to_string()),
        ("LastModifiedTimestamp", live.record.modified.secs().to_string()),
        ("QueueArn", queue.name.arn()),
    ];
    let mut attributes = settings::shown(&queue.name, &live.record.attributes);
    attributes.extend(computed.map(|(name, value)| (name.to_owned(), value)));
    Ok(attributes)
}
