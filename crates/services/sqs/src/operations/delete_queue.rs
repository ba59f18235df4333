use std::sync::Arc;

use model_sqs::{DeleteQueueOutput, DeleteQueueRequest};
use wire::{Call, Error};

use crate::name::QueueName;
use crate::service::Sqs;

pub(crate) async fn delete_queue(
    sqs: Arc<Sqs>,
    call: Call,
    input: DeleteQueueRequest,
) -> Result<DeleteQueueOutput, Error> {
    sqs.delete(&QueueName::of_url(&input.queue_url, &call)?).await?;
    Ok(DeleteQueueOutput {})
}
