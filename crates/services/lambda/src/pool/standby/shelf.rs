//! Which versions get a spare, and which spare gives way.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;

use super::super::{Instance, Key};
use crate::registry::Version;

/// So many uses within [`USED_RECENTLY`] make a version worth a spare: whoever tries a function once or twice
/// sees no init that nobody asked for.
const USES_MIN: usize = 3;
const USED_RECENTLY: Duration = Duration::from_secs(5 * 60);
/// How long a spare outlives the last use of its version.
pub(super) const SPARE_UNUSED_MAX: Duration = Duration::from_secs(60 * 60);
/// How long a version whose spare could not be started gets none.
const AFTER_FAILURE: Duration = Duration::from_secs(5 * 60);
/// Spares that are started at once; invocations need the processors more.
const STARTING_MAX: usize = 2;
/// The most versions that are remembered.
const VERSIONS_MAX: usize = 4_096;

/// What is known of a version when one of its invocations has ended.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Idle environments.
    pub idle: usize,
    /// Invocations of the function under way.
    pub running: u32,
    /// How many invocations of the function its limits let run at once.
    pub concurrency_max: u32,
}

/// What a use leads to.
#[derive(Default)]
pub(super) struct Asked {
    /// A spare is to be started; its place is taken.
    pub start: Option<Key>,
    /// What must end.
    pub ended: Vec<Instance>,
}

pub(super) struct Shelf {
    memory_mb_max: u64,
    versions: HashMap<Key, Known>,
    /// The memory sizes of spares that are there or being started.
    memory_mb: u64,
    starting: usize,
    closed: bool,
}

struct Known {
    version: Arc<Version>,
    /// The last ones, at most [`USES_MIN`].
    uses: VecDeque<Timestamp>,
    spare: Spare,
}

enum Spare {
    None,
    Starting,
    Ready(Instance),
    /// It could not be started, at that time.
    Failed(Timestamp),
}

impl Demand {
    /// Whether one more environment could serve an invocation that finds none idle.
    fn wants_one_more(self) -> bool {
        let environments = self.idle + self.running as usize;
        self.idle <= 1 && environments < self.concurrency_max as usize
    }
}

impl Shelf {
    pub(super) fn new(memory_mb_max: u64) -> Shelf {
        Shelf { memory_mb_max, versions: HashMap::new(), memory_mb: 0, starting: 0, closed: false }
    }

    pub(super) fn used(&mut self, version: &Arc<Version>, demand: Demand, now: Timestamp) -> Asked {
        let needed_mb = u64::from(version.memory_mb);
        if self.closed || needed_mb > self.memory_mb_max {
            return Asked::default();
        }
        let key = Key::of(version);
        let Some(known) = self.known(&key, version, now) else { return Asked::default() };
        known.note_use(now);
        let worthy = known.is_worthy(now);
        // One that died is of no use.
        let dead = known.take_dead();
        let mut ended = Vec::from_iter(dead);
        self.memory_mb -= needed_mb * ended.len() as u64;
        if !worthy || !demand.wants_one_more() || self.starting >= STARTING_MAX {
            return Asked { start: None, ended };
        }
        let Some(evicted) = self.make_room(needed_mb, now) else { return Asked { start: None, ended } };
        ended.extend(evicted);
        if let Some(known) = self.versions.get_mut(&key) {
            known.spare = Spare::Starting;
        }
        self.starting += 1;
        self.memory_mb += needed_mb;
        Asked { start: Some(key), ended }
    }

    /// Returns the spare where it cannot be kept.
    pub(super) fn put(&mut self, key: &Key, instance: Instance) -> Option<Instance> {
        self.starting -= 1;
        match self.versions.get_mut(key).filter(|known| matches!(known.spare, Spare::Starting)) {
            Some(known) if !self.closed => {
                known.spare = Spare::Ready(instance);
                None
            }
            _ => {
                self.memory_mb -= u64::from(instance.version.memory_mb);
                Some(instance)
            }
        }
    }

    /// No environment came for the place of `key`.
    pub(super) fn failed(&mut self, key: &Key, now: Timestamp) {
        self.starting -= 1;
        if let Some(known) = self.versions.get_mut(key) {
            known.spare = Spare::Failed(now);
            self.memory_mb -= u64::from(known.version.memory_mb);
        }
    }

    pub(super) fn take(&mut self, key: &Key) -> Option<Instance> {
        let instance = self.versions.get_mut(key)?.take_ready()?;
        self.memory_mb -= u64::from(instance.version.memory_mb);
        Some(instance)
    }

    pub(super) fn shrink(&mut self, memory_mb: u64) -> Vec<Instance> {
        let mut ended = Vec::new();
        while self.memory_mb > memory_mb {
            let Some(key) = self.least_recent(|_| true) else { break };
            ended.extend(self.take(&key));
        }
        ended
    }

