//! The execution environments of all versions: idle and busy.
//!
//! Invariants: an environment serves one version in one revision and one invocation at a time; the one used
//! last is used first, so that those not needed grow old and end; after [`Pool::retire`] has returned no request
//! finds an environment of another revision idle; what the idle ones may hold in memory is bounded.

mod instance;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::Timestamp;
use clock::Clock;
use tokio::sync::Notify;

use crate::registry::Version;
pub use instance::{Credentials, Instance};

/// How long an environment is kept without an invocation.
const IDLE_MAX: Duration = Duration::from_secs(15 * 60);
/// How long an environment is used at all.
const LIFETIME_MAX: Duration = Duration::from_secs(4 * 3600);

/// What an environment was made for: a version in one revision of its code and configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    version: String,
    revision: String,
}

impl Key {
    pub fn of(version: &Version) -> Key {
        Key { version: version.qualified_arn(), revision: version.revision.clone() }
    }
}

/// See the module's documentation. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    idle_memory_mb_max: u64,
    state: Mutex<State>,
    /// Told when an environment became idle while none was.
    first_idle: Notify,
}

#[derive(Default)]
struct State {
    /// In the order in which they became idle.
    idle: BTreeMap<u64, Idle>,
    /// The places of a version's idle environments in `idle`, the last used last.
    stacks: HashMap<Key, Vec<u64>>,
    next_place: u64,
    idle_memory_mb: u64,
    closed: bool,
}

struct Idle {
    key: Key,
    since: Timestamp,
    instance: Instance,
}

/// How many there are, for status and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub idle: usize,
    pub idle_memory_mb: u64,
}

impl Pool {
    /// A pool whose idle environments' memory sizes sum up to `idle_memory_mb_max` at most.
    pub fn new(clock: Clock, idle_memory_mb_max: u64) -> Pool {
        let inner = Arc::new(Inner { clock, idle_memory_mb_max, state: Mutex::default(), first_idle: Notify::new() });
        let recycling = Arc::downgrade(&inner);
        tokio::spawn(async move {
            while let Some(inner) = recycling.upgrade() {
                inner.recycle_once().await;
            }
        });
        Pool { inner }
    }

    /// The idle environment used last.
    pub async fn take(&self, key: &Key) -> Option<Instance> {
        loop {
            let instance = self.inner.lock().pop(key)?;
            if instance.environment.is_alive() {
                instance.environment.thaw().await;
                return Some(instance);
            }
            instance.end().await;
        }
    }

    /// Takes an environment back after an invocation, or ends it where it has served its time or its revision
    /// is no longer `current`.
    pub async fn give(&self, instance: Instance, current: bool) {
        let key = Key::of(&instance.version);
        let now = self.inner.clock.now();
        let old = now.since(instance.started) >= LIFETIME_MAX;
        if !current || old || !instance.environment.is_alive() {
            return instance.end().await;
        }
        instance.environment.freeze().await;
        let too_many = self.inner.lock().push(key, instance, now, self.inner.idle_memory_mb_max);
        self.inner.first_idle.notify_one();
        for instance in too_many {
            instance.end().await;
        }
    }

    /// Ends what is idle of versions that are no longer `current`.
    pub async fn retire(&self, current: impl Fn(&Version) -> bool) {
        let retired = self.inner.lock().remove_where(|idle| !current(&idle.instance.version));
        for instance in retired {
            instance.end().await;
        }
    }

    /// Ends all that is idle; from now on nothing is kept.
    pub async fn close(&self) {
        let all = {
            let mut state = self.inner.lock();
            state.closed = true;
            state.stacks.clear();
            state.idle_memory_mb = 0;
            std::mem::take(&mut state.idle)
        };
        for idle in all.into_values() {
            idle.instance.end().await;
        }
    }

    pub fn status(&self) -> Status {
        let state = self.inner.lock();
        Status { idle: state.idle.len(), idle_memory_mb: state.idle_memory_mb }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the oldest idle environment has been idle for long, and ends it.
    async fn recycle_once(&self) {
        let oldest = self.lock().idle.first_key_value().map(|(_, idle)| idle.since);
        let Some(since) = oldest else { return self.first_idle.notified().await };
        self.clock.passed(since + IDLE_MAX).await;
        let now = self.clock.now();
        let old = self.lock().remove_where(|idle| now.since(idle.since) >= IDLE_MAX);
        for instance in old {
            instance.end().await;
        }
    }
}

impl State {
    fn pop(&mut self, key: &Key) -> Option<Instance> {
        let stack = self.stacks.get_mut(key)?;
        let place = stack.pop()?;
        if stack.is_empty() {
            self.stacks.remove(key);
        }
        let idle = self.idle.remove(&place).expect("a place on a stack is taken");
        self.idle_memory_mb -= u64::from(idle.instance.version.memory_mb);
        Some(idle.instance)
    }

    /// Returns what must end.
    fn push(&mut self, key: Key, instance: Instance, since: Timestamp, memory_mb_max: u64) -> Vec<Instance> {
        if self.closed {
            return vec![instance];
        }
        let place = self.next_place;
        self.next_place += 1;
        self.idle_memory_mb += u64::from(instance.version.memory_mb);
        self.stacks.entry(key.clone()).or_default().push(place);
        self.idle.insert(place, Idle { key, since, instance });
        let mut too_many = Vec::new();
        while self.idle_memory_mb > memory_mb_max {
            let Some((&oldest, _)) = self.idle.first_key_value() else { break };
            too_many.extend(self.remove(oldest));
        }
        too_many
    }

    fn remove_where(&mut self, wanted: impl Fn(&Idle) -> bool) -> Vec<Instance> {
        let places: Vec<u64> = self.idle.iter().filter(|(_, idle)| wanted(idle)).map(|(place, _)| *place).collect();
        places.into_iter().filter_map(|place| self.remove(place)).collect()
    }

    fn remove(&mut self, place: u64) -> Option<Instance> {
        let idle = self.idle.remove(&place)?;
        self.idle_memory_mb -= u64::from(idle.instance.version.memory_mb);
        if let Some(stack) = self.stacks.get_mut(&idle.key) {
            stack.retain(|other| *other != place);
            if stack.is_empty() {
                self.stacks.remove(&idle.key);
            }
        }
        Some(idle.instance)
    }
}

#[cfg(test)]
mod tests;
