use std::sync::Arc;

use model_sqs::{SetQueueAttributesOutput, SetQueueAttributesRequest};
use wire::{Call, Error};

use crate::directory::Record;
use crate::error;
use crate::name::QueueName;
use crate::queue_handle::QueueHandle;
use crate::redrive::RedrivePolicy;
use crate::service::{Failed, Sqs};
use crate::settings::{self, Attributes};

pub(crate) async fn set_queue_attributes(
    sqs: Arc<Sqs>,
    call: Call,
    input: SetQueueAttributesRequest,
) -> Result<SetQueueAttributesOutput, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    set(&sqs, &queue, input.attributes).await?;
    Ok(SetQueueAttributesOutput {})
}

/// Changes attributes of a queue.
pub(crate) async fn set(sqs: &Sqs, queue: &QueueHandle, given: Attributes) -> Result<(), Error> {
    check_redrive(sqs, &queue.name, &given).await?;
    change(sqs, queue, |record| {
        record.attributes = settings::checked(&queue.name, Some(&record.attributes), &given)?;
        Ok(())
    })
    .await
}

/// The dead-letter queue must be there and let this queue send to it.
pub(crate) async fn check_redrive(sqs: &Sqs, queue: &QueueName, given: &Attributes) -> Result<(), Error> {
    let Some(text) = given.get("RedrivePolicy").filter(|text| !text.is_empty()) else { return Ok(()) };
    let policy = RedrivePolicy::parse(text)?;
    policy.check(queue, text)?;
    let wrong = |reason: &str| error::invalid_value(text, "RedrivePolicy", reason);
    let target = match sqs.queue(&policy.target).await {
        Ok(target) => target,
        // A queue that is to be made may be its own dead-letter queue.
        Err(_) if policy.target == *queue => return Ok(()),
        Err(error) if error.status >= 500 => return Err(error),
        Err(_) => return Err(wrong("Dead letter target does not exist.")),
    };
    if !target.live().settings.redrive_allow.permits(queue) {
        return Err(wrong("The dead-letter queue's redrive allow policy does not permit this source queue."));
    }
    Ok(())
}

/// Changes a queue's record.
pub(crate) async fn change(
    sqs: &Sqs,
    queue: &QueueHandle,
    change: impl FnOnce(&mut Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let directory = sqs.directory(&queue.name.scope).await?;
    let changed = directory.apply(|directory, tx| {
        let record = directory.get(&queue.name.name).ok_or_else(error::no_queue).map_err(Failed::Answer)?;
        let mut record = Record::clone(record);
        change(&mut record).map_err(Failed::Answer)?;
        record.modified = tx.now();
        let record = directory.put(tx, record);
        // Within the command, so that the newest record is the last that the queue is given.
        queue.renew(record);
        Ok(())
    });
    changed.await.map_err(|failed: Failed| Error::from(failed))
}
