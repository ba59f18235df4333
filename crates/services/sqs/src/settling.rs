//! Deleting received messages, and changing when they are visible again.

use std::time::Duration;

use fabric::Unit;
use wire::Error;

use crate::queue::Refusal;
use crate::queue_handle::QueueHandle;
use crate::receipt::Receipt;
use crate::service::Sqs;

impl Sqs {
    pub(crate) async fn delete_message(&self, queue: &QueueHandle, handle: &str) -> Result<(), Error> {
        let receipt = Receipt::parse(handle, queue.live().record.id)?;
        let deleted = match queue.apply(|state, tx| state.delete(tx, &receipt, handle, None)).await {
            Err(Refusal::Look(place)) => {
                let looked = queue.look(place).await?;
                queue.apply(|state, tx| state.delete(tx, &receipt, handle, Some(looked.clone()))).await
            }
            outcome => outcome,
        };
        deleted?;
        self.measure(queue, "NumberOfMessagesDeleted", 1.0, Unit::Count);
        Ok(())
    }

    pub(crate) async fn change_visibility(
        &self,
        queue: &QueueHandle,
        handle: &str,
        timeout: Duration,
    ) -> Result<(), Error> {
        let receipt = Receipt::parse(handle, queue.live().record.id)?;
        let change = |looked| {
            queue.apply(move |state, tx| state.change_visibility(tx, &receipt, handle, timeout, Option::clone(&looked)))
        };
        let changed = match change(None).await {
            Err(Refusal::Look(place)) => change(Some(queue.look(place).await?)).await,
            outcome => outcome,
        };
        Ok(changed?)
    }
}
