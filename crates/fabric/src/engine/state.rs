use std::collections::{BTreeSet, HashMap};

use base::Timestamp;
use clock::Busy;

use crate::delivery::OUTBOX;
use crate::lane::{Lane, Waiting};

/// How many deliveries run at once, over all targets.
const RUNNING_MAX: usize = 2_048;

/// What the engine knows of the outbox. Pure: no I/O, no waiting.
#[derive(Default)]
pub(super) struct State {
    /// By the prefix of the lane's rows.
    lanes: HashMap<Vec<u8>, Lane>,
    /// Lanes that have a row waiting and may have room for it, by when the row is due.
    heads: BTreeSet<(Timestamp, Vec<u8>)>,
    running: usize,
    /// Held while something is due that was not yet taken.
    pub(super) undispatched: Option<Busy>,
    pub(super) draining: bool,
}

/// A row that was taken to be delivered.
pub(super) struct Run {
    pub(super) key: Vec<u8>,
    pub(super) waiting: Waiting,
}

impl State {
    pub(super) fn add(&mut self, key: Vec<u8>, waiting: Waiting) {
        let prefix = prefix(&key).to_vec();
        self.change(&prefix, |lane| lane.add(key, waiting));
    }

    /// Takes what is due and has room.
    pub(super) fn take_due(&mut self, now: Timestamp, at_once_max: impl Fn(&str) -> usize) -> Vec<Run> {
        let mut runs = Vec::new();
        if self.draining {
            return runs;
        }
        while let Some((due, prefix)) = self.heads.first().cloned() {
            if due > now || self.running >= RUNNING_MAX {
                break;
            }
            let max = at_once_max(&target(&prefix));
            let before = runs.len();
            let room = RUNNING_MAX - self.running;
            self.change(&prefix, |lane| {
                while lane.running < max && runs.len() - before < room {
                    let Some((key, waiting)) = lane.take_due(now) else { break };
                    runs.push(Run { key, waiting });
                }
            });
            self.running += runs.len() - before;
            // A full lane has no head until one of its runs ends.
            if let Some(lane) = self.lanes.get(&prefix)
                && lane.running >= max
                && let Some(next) = lane.next_due()
            {
                self.heads.remove(&(next, prefix));
            }
        }
        runs
    }

    /// A run has ended; its lane has room again.
    pub(super) fn ended(&mut self, key: &[u8]) {
        self.running -= 1;
        self.change(prefix(key), |lane| lane.running -= 1);
    }

    /// The lanes of which more should be read, with the key after which.
    pub(super) fn begin_readings(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let reading = |(prefix, lane): (&Vec<u8>, &mut Lane)| Some((prefix.clone(), lane.begin_reading()?));
        self.lanes.iter_mut().filter_map(reading).collect()
    }

    /// Takes further rows of a lane, or those with which it begins after a start.
    pub(super) fn end_reading(&mut self, prefix: &[u8], rows: Vec<(Vec<u8>, Waiting)>, whole: bool) {
        self.change(prefix, |lane| lane.end_reading(rows, whole));
    }

    pub(super) fn abandon_reading(&mut self, prefix: &[u8]) {
        self.change(prefix, Lane::abandon_reading);
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        (self.running < RUNNING_MAX).then(|| self.heads.first().map(|(due, _)| *due)).flatten()
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn pending(&self) -> Vec<(String, usize, usize)> {
        let mut pending: Vec<_> =
            self.lanes.iter().map(|(prefix, lane)| (target(prefix), lane.waiting(), lane.running)).collect();
        pending.sort();
        pending
    }

    /// Changes a lane and keeps `heads` true to it; a lane with nothing in it is forgotten.
    fn change(&mut self, prefix: &[u8], change: impl FnOnce(&mut Lane)) {
        let lane = self.lanes.entry(prefix.to_vec()).or_default();
        if let Some(due) = lane.next_due() {
            self.heads.remove(&(due, prefix.to_vec()));
        }
        change(lane);
        if let Some(due) = lane.next_due() {
            self.heads.insert((due, prefix.to_vec()));
        }
        if lane.is_empty() {
            self.lanes.remove(prefix);
        }
    }
}

/// `delivery/<target>/` of a row's key.
pub(super) fn prefix(key: &[u8]) -> &[u8] {
    let after = OUTBOX.len();
    let end = key[after..].iter().position(|byte| *byte == b'/').map_or(key.len(), |at| after + at + 1);
    &key[..end]
}

/// When a row is due, by its key.
pub(super) fn due(key: &[u8]) -> Timestamp {
    let digits = key[prefix(key).len()..].split(|byte| *byte == b'/').next();
    let micros = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    micros.and_then(|digits| i64::from_str_radix(digits, 16).ok()).map_or(Timestamp::EPOCH, Timestamp::from_micros)
}

/// The ARN of a lane's target.
fn target(prefix: &[u8]) -> String {
    let escaped = &prefix[OUTBOX.len()..prefix.len().saturating_sub(1)];
    String::from_utf8_lossy(escaped).replace("%2F", "/").replace("%25", "%")
}
