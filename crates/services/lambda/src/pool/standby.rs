//! Standby: environments that were started ahead of their first invocation, for versions in use.
//!
//! A version has one spare at most. It is the last resort of an invocation that finds no idle environment, so that
//! one that was used goes before it. Invariants: the memory sizes of spares, those being started counted, sum up to
//! the budget at most; spares never count as concurrency; after [`Standby::retire`] has returned none of another
//! revision is found, and after [`Standby::close`] none at all.

mod shelf;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Clock;
use tokio::sync::{Notify, watch};

use super::{Instance, Key};
use crate::registry::Version;
pub use shelf::Demand;
use shelf::{Asked, SPARE_UNUSED_MAX, Shelf};

/// See the module's documentation. Cheap to clone.
#[derive(Clone)]
pub struct Standby {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    shelf: Mutex<Shelf>,
    /// Told when a spare came.
    came: Notify,
    closed: watch::Sender<bool>,
}

/// The place of a spare that is being started. Dropped without it, the version gets none for a while.
#[must_use]
pub struct Place {
    inner: Arc<Inner>,
    key: Key,
    filled: bool,
}

impl Standby {
    /// Spares' memory sizes sum up to `memory_mb_max` at most; with 0 there are none.
    pub fn new(clock: Clock, memory_mb_max: u64) -> Standby {
        let shelf = Mutex::new(Shelf::new(memory_mb_max));
        let inner = Arc::new(Inner { clock, shelf, came: Notify::new(), closed: watch::Sender::new(false) });
        let tidying = Arc::downgrade(&inner);
        tokio::spawn(async move {
            while let Some(inner) = tidying.upgrade() {
                inner.end_unused_once().await;
            }
        });
        Standby { inner }
    }

    /// Notes that a version was used. Gives a place where a spare is to be started for it.
    pub async fn used(&self, version: &Arc<Version>, demand: Demand) -> Option<Place> {
        let now = self.inner.clock.now();
        let Asked { start, ended } = self.inner.lock().used(version, demand, now);
        // The place first: it must be given back even if this future is dropped.
        let place = start.map(|key| Place { inner: self.inner.clone(), key, filled: false });
        end_all(ended).await;
        place
    }

    /// The spare of a version, which is one no more.
    pub async fn take(&self, key: &Key) -> Option<Instance> {
        let instance = self.inner.lock().take(key)?;
        if !instance.environment.is_alive() {
            instance.end().await;
            return None;
        }
        instance.environment.thaw().await;
        Some(instance)
    }

    /// Ends spares, those of the versions used longest ago first, until their memory is `memory_mb` at most.
    pub async fn shrink(&self, memory_mb: u64) {
        let ended = self.inner.lock().shrink(memory_mb);
        end_all(ended).await;
    }

    /// Ends the spares of versions that are no longer `current`.
    pub async fn retire(&self, current: impl Fn(&Version) -> bool) {
        let ended = self.inner.lock().retire(current);
        end_all(ended).await;
    }

    /// Ends all spares; from now on none is kept.
    pub async fn close(&self) {
        self.inner.closed.send_replace(true);
        let ended = self.inner.lock().close();
        end_all(ended).await;
    }

    /// Waits until it is closed.
    pub async fn closed(&self) {
        // The sender is alive, so that waiting can't fail.
        let _ = self.inner.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// The memory sizes of all spares, in MB.
    #[cfg(test)]
    pub fn memory_mb(&self) -> u64 {
        self.inner.lock().memory_mb()
    }
}

impl Place {
    /// Keeps the environment that was started for this place, frozen.
    pub async fn fill(mut self, instance: Instance) {
        instance.environment.freeze().await;
        self.filled = true;
        let refused = self.inner.lock().put(&self.key, instance);
        self.inner.came.notify_one();
        end_all(refused).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.filled {
            let now = self.inner.clock.now();
            self.inner.lock().failed(&self.key, now);
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the version of a spare has not been used for long, and ends the spare.
    async fn end_unused_once(&self) {
        let longest = self.lock().longest_unused();
        let Some(since) = longest else { return self.came.notified().await };
        self.clock.passed(since + SPARE_UNUSED_MAX).await;
        let now = self.clock.now();
        let ended = self.lock().end_unused(now);
        end_all(ended).await;
    }
}

async fn end_all(instances: impl IntoIterator<Item = Instance>) {
    for instance in instances {
        instance.end().await;
    }
}

#[cfg(test)]
mod tests;
