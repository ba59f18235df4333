use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{Arn, Timestamp, Trace};
use fabric::{QueueFacts, QueueMessage, QueueSource, SourceError, Wait};
use tokio::sync::{Notify, watch};

use super::batch::{self, EVENT_BYTES_MAX};
use super::response::{Verdict, judge};
use super::scale::Scale;
use crate::invoke::{Invoker, Refused, Request};
use crate::registry::{EventSourceMapping, Registry};

/// How long a poller rests after its queue could not be read.
const SOURCE_FAILED_REST: Duration = Duration::from_secs(5);
/// The wait after a throttle or a system error, which doubles up to its maximum.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Reads one mapping's queue and hands batches to its function.
pub(super) struct Poller {
    inner: Arc<Inner>,
}

struct Inner {
    mapping: Arc<EventSourceMapping>,
    registry: Arc<Registry>,
    invoker: Invoker,
    flights: Mutex<Flights>,
    /// Told when a batch has ended.
    landed: Notify,
    stopped: watch::Receiver<bool>,
}

struct Flights {
    scale: Scale,
    count: u32,
}

/// What became of handing a batch over.
enum Handed {
    Processed(Verdict),
    /// The function failed.
    Failed,
    /// It did not run, and the messages will be visible again before it could.
    GivenUp,
}

impl Poller {
    /// A poller that works until `stopped` turns true.
    pub(super) fn new(
        mapping: Arc<EventSourceMapping>,
        registry: Arc<Registry>,
        invoker: Invoker,
        stopped: watch::Receiver<bool>,
    ) -> Poller {
        let flights = Mutex::new(Flights { scale: Scale::new(mapping.maximum_concurrency), count: 0 });
        Poller { inner: Arc::new(Inner { mapping, registry, invoker, flights, landed: Notify::new(), stopped }) }
    }

    /// Polls until it is stopped; returns when no batch is under way.
    pub(super) async fn run(self) {
        let clock = self.inner.invoker.fabric().clock.clone();
        while !*self.inner.stopped.borrow() {
            let result = tokio::select! {
                result = self.poll_once() => result,
                () = self.inner.stopped() => break,
            };
            if let Err(error) = result {
                let mapping = &self.inner.mapping;
                tracing::warn!(%error, mapping = mapping.uuid, "an event source mapping can't read its queue");
                let rest = clock.now() + SOURCE_FAILED_REST;
                tokio::select! {
                    () = clock.passed(rest) => {}
                    () = self.inner.stopped() => break,
                }
            }
        }
        loop {
            let landed = self.inner.landed.notified();
            if self.inner.flights().count == 0 {
                return;
            }
            landed.await;
        }
    }

    /// Waits for a place and a batch, and sends the batch off.
    async fn poll_once(&self) -> Result<(), SourceError> {
        let inner = &self.inner;
        inner.wait_for_place().await;
        let queue = inner.queue()?;
        let source = inner.source(&queue)?;
        let first = source.receive(&queue, inner.receive_max(0), Wait::ForMessage).await?;
        if first.is_empty() {
            return Ok(());
        }
        // From the first message on there is work; a batching window is a wait in it.
        let busy = inner.invoker.fabric().clock.busy();
        let facts = source.facts(&queue).await?;
        inner.flights().count += 1;
        let flight = self.inner.clone();
        tokio::spawn(async move {
            let ended = Ended(flight.clone());
            flight.fly(&*source, queue, facts, first, busy).await;
            drop(ended);
        });
        Ok(())
    }
}

/// Counts a batch as ended, also where its task panics.
struct Ended(Arc<Inner>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.flights().count -= 1;
        self.0.landed.notify_waiters();
    }
}

