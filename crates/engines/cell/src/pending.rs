use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::Message;

/// How many failed batches are remembered, for readers that wait for them.
const FAILED_KEPT_MAX: usize = 10_000;

/// The batches of a cell that were handed to the store, numbered from 1, and what became of them.
///
/// Its lock is taken inside that of the cell's state, never around it: outcomes come from the store's own thread.
pub(crate) struct Pending {
    batches: Mutex<Batches>,
    /// [`Batches::ended`], for who waits.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct Batches {
    newest: u64,
    /// The newest when the state was loaded, which shows of those up to it what has lasted.
    loaded_after: u64,
    /// This batch and all before it have ended: they are durable, or have failed.
    ended: u64,
    /// Batches that ended before one with a lower number.
    ended_ahead: BTreeSet<u64>,
    /// The numbers of batches that failed.
    failed: BTreeSet<u64>,
    /// Whether one has failed since the state was loaded: it shows what will not last.
    broken: bool,
    /// Messages of those that failed. The store may have applied a batch of which it reported a failure.
    doubtful: Vec<Message>,
}

impl Pending {
    pub(crate) fn new() -> Pending {
        Pending { batches: Mutex::default(), ended: watch::channel(0).0 }
    }

    fn lock(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a batch that is about to be handed over.
    pub(crate) fn begin(&self) -> u64 {
        let mut batches = self.lock();
        batches.newest += 1;
        batches.newest
    }

    pub(crate) fn succeeded(&self, number: u64) {
        let ended = self.lock().end(number);
        self.ended.send_replace(ended);
    }

    pub(crate) fn failed(&self, number: u64, messages: Vec<Message>) {
        let ended = {
            let mut batches = self.lock();
            batches.broken = true;
            batches.doubtful.extend(messages);
            batches.failed.insert(number);
            if batches.failed.len() > FAILED_KEPT_MAX {
                batches.failed.pop_first();
            }
            batches.end(number)
        };
        self.ended.send_replace(ended);
    }

    /// The newest batch of all.
    pub(crate) fn newest(&self) -> u64 {
        self.lock().newest
    }

    /// The newest batch on which the state rests; 0 if there is none since it was loaded.
    pub(crate) fn rests_on(&self) -> u64 {
        let batches = self.lock();
        if batches.newest > batches.loaded_after { batches.newest } else { 0 }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// The state has been loaded anew, after all batches had ended.
    pub(crate) fn mend(&self) {
        let mut batches = self.lock();
        batches.broken = false;
        batches.loaded_after = batches.newest;
    }

    /// The messages of failed batches, of which it must be found out whether they are in the store.
    pub(crate) fn doubtful(&self) -> Vec<Message> {
        self.lock().doubtful.clone()
    }

    pub(crate) fn forget_doubtful(&self) {
        self.lock().doubtful.clear();
    }

    /// Waits until the batches up to `number` have ended; false if that one failed. Each rests on those before it,
    /// so it then tells of all.
    pub(crate) async fn settled(&self, number: u64) -> bool {
        if self.lock().ended < number {
            // The sender lives as long as `self`.
            let _ = self.ended.subscribe().wait_for(|ended| *ended >= number).await;
        }
        !self.lock().failed.contains(&number)
    }
}

impl Batches {
    /// Takes note of a batch's end; returns up to where all have ended.
    fn end(&mut self, number: u64) -> u64 {
        self.ended_ahead.insert(number);
        while self.ended_ahead.remove(&(self.ended + 1)) {
            self.ended += 1;
        }
        self.ended
    }
}
