use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What clients did and saw, from outside; it outlasts every power loss.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Entries>>);

#[derive(Default)]
pub struct Entries {
    /// Uploads by number, of which each has a size of its own.
    pub uploads: BTreeMap<usize, Upload>,
    pub published: BTreeMap<usize, Acknowledged>,
    /// Uploads of which the function was told.
    pub called: BTreeSet<usize>,
    /// By queue: the numbers that were received.
    pub arrived: BTreeMap<&'static str, BTreeSet<usize>>,
    /// By queue: the ids of messages whose deletion was acknowledged.
    pub deleted: BTreeMap<&'static str, BTreeSet<String>>,
    pub history: History,
}

pub type Acknowledged = bool;

pub struct Upload {
    pub key: String,
    pub acknowledged: Acknowledged,
    /// Still under way: the power was not lost since.
    pub open: bool,
}

/// How often what happened; two runs of a seed have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub uploads: u64,
    pub uploads_failed: u64,
    pub publications: u64,
    pub publications_failed: u64,
    pub calls: u64,
    pub calls_failed: u64,
    pub receptions: u64,
    pub repetitions: u64,
    pub deletions: u64,
    pub faults: u64,
    pub power_losses: u64,
    pub jumps: u64,
}

impl Ledger {
    pub fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Whether nobody uploads to `key` now.
    pub fn is_free(&self, key: &str) -> bool {
        self.uploads.values().all(|upload| upload.key != key || !upload.open)
    }

    /// The uploads that `key` may show: the last that was acknowledged, or one of those that came later, or
    /// nothing where none was acknowledged.
    pub fn possible(&self, key: &str) -> (bool, Vec<usize>) {
        let of_key = || self.uploads.iter().filter(|(_, upload)| upload.key == key);
        let last = of_key().filter(|(_, upload)| upload.acknowledged).map(|(number, _)| *number).next_back();
        let later = of_key().map(|(number, _)| *number).filter(|number| Some(*number) >= last).collect();
        (last.is_none(), later)
    }

    /// What must have arrived at each queue.
    pub fn owed(&self) -> BTreeSet<usize> {
        let uploads = self.uploads.iter().filter(|(_, upload)| upload.acknowledged).map(|(number, _)| *number);
        let published = self.published.iter().filter(|(_, acknowledged)| **acknowledged).map(|(number, _)| *number);
        uploads.chain(published).collect()
    }

    pub fn power_lost(&mut self) {
        self.history.power_losses += 1;
        self.uploads.values_mut().for_each(|upload| upload.open = false);
    }
}

impl History {
    pub fn add(&mut self, other: &History) {
        self.uploads += other.uploads;
        self.uploads_failed += other.uploads_failed;
        self.publications += other.publications;
        self.publications_failed += other.publications_failed;
        self.calls += other.calls;
        self.calls_failed += other.calls_failed;
        self.receptions += other.receptions;
        self.repetitions += other.repetitions;
        self.deletions += other.deletions;
        self.faults += other.faults;
        self.power_losses += other.power_losses;
        self.jumps += other.jumps;
    }
}