    pub(super) fn retire(&mut self, current: impl Fn(&Version) -> bool) -> Vec<Instance> {
        let mut ended = Vec::new();
        // A place that is being filled stays until it is: it is looked at again then.
        self.versions.retain(|_, known| {
            let kept = matches!(known.spare, Spare::Starting) || current(&known.version);
            ended.extend((!kept).then(|| known.take_ready()).flatten());
            kept
        });
        self.memory_mb -= ended.iter().map(|instance| u64::from(instance.version.memory_mb)).sum::<u64>();
        ended
    }

    pub(super) fn close(&mut self) -> Vec<Instance> {
        self.closed = true;
        self.shrink(0)
    }

    /// The last use of the version that has a spare and was used longest ago.
    pub(super) fn longest_unused(&self) -> Option<Timestamp> {
        self.versions.values().filter(|known| known.is_ready()).map(Known::last_use).min()
    }

    pub(super) fn end_unused(&mut self, now: Timestamp) -> Vec<Instance> {
        let mut ended = Vec::new();
        while let Some(key) = self.least_recent(|known| now.since(known.last_use()) >= SPARE_UNUSED_MAX) {
            ended.extend(self.take(&key));
        }
        ended
    }

    #[cfg(test)]
    pub(super) fn memory_mb(&self) -> u64 {
        self.memory_mb
    }

    /// What is known of a version, unless too many are in use.
    fn known(&mut self, key: &Key, version: &Arc<Version>, now: Timestamp) -> Option<&mut Known> {
        if !self.versions.contains_key(key) {
            if self.versions.len() >= VERSIONS_MAX {
                self.versions.retain(|_, known| known.holds_place() || known.is_recent(now));
            }
            if self.versions.len() >= VERSIONS_MAX {
                return None;
            }
            let known = Known { version: version.clone(), uses: VecDeque::new(), spare: Spare::None };
            self.versions.insert(key.clone(), known);
        }
        self.versions.get_mut(key)
    }

    /// Takes away spares of versions that are not in recent use, until there is room; takes none where that does not
    /// suffice, so that versions in use never push each other's spares out.
    fn make_room(&mut self, needed_mb: u64, now: Timestamp) -> Option<Vec<Instance>> {
        let stale = |known: &Known| known.is_ready() && !known.is_recent(now);
        let stale_mb: u64 =
            self.versions.values().filter(|known| stale(known)).map(|known| u64::from(known.version.memory_mb)).sum();
        if self.memory_mb - stale_mb + needed_mb > self.memory_mb_max {
            return None;
        }
        let mut ended = Vec::new();
        while self.memory_mb + needed_mb > self.memory_mb_max {
            let Some(key) = self.least_recent(stale) else { break };
            ended.extend(self.take(&key));
        }
        Some(ended)
    }

    /// Of the spares that are there.
    fn least_recent(&self, among: impl Fn(&Known) -> bool) -> Option<Key> {
        let ready = self.versions.iter().filter(|(_, known)| known.is_ready() && among(known));
        ready.min_by_key(|(_, known)| known.last_use()).map(|(key, _)| key.clone())
    }
}

impl Known {
    fn note_use(&mut self, now: Timestamp) {
        if self.uses.len() == USES_MIN {
            self.uses.pop_front();
        }
        self.uses.push_back(now);
    }

    fn last_use(&self) -> Timestamp {
        *self.uses.back().expect("a version is known by its uses")
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        now.since(self.last_use()) < USED_RECENTLY
    }

    /// Whether it is used enough for a spare, and has none.
    fn is_worthy(&self, now: Timestamp) -> bool {
        let in_use = self.uses.len() == USES_MIN && now.since(self.uses[0]) < USED_RECENTLY;
        in_use
            && match &self.spare {
                Spare::None => true,
                Spare::Starting => false,
                Spare::Ready(instance) => !instance.environment.is_alive(),
                Spare::Failed(at) => now.since(*at) >= AFTER_FAILURE,
            }
    }

    fn is_ready(&self) -> bool {
        matches!(self.spare, Spare::Ready(_))
    }

    fn holds_place(&self) -> bool {
        matches!(self.spare, Spare::Ready(_) | Spare::Starting)
    }

    fn take_dead(&mut self) -> Option<Instance> {
        let dead = matches!(&self.spare, Spare::Ready(instance) if !instance.environment.is_alive());
        dead.then(|| self.take_ready()).flatten()
    }

    fn take_ready(&mut self) -> Option<Instance> {
        match std::mem::replace(&mut self.spare, Spare::None) {
            Spare::Ready(instance) => Some(instance),
            other => {
                self.spare = other;
                None
            }
        }
    }
}