impl Inner {
    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.invoker.fabric().now()
    }

    /// Waits until the poller is to stop.
    async fn stopped(&self) {
        // Whoever could stop it being gone means the same.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }

    async fn wait_for_place(&self) {
        let clock = &self.invoker.fabric().clock;
        loop {
            let landed = self.landed.notified();
            let next_place = {
                let mut flights = self.flights();
                let count = flights.count;
                if flights.scale.admits(count, clock.now()) {
                    return;
                }
                flights.scale.next_place()
            };
            match next_place {
                // Growth is no reason for virtual time to jump.
                Some(at) => tokio::select! { () = landed => {}, () = clock.passed(at) => {} },
                None => landed.await,
            }
        }
    }

    fn queue(&self) -> Result<Arn, SourceError> {
        let arn = &self.mapping.event_source_arn;
        arn.parse().map_err(|_| SourceError::Missing(arn.clone()))
    }

    fn source(&self, queue: &Arn) -> Result<Arc<dyn QueueSource>, SourceError> {
        let source = self.invoker.fabric().plugs.queue_source(queue);
        source.ok_or_else(|| SourceError::Failed(format!("Kobel can't read from {}", queue.service)))
    }

    fn receive_max(&self, have: usize) -> usize {
        (self.mapping.batch_size as usize).max(1).saturating_sub(have)
    }

    /// One batch: filled, handed over, deleted as far as it was processed.
    async fn fly(
        &self,
        source: &dyn QueueSource,
        queue: Arn,
        facts: QueueFacts,
        first: Vec<QueueMessage>,
        busy: clock::Busy,
    ) {
        let visibility = Duration::from_secs(u64::from(facts.visibility_timeout_s));
        let messages = self.fill(source, &queue, first, visibility, busy).await;
        let mut busy = Some(self.invoker.fabric().clock.busy());
        let visible_again = self.now() + visibility;
        // What is too large for one event goes in several.
        for messages in by_size(messages) {
            let count = messages.len();
            let handed = self.hand_over(&queue, &messages, visible_again, &mut busy).await;
            let done = match handed {
                Handed::Processed(Verdict::All) => receipts(&messages, &HashSet::new()),
                Handed::Processed(Verdict::AllBut(failed)) => receipts(&messages, &failed),
                Handed::Processed(Verdict::Nothing) | Handed::Failed | Handed::GivenUp => {
                    self.flights().scale.fall_back();
                    Vec::new()
                }
            };
            if let Err(error) = source.delete(&queue, &done).await {
                tracing::warn!(%error, %queue, "processed messages could not be deleted; they will come again");
            }
            if facts.fifo && done.len() < count {
                // What follows may belong to the groups of what failed, and must not overtake it.
                return;
            }
        }
    }

    /// Receives on until the batch is full, its window is over or the mapping ends.
    async fn fill(
        &self,
        source: &dyn QueueSource,
        queue: &Arn,
        mut messages: Vec<QueueMessage>,
        visibility: Duration,
        busy: clock::Busy,
    ) -> Vec<QueueMessage> {
        let window = Duration::from_secs(u64::from(self.mapping.maximum_batching_window_s));
        if window.is_zero() {
            return messages;
        }
        let closes = self.now() + window;
        self.hide(source, queue, &messages, window + visibility).await;
        let mut bytes: usize = messages.iter().map(batch::size).sum();
        // Waiting is not work: virtual time goes on to the end of the window.
        drop(busy);
        while self.receive_max(messages.len()) > 0 && bytes < EVENT_BYTES_MAX {
            let more = tokio::select! {
                more = source.receive(queue, self.receive_max(messages.len()), Wait::Until(closes)) => more,
                // A mapping that ends hands over what it has.
                () = self.stopped() => break,
            };
            match more {
                Ok(more) if more.is_empty() => break,
                Ok(more) => {
                    bytes += more.iter().map(batch::size).sum::<usize>();
                    self.hide(source, queue, &more, closes.since(self.now()) + visibility).await;
                    messages.extend(more);
                }
                Err(error) => {
                    tracing::warn!(%error, %queue, "a batch is closed early");
                    break;
                }
            }
        }
        // From here on they have the queue's own timeout to be processed in.
        self.hide(source, queue, &messages, visibility).await;
        messages
    }

    /// Keeps messages from being received again while their batch still waits for more.
    async fn hide(&self, source: &dyn QueueSource, queue: &Arn, messages: &[QueueMessage], time: Duration) {
        let held: Vec<String> = messages.iter().map(|message| message.receipt.clone()).collect();
        if let Err(error) = source.release(queue, &held, time).await {
            tracing::warn!(%error, %queue, "messages of a waiting batch may come twice");
        }
    }

    /// Invokes the function with the batch; after throttles again, until the messages would be visible again or the
    /// mapping ends.
    async fn hand_over(
        &self,
        queue: &Arn,
        messages: &[QueueMessage],
        visible_again: Timestamp,
        busy: &mut Option<clock::Busy>,
    ) -> Handed {
        let fabric = self.invoker.fabric();
        let payload = batch::event(queue, messages);
        let trace = trace_of(messages).unwrap_or_else(|| fabric.begin_trace());
        let mut wait = RETRY_FIRST;
        loop {
            let mapping = &self.mapping;
            let name = &mapping.function_name;
            let resolved = match self.registry.resolve(&mapping.scope, name, mapping.qualifier.as_deref()) {
                Ok(resolved) => resolved,
                Err(error) => {
                    tracing::warn!(%error, mapping = mapping.uuid, "an event source mapping has no function");
                    return Handed::GivenUp;
                }
            };
            let request = Request {
                request_id: fabric.entropy.uuid(),
                resolved,
                payload: payload.clone(),
                trace: trace.clone(),
                client_context: None,
            };
            match self.invoker.invoke(request).await {
                Ok(invoked) if invoked.error_type.is_some() => return Handed::Failed,
                Ok(invoked) => return Handed::Processed(self.verdict(&invoked.payload, messages)),
                Err(Refused::Throttled(throttle)) => {
                    tracing::debug!(reason = throttle.reason(), mapping = mapping.uuid, "a batch is throttled");
                }
                Err(Refused::System(error)) => {
                    tracing::warn!(%error, mapping = mapping.uuid, "a batch could not be handed over");
                }
            }
            let again = self.now() + wait;
            if again >= visible_again {
                return Handed::GivenUp;
            }
            // Waiting is not work.
            *busy = None;
            tokio::select! {
                () = fabric.clock.sleep_until(again) => {}
                // A mapping that is disabled or deleted tries no more.
                () = self.stopped() => return Handed::GivenUp,
            }
            *busy = Some(fabric.clock.busy());
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    fn verdict(&self, reply: &[u8], messages: &[QueueMessage]) -> Verdict {
        match self.mapping.report_batch_item_failures {
            true => judge(reply, &messages.iter().map(|message| message.id.as_str()).collect()),
            false => Verdict::All,
        }
    }
}

/// The trace that the first message carries.
fn trace_of(messages: &[QueueMessage]) -> Option<Trace> {
    Trace::parse(messages.first()?.attributes.get("AWSTraceHeader")?.as_str()?)
}

/// The receipts of the messages that are not among `failed`.
fn receipts(messages: &[QueueMessage], failed: &HashSet<String>) -> Vec<String> {
    messages.iter().filter(|message| !failed.contains(&message.id)).map(|message| message.receipt.clone()).collect()
}

/// Parts that fit in one event each, in order.
fn by_size(messages: Vec<QueueMessage>) -> Vec<Vec<QueueMessage>> {
    let mut parts: Vec<Vec<QueueMessage>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = batch::size(&message);
        match parts.last_mut() {
            Some(part) if bytes + size <= EVENT_BYTES_MAX => {
                bytes += size;
                part.push(message);
            }
            _ => {
                bytes = size;
                parts.push(vec![message]);
            }
        }
    }
    parts
}
