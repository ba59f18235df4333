//! The execution environments of all versions: idle and busy.
//!
//! Invariants: an environment serves one version in one revision and one invocation at a time; the one used
//! last is used first, so that those not needed grow old and end; after [`Pool::retire`] has returned no request
//! finds an environment of another revision idle; how many are idle, and what they hold in memory, is bounded.

mod instance;
mod rest;
mod standby;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::Timestamp;
use clock::Clock;
use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::registry::Version;
pub use instance::{Credentials, Instance};
use rest::{Rest, Step};
pub use standby::{Demand, Place, Standby};

/// How long an environment is used at all.
const LIFETIME_MAX: Duration = Duration::from_secs(4 * 3600);
/// The most idle environments. Each costs the kernel about half a MiB that is no memory of the function's.
const IDLE_MAX: usize = 2_000;

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
    /// Told, for each step, that an environment became idle.
    became_idle: [Notify; Step::ALL.len()],
}

#[derive(Default)]
struct State {
    /// In the order in which they became idle.
    idle: BTreeMap<u64, Idle>,
    /// The first place of which each step is to come.
    steps: [u64; Step::ALL.len()],
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
    rest: Arc<Rest>,
}

/// How many there are, for status and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub idle: usize,
    pub idle_memory_mb: u64,
}

impl Pool {
    /// A pool whose idle environments hold `idle_memory_mb_max` at most.
    pub fn new(clock: Clock, idle_memory_mb_max: u64) -> Pool {
        let became_idle = Step::ALL.map(|_| Notify::new());
        let inner = Arc::new(Inner { clock, idle_memory_mb_max, state: Mutex::default(), became_idle });
        for step in Step::ALL {
            let resting = Arc::downgrade(&inner);
            tokio::spawn(async move {
                while let Some(inner) = resting.upgrade() {
                    inner.take_step(step).await;
                }
            });
        }
        Pool { inner }
    }

    /// The idle environment used last.
    pub async fn take(&self, key: &Key) -> Option<Instance> {
        loop {
            let idle = self.inner.lock().pop(key)?;
            if idle.instance.environment.is_alive() {
                idle.rest.wake().await;
                return Some(idle.instance);
            }
            idle.end().await;
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
        let rest = Rest::of(instance.environment.clone());
        let idle = Idle { key, since: now, instance, rest };
        let too_many = self.inner.lock().push(idle, self.inner.idle_memory_mb_max);
        self.inner.became_idle.iter().for_each(Notify::notify_one);
        end_all(too_many).await;
    }

    /// Ends what is idle of versions that are no longer `current`.
    pub async fn retire(&self, current: impl Fn(&Version) -> bool) {
        let retired = self.inner.lock().remove_where(|idle| !current(&idle.instance.version));
        end_all(retired).await;
    }

    /// Ends all that is idle; from now on nothing is kept.
    pub async fn close(&self) {
        let all = {
            let mut state = self.inner.lock();
            state.closed = true;
            state.remove_where(|_| true)
        };
        end_all(all).await;
    }

    /// How many environments of a version are idle.
    pub fn idle_of(&self, key: &Key) -> usize {
        self.inner.lock().stacks.get(key).map_or(0, Vec::len)
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

    /// Waits until the step is due for the environment that has been idle longest without it, and takes it.
    async fn take_step(&self, step: Step) {
        let Some(since) = self.lock().next(step) else { return self.became_idle[step as usize].notified().await };
        self.clock.passed(since + step.after()).await;
        let now = self.clock.now();
        match step {
            Step::End => {
                let old = self.lock().remove_where(|idle| now.since(idle.since) >= step.after());
                end_all(old).await;
            }
            Step::Freeze | Step::PageOut => {
                let due = self.lock().due(step, now);
                for rest in due {
                    rest.take(step).await;
                }
            }
        }
    }
}

impl State {
    fn pop(&mut self, key: &Key) -> Option<Idle> {
        let place = *self.stacks.get(key)?.last()?;
        self.remove(place)
    }

    /// Returns what must end.
    fn push(&mut self, idle: Idle, memory_mb_max: u64) -> Vec<Idle> {
        if self.closed {
            return vec![idle];
        }
        let place = self.next_place;
        self.next_place += 1;
        self.idle_memory_mb += idle.memory_mb();
        self.stacks.entry(idle.key.clone()).or_default().push(place);
        self.idle.insert(place, idle);
        let mut too_many = Vec::new();
        while self.idle_memory_mb > memory_mb_max || self.idle.len() > IDLE_MAX {
            let Some((&oldest, _)) = self.idle.first_key_value() else { break };
            too_many.extend(self.remove(oldest));
        }
        too_many
    }

    /// Since when the first one is idle of which the step is to come.
    fn next(&self, step: Step) -> Option<Timestamp> {
        self.idle.range(self.steps[step as usize]..).next().map(|(_, idle)| idle.since)
    }

    /// Those of which the step is due; they are not told again.
    fn due(&mut self, step: Step, now: Timestamp) -> Vec<Arc<Rest>> {
        let from = &mut self.steps[step as usize];
        let due = self.idle.range(*from..).take_while(|(_, idle)| now.since(idle.since) >= step.after());
        let (places, rests): (Vec<u64>, Vec<Arc<Rest>>) = due.map(|(place, idle)| (*place, idle.rest.clone())).unzip();
        *from = places.last().map_or(*from, |last| last + 1);
        rests
    }

    fn remove_where(&mut self, wanted: impl Fn(&Idle) -> bool) -> Vec<Idle> {
        let places: Vec<u64> = self.idle.iter().filter(|(_, idle)| wanted(idle)).map(|(place, _)| *place).collect();
        places.into_iter().filter_map(|place| self.remove(place)).collect()
    }

    fn remove(&mut self, place: u64) -> Option<Idle> {
        let idle = self.idle.remove(&place)?;
        self.idle_memory_mb -= idle.memory_mb();
        if let Some(stack) = self.stacks.get_mut(&idle.key) {
            match stack.last() {
                Some(last) if *last == place => drop(stack.pop()),
                _ => stack.retain(|other| *other != place),
            }
            if stack.is_empty() {
                self.stacks.remove(&idle.key);
            }
        }
        Some(idle)
    }
}

impl Idle {
    fn memory_mb(&self) -> u64 {
        u64::from(self.instance.used_mb)
    }

    async fn end(self) {
        self.rest.end().await;
    }
}

async fn end_all(ended: Vec<Idle>) {
    join_all(ended.into_iter().map(Idle::end)).await;
}

#[cfg(test)]
mod tests;
