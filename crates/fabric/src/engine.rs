mod settle;
mod state;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base::{Arn, Entropy, SpanId};
use clock::{Busy, Clock};
use futures_util::FutureExt;
use store::{Batch, Range, Store};
use tokio::sync::Notify;

use crate::delivery::OUTBOX;
use crate::lane::{WINDOW_MAX, Waiting};
use crate::{Delivery, Event, EventKind, Failure, Journal, Outcome, Plugs};
use settle::{Settled, settle};
use state::{Run, State};

/// The cell to which the engine's own batches belong.
const CELL: &str = "delivery";
/// How long a reading of the outbox that failed waits until the next.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Carries out every asynchronous hop: each row of the outbox is tried when due, again by its policy, and ends
/// once. A target's deliveries have a lane of their own, so that a slow target delays no other.
#[derive(Clone)]
pub struct Deliveries {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Clock,
    entropy: Entropy,
    plugs: Arc<Plugs>,
    journal: Arc<Journal>,
    epoch: OnceLock<u64>,
    state: Mutex<State>,
    wake: Notify,
    /// Told when a run has ended, for who waits for all of them.
    ended: Notify,
}

impl Deliveries {
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        entropy: Entropy,
        plugs: Arc<Plugs>,
        journal: Arc<Journal>,
    ) -> Deliveries {
        let inner = Inner {
            store,
            clock,
            entropy,
            plugs,
            journal,
            epoch: OnceLock::new(),
            state: Mutex::default(),
            wake: Notify::new(),
            ended: Notify::new(),
        };
        Deliveries { inner: Arc::new(inner) }
    }

    /// Finds what a predecessor left in the outbox and begins to deliver. Call it when all plugs are in.
    pub async fn start(&self) -> Result<(), store::Error> {
        let epoch = self.inner.store.claim(CELL).await?;
        self.inner.epoch.set(epoch).ok();
        self.inner.find_lanes().await?;
        tokio::spawn(self.inner.clone().dispatch());
        Ok(())
    }

    /// Makes deliveries durable that no cell's batch carries.
    pub async fn accept(&self, deliveries: Vec<Delivery>) -> Result<(), store::Error> {
        let _busy = self.inner.clock.busy();
        let messages: Vec<_> = deliveries.iter().map(Delivery::message).collect();
        self.inner.commit(self.inner.batch(), &messages).await?;
        self.inner.committed(messages);
        Ok(())
    }

    /// Begins no further delivery and waits until none is under way.
    pub async fn drain(&self) {
        self.inner.lock().draining = true;
        self.inner.wake.notify_one();
        loop {
            let ended = self.inner.ended.notified();
            if self.inner.lock().running() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// How many deliveries are known to wait and how many run, by target.
    pub fn pending(&self) -> Vec<(String, usize, usize)> {
        self.inner.lock().pending()
    }
}

impl cell::Outbox for Deliveries {
    fn committed(&self, messages: Vec<cell::Message>) {
        self.inner.committed(messages);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn batch(&self) -> Batch {
        // Deliveries do not rest on one another: that one commit failed must not stop all others.
        Batch::new(CELL, self.epoch.get().copied().unwrap_or_default()).independent()
    }

    fn committed(&self, messages: Vec<cell::Message>) {
        let now = self.clock.now();
        let mut state = self.lock();
        for message in messages {
            // What is due at once is work from now on, so that virtual time waits for it.
            if message.due <= now && state.undispatched.is_none() {
                state.undispatched = Some(self.clock.busy());
            }
            state.add(message.key, Waiting::new(message.due, message.value));
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Finds each lane by its first row, skipping from prefix to prefix.
    async fn find_lanes(&self) -> Result<(), store::Error> {
        let mut from = OUTBOX.as_bytes().to_vec();
        loop {
            let first = self.store.range(Range::from(from).to(end_of(OUTBOX.as_bytes())).limit(1)).await?;
            let Some((key, _)) = first.into_iter().next() else { return Ok(()) };
            let prefix = state::prefix(&key).to_vec();
            let (rows, whole) = self.read_lane(prefix.clone(), end_of(&prefix)).await?;
            self.lock().end_reading(&prefix, rows, whole);
            from = end_of(&prefix);
        }
    }

    async fn read_lane(&self, from: Vec<u8>, to: Vec<u8>) -> Result<(Vec<(Vec<u8>, Waiting)>, bool), store::Error> {
        let rows = self.store.range(Range::from(from).to(to).limit(WINDOW_MAX)).await?;
        let whole = rows.len() < WINDOW_MAX;
        let known = |(key, row): (Vec<u8>, Vec<u8>)| {
            let due = state::due(&key);
            (key, Waiting::new(due, row))
        };
        Ok((rows.into_iter().map(known).collect(), whole))
    }

    /// Starts what is due, and sleeps until something is.
    async fn dispatch(self: Arc<Self>) {
        loop {
            let (runs, reads, next, undispatched) = {
                let mut state = self.lock();
                let now = self.clock.now();
                let runs = state.take_due(now, |target| self.at_once_max(target));
                (runs, state.begin_readings(), state.next_due(), state.undispatched.take())
            };
            for run in runs {
                let busy = self.clock.busy();
                let this = self.clone();
                tokio::spawn(async move {
                    this.run(run).await;
                    drop(busy);
                });
            }
            for (prefix, horizon) in reads {
                // What is read may be due now, so virtual time waits for it.
                let busy = self.clock.busy();
                tokio::spawn(self.clone().read_on(prefix, horizon, busy));
            }
            drop(undispatched);
            if self.lock().draining {
                return;
            }
            match next {
                Some(due) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = self.clock.sleep_until(due) => {}
                },
                None => self.wake.notified().await,
            }
        }
    }

    fn at_once_max(&self, target: &str) -> usize {
        let plug = target.parse::<Arn>().ok().and_then(|arn| self.plugs.target(&arn));
        plug.map_or(1, |plug| plug.at_once_max())
    }

    async fn read_on(self: Arc<Self>, prefix: Vec<u8>, horizon: Vec<u8>, busy: Busy) {
        let after = [horizon.as_slice(), b"\0"].concat();
        match self.read_lane(after, end_of(&prefix)).await {
            Ok((rows, whole)) => {
                let now = self.clock.now();
                let mut state = self.lock();
                if rows.first().is_some_and(|(_, waiting)| waiting.due <= now) && state.undispatched.is_none() {
                    state.undispatched = Some(busy);
                }
                state.end_reading(&prefix, rows, whole);
            }
            Err(error) => {
                tracing::error!(%error, "failed to read the outbox; it is read again in a second");
                drop(busy);
                // A store that fails at once must not be asked without a pause.
                self.clock.sleep(READ_AGAIN_AFTER).await;
                self.lock().abandon_reading(&prefix);
            }
        }
        self.wake.notify_one();
    }

    /// One attempt, from the row to the batch that ends or reschedules it.
    async fn run(&self, run: Run) {
        let Run { key, waiting } = run;
        let row = match waiting.row {
            Some(row) => Ok(Some(row)),
            None => self.store.get(&key).await,
        };
        let messages = match row.map(|row| row.map(|row| Delivery::decode(&row))) {
            Ok(Some(Some(delivery))) => self.attempt(&key, delivery).await,
            Ok(Some(None)) => {
                tracing::error!(key = %String::from_utf8_lossy(&key), "an unreadable delivery is put aside");
                self.put_aside(&key).await
            }
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        match messages {
            Ok(messages) => self.committed(messages),
            Err(error) => {
                // The row is still there: it is tried again when Kobel can write again.
                tracing::error!(%error, "failed to end a delivery; it stays in the outbox");
                let due = self.clock.now() + crate::Backoff::SECOND.wait(1);
                self.lock().add(key.clone(), Waiting { due, row: None });
            }
        }
        self.lock().ended(&key);
        self.ended.notify_waiters();
        self.wake.notify_one();
    }

    async fn attempt(&self, key: &[u8], mut delivery: Delivery) -> Result<Vec<cell::Message>, store::Error> {
        let began = self.clock.now();
        let span = SpanId(self.entropy.u64());
        let cause = delivery.trace.clone();
        delivery.trace = cause.under(span);
        #[expect(clippy::disallowed_methods, reason = "measures a duration")]
        let started = std::time::Instant::now();
        let outcome = self.deliver(&delivery).await;
        let mut event = Event::new(&cause, span, EventKind::Delivery, began).with_payload(&delivery.payload);
        event.duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        delivery.trace = cause;
        let settled = settle(delivery, outcome, self.clock.now(), &self.entropy);
        let messages = self.replace(key, &settled).await?;
        self.journal.record(settled.tell(event));
        Ok(messages)
    }

    async fn deliver(&self, delivery: &Delivery) -> Outcome {
        let failed =
            |message: String| Outcome::Failed(Failure { code: "InvalidTarget".into(), message, retryable: false });
        let Ok(arn) = delivery.target.parse::<Arn>() else {
            return failed(format!("`{}` is not an ARN", delivery.target));
        };
        match self.plugs.target(&arn) {
            // A bug in a target must not hold its lane's room for ever, nor the end of Kobel.
            Some(target) => match AssertUnwindSafe(target.deliver(delivery)).catch_unwind().await {
                Ok(outcome) => outcome,
                Err(_) => {
                    tracing::error!(target = delivery.target, id = delivery.id, "a delivery panicked");
                    let message = "Kobel failed while it delivered this".to_owned();
                    Outcome::Failed(Failure { code: "InternalError".into(), message, retryable: true })
                }
            },
            None => failed(format!("Kobel has no service `{}` that could take an event", arn.service)),
        }
    }

    /// Puts what an attempt comes to in place of the delivery's row.
    async fn replace(&self, key: &[u8], settled: &Settled) -> Result<Vec<cell::Message>, store::Error> {
        let messages: Vec<_> = settled.next.iter().map(Delivery::message).collect();
        let mut batch = self.batch();
        batch.delete(key.to_vec());
        self.commit(batch, &messages).await?;
        Ok(messages)
    }

    /// Commits a batch together with the rows of `messages`. Where that fails, rows may be there all the same, because only
    /// the answer was lost: they are looked for when due, and one that is not there is forgotten.
    async fn commit(&self, mut batch: Batch, messages: &[cell::Message]) -> Result<(), store::Error> {
        for message in messages {
            batch.put(message.key.clone(), message.value.clone());
        }
        let committed = self.store.commit(batch).await;
        if committed.is_err() {
            let mut state = self.lock();
            for message in messages {
                state.add(message.key.clone(), Waiting { due: message.due, row: None });
            }
            drop(state);
            self.wake.notify_one();
        }
        committed
    }

    /// Moves a row that cannot be read out of the way, where a person can find it.
    async fn put_aside(&self, key: &[u8]) -> Result<Vec<cell::Message>, store::Error> {
        let mut batch = self.batch();
        if let Some(row) = self.store.get(key).await? {
            batch.put([b"unreadable/", key].concat(), row);
        }
        batch.delete(key.to_vec());
        self.store.commit(batch).await?;
        Ok(Vec::new())
    }
}

/// The first key after all that begin with `prefix`: a lane's, or that of all lanes.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    Range::end_of_prefix(prefix).expect("keys of deliveries begin with a letter")
}

#[cfg(test)]
mod tests;
