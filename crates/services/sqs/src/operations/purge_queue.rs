use std::sync::Arc;

use model_sqs::{PurgeQueueOutput, PurgeQueueRequest};
use wire::{Call, Error};

use crate::service::Sqs;

pub(crate) async fn purge_queue(
    sqs: Arc<Sqs>,
    call: Call,
    input: PurgeQueueRequest,
) -> Result<PurgeQueueOutput, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    queue.apply(|state, tx| state.purge(tx, &queue.name.name)).await?;
    Ok(PurgeQueueOutput {})
}
