//! SnapStart: which snapshots of published versions there are.
//!
//! A snapshot is taken when its version is published; until it is there, or it is known that there is none, the version
//! cannot be invoked. Snapshots live as long as the server: after a restart they are taken again, and meanwhile
//! environments are started as those of other versions are. [`crate::invoke`] takes and restores them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::environment::{Held, Template};
use crate::pool::{Credentials, Key};
use crate::registry::Version;

/// The most snapshots at the same time; each holds the memory of a runtime. The one that was used longest ago goes.
const SNAPSHOTS_MAX: usize = 32;

/// The runtime after its init, and what belongs to it.
pub struct Snapshot {
    pub version: Arc<Version>,
    pub template: Arc<dyn Template>,
    /// The token that SDKs made before the snapshot may have kept.
    pub authorization: String,
    /// Its role's session, whose credentials SDKs got before the snapshot.
    pub credentials: Credentials,
    /// Keeps its folders there.
    pub code: Vec<Held>,
}

/// How far the snapshot of a version is.
#[derive(Clone)]
pub enum State {
    /// It is taken for the first time: the version is `Pending`.
    Pending,
    /// There was one, or may have been before the server started.
    Gone,
    /// It is taken again.
    Renewing,
    Taken(Arc<Snapshot>),
    /// The runtime cannot be forked, and why: each environment runs the whole init with its hooks.
    Without(String),
    /// The init failed, and why: the version is `Failed`.
    Failed(String),
}

/// The snapshots of all versions. Cheap to clone.
#[derive(Clone)]
pub struct Snapshots {
    inner: Arc<Inner>,
}

struct Inner {
    entries: Mutex<HashMap<Key, Entry>>,
    changes: watch::Sender<u64>,
}

struct Entry {
    version: Arc<Version>,
    state: State,
    /// Counts uses of all: the least is the one used longest ago.
    used: u64,
}

impl Default for Snapshots {
    fn default() -> Snapshots {
        Snapshots { inner: Arc::new(Inner { entries: Mutex::default(), changes: watch::Sender::new(0) }) }
    }
}

impl Snapshots {
    /// What is known of a version's snapshot; `None` where none was taken since the server started.
    pub fn state(&self, version: &Version) -> Option<State> {
        self.entries().get(&Key::of(version)).map(|entry| entry.state.clone())
    }

    /// The snapshot of a version, for use; `None` where there is none that lives.
    pub fn take(&self, version: &Version) -> Option<Arc<Snapshot>> {
        let mut entries = self.entries();
        let used = next_use(&entries);
        let entry = entries.get_mut(&Key::of(version))?;
        let State::Taken(snapshot) = &entry.state else { return None };
        if !snapshot.template.is_alive() {
            entry.state = State::Gone;
            return None;
        }
        entry.used = used;
        Some(snapshot.clone())
    }

    /// Says that a snapshot is being taken of a version that was just published; whether it is to be taken. One that is
    /// no longer there is taken again, and that of a version that failed is tried again.
    pub fn begin(&self, version: &Arc<Version>) -> bool {
        self.enter(version, |known| match known {
            None | Some(State::Failed(_)) => Some(State::Pending),
            Some(State::Gone) => Some(State::Renewing),
            Some(State::Pending | State::Renewing | State::Taken(_) | State::Without(_)) => None,
        })
    }

    /// Says that a snapshot is being taken again; whether nobody does so already and there is none.
    pub fn renew(&self, version: &Arc<Version>) -> bool {
        self.enter(version, |known| matches!(known, None | Some(State::Gone)).then_some(State::Renewing))
    }

    /// Says that a version is there which can be invoked, although nothing is known of its snapshot.
    pub fn note(&self, version: &Arc<Version>) {
        self.enter(version, |known| known.is_none().then_some(State::Gone));
    }

    fn enter(&self, version: &Arc<Version>, next: impl FnOnce(Option<&State>) -> Option<State>) -> bool {
        let mut entries = self.entries();
        let key = Key::of(version);
        let Some(state) = next(entries.get(&key).map(|entry| &entry.state)) else { return false };
        entries.insert(key, Entry { version: version.clone(), state, used: 0 });
        true
    }

    /// Says what came of it.
    pub fn finish(&self, version: &Arc<Version>, state: State) {
        let mut entries = self.entries();
        let used = next_use(&entries);
        entries.insert(Key::of(version), Entry { version: version.clone(), state, used });
        let too_many = drop_oldest(&mut entries);
        drop(entries);
        drop(too_many);
        self.inner.changes.send_modify(|count| *count += 1);
    }

    /// Waits until a version is no longer `Pending`.
    pub async fn settled(&self, version: &Version) -> Option<State> {
        let mut changes = self.inner.changes.subscribe();
        loop {
            let state = self.state(version);
            if !matches!(state, Some(State::Pending)) || changes.changed().await.is_err() {
                return state;
            }
        }
    }

    /// Drops a snapshot that cannot be restored.
    pub fn forget(&self, snapshot: &Arc<Snapshot>) {
        let mut entries = self.entries();
        let entry = entries.get_mut(&Key::of(&snapshot.version));
        if let Some(entry) =
            entry.filter(|entry| matches!(&entry.state, State::Taken(kept) if Arc::ptr_eq(kept, snapshot)))
        {
            entry.state = State::Gone;
        }
    }

    /// Drops those of versions that are no longer there.
    pub fn retain(&self, is_current: impl Fn(&Version) -> bool) {
        let mut dropped = Vec::new();
        self.entries().retain(|_, entry| {
            let kept = matches!(entry.state, State::Pending | State::Renewing) || is_current(&entry.version);
            if !kept {
                dropped.push(entry.state.clone());
            }
            kept
        });
        // Ends the runtimes, away from the lock.
        drop(dropped);
    }

    /// Drops all.
    pub fn clear(&self) {
        let all = std::mem::take(&mut *self.entries());
        drop(all);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of a use that comes after all others.
fn next_use(entries: &HashMap<Key, Entry>) -> u64 {
    entries.values().map(|entry| entry.used).max().unwrap_or(0) + 1
}

/// Takes out what exceeds [`SNAPSHOTS_MAX`].
fn drop_oldest(entries: &mut HashMap<Key, Entry>) -> Vec<State> {
    let mut taken: Vec<(u64, Key)> = entries
        .iter()
        .filter(|(_, entry)| matches!(entry.state, State::Taken(_)))
        .map(|(key, entry)| (entry.used, key.clone()))
        .collect();
    taken.sort_unstable_by_key(|(used, _)| *used);
    let excess = taken.len().saturating_sub(SNAPSHOTS_MAX);
    let oldest = taken.into_iter().take(excess);
    oldest.filter_map(|(_, key)| Some(std::mem::replace(&mut entries.get_mut(&key)?.state, State::Gone))).collect()
}
