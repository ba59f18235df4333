//! Receiving: what is found at once, and waiting for what comes.

use std::pin::pin;
use std::sync::Arc;

use base::Timestamp;
use fabric::Unit;
use wire::Error;

use crate::message::Received;
use crate::queue::Want;
use crate::queue_handle::QueueHandle;
use crate::receipt::Receipt;
use crate::relocation::Reason;
use crate::service::Sqs;

/// How often one receive looks again after it has only relocated or deleted messages.
const LOOKS_MAX: usize = 64;

impl Sqs {
    /// Messages as soon as there are any; none once `until` has come. With [`Timestamp::NEVER`] it waits as long
    /// as it takes. Waiting is not work: virtual time goes on.
    pub(crate) async fn receive(
        self: &Arc<Self>,
        queue: &Arc<QueueHandle>,
        want: Want,
        until: Timestamp,
    ) -> Result<Vec<Received>, Error> {
        let mut soonest = queue.wake.soonest();
        loop {
            let mut arrival = pin!(queue.wake.arrival());
            arrival.as_mut().enable();
            let found = self.receive_now(queue, &want).await?;
            if !found.is_empty() || until <= queue.now() {
                let name = if found.is_empty() { "NumberOfEmptyReceives" } else { "NumberOfMessagesReceived" };
                self.measure(queue, name, found.len().max(1) as f64, Unit::Count);
                return Ok(found);
            }
            loop {
                let at = until.min(*soonest.borrow_and_update());
                tokio::select! {
                    () = &mut arrival => break,
                    // Another moment to wait for.
                    changed = soonest.changed() => if changed.is_err() { break },
                    () = self.sleep_until(at) => break,
                }
            }
        }
    }

    /// Nobody waits for a moment that never comes, or virtual time would go there.
    async fn sleep_until(&self, at: Timestamp) {
        if at == Timestamp::NEVER { std::future::pending().await } else { self.fabric.clock.sleep_until(at).await }
    }

    async fn receive_now(self: &Arc<Self>, queue: &Arc<QueueHandle>, want: &Want) -> Result<Vec<Received>, Error> {
        let live = queue.live();
        let mut want = want.clone();
        let dead_letter_queue = match &live.settings.redrive {
            // Without its dead-letter queue a queue keeps its messages.
            Some(redrive) => {
                self.queue(&redrive.target).await.ok().map(|_| (redrive.target.arn(), redrive.receives_max))
            }
            None => None,
        };
        want.receives_max = dead_letter_queue.as_ref().map(|(_, max)| *max);
        for _ in 0..LOOKS_MAX {
            if queue.apply(|state, tx| state.needs_page(tx.now())).await? {
                queue.read_on().await?;
            }
            let taken = queue.apply(|state, tx| state.receive(tx, &live.settings, &want)).await?;
            if taken.wants_page {
                let queue = queue.clone();
                tokio::spawn(async move {
                    if let Err(error) = queue.read_on().await {
                        tracing::warn!(%error, "the next messages of a queue could not be read ahead");
                    }
                });
            }
            let found_dead = !taken.dead.is_empty();
            if let Some((target, _)) = &dead_letter_queue
                && found_dead
            {
                let source = queue.name.arn();
                self.relocate(queue, taken.dead, |_| Some(target.clone()), &Reason::TooManyReceives { source }).await?;
            }
            if taken.messages.is_empty() {
                if taken.again || found_dead || queue.apply(|state, tx| state.needs_page(tx.now())).await? {
                    continue;
                }
                return Ok(Vec::new());
            }
            let contents = queue.contents(taken.messages).await?;
            let received = contents.into_iter().filter_map(|(head, content)| {
                let visible = if queue.name.is_fifo() { 0 } else { head.visible.micros() };
                let (sequence, received) = (head.sequence, head.received);
                let receipt = Receipt { queue: live.record.id, sequence, received, visible }.handle();
                Some(Received { head, content: content?, receipt })
            });
            return Ok(received.collect());
        }
        Ok(Vec::new())
    }
}
