use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use cell::{Rows, State, Tx};
use serde::{Deserialize, Serialize};
use wire::Error;

use crate::error;
use crate::settings::Attributes;

/// How long after its deletion a queue can't be made again.
pub(crate) const DELETED_INTERVAL: Duration = Duration::from_secs(60);
/// How many queues an account may have in a region.
const QUEUES_MAX: usize = 100_000;
/// How many notes of deleted queues one creation sweeps away.
const SWEPT_MAX: usize = 4;

/// A queue, as its row in the directory has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// Random: tells this queue's receipts from those of a namesake before it.
    pub(crate) id: u64,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    /// Those that were given.
    #[serde(default)]
    pub(crate) attributes: Attributes,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// The queues of an account in a region.
#[derive(Default)]
pub(crate) struct Directory {
    queues: BTreeMap<String, Arc<Record>>,
    deleted: BTreeMap<String, Deleted>,
    /// Dead-letter queues from which a task moves messages: it goes on after a restart.
    moving: BTreeSet<String>,
}

/// A queue that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Deleted {
    at: Timestamp,
    /// Whether its messages are deleted too.
    wiped: bool,
}

impl State for Directory {
    fn load(rows: &Rows) -> Result<Directory, String> {
        let mut directory = Directory::default();
        for (_, row) in rows.under("queue/") {
            let record: Record = cell::json::read(row)?;
            directory.queues.insert(record.name.clone(), Arc::new(record));
        }
        for (name, row) in rows.under("deleted/") {
            directory.deleted.insert(String::from_utf8_lossy(name).into_owned(), cell::json::read(row)?);
        }
        for (name, _) in rows.under("moving/") {
            directory.moving.insert(String::from_utf8_lossy(name).into_owned());
        }
        Ok(directory)
    }
}

impl Directory {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Record>> {
        self.queues.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.queues.values()
    }

    /// The queues whose names follow `after` and begin with `prefix`, in order.
    pub(crate) fn names<'a>(&'a self, prefix: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
        let from = prefix.max(after).to_owned();
        let names = self.queues.range(from..).map(|(name, _)| name.as_str());
        names.filter(move |name| *name > after || after.is_empty()).take_while(move |name| name.starts_with(prefix))
    }

    /// From when on a queue of that name may be made.
    pub(crate) fn free_from(&self, name: &str) -> Option<Timestamp> {
        self.deleted.get(name).map(|deleted| deleted.at + DELETED_INTERVAL)
    }

    /// Queues whose messages are still to be deleted.
    pub(crate) fn unwiped(&self) -> Vec<String> {
        self.deleted.iter().filter(|(_, deleted)| !deleted.wiped).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn moving(&self) -> Vec<String> {
        self.moving.iter().cloned().collect()
    }

    pub(crate) fn begin_moving(&mut self, tx: &mut Tx<'_>, name: &str) {
        if self.moving.insert(name.to_owned()) {
            tx.put(format!("moving/{name}"), Vec::new());
        }
    }

    pub(crate) fn end_moving(&mut self, tx: &mut Tx<'_>, name: &str) {
        if self.moving.remove(name) {
            tx.delete(format!("moving/{name}"));
        }
    }

    pub(crate) fn create(&mut self, tx: &mut Tx<'_>, record: Record) -> Result<Arc<Record>, Error> {
        if self.free_from(&record.name).is_some_and(|free| free > tx.now()) {
            return Err(error::deleted_recently());
        }
        if self.queues.len() >= QUEUES_MAX {
            return Err(model_sqs::errors::over_limit(format!("The maximum of {QUEUES_MAX} queues is reached.")));
        }
        self.sweep(tx);
        if self.deleted.remove(&record.name).is_some() {
            tx.delete(format!("deleted/{}", record.name));
        }
        Ok(self.put(tx, record))
    }

    pub(crate) fn put(&mut self, tx: &mut Tx<'_>, record: Record) -> Arc<Record> {
        cell::json::put(tx, format!("queue/{}", record.name), &record);
        let record = Arc::new(record);
        self.queues.insert(record.name.clone(), record.clone());
        record
    }

    pub(crate) fn delete(&mut self, tx: &mut Tx<'_>, name: &str) -> Result<(), Error> {
        if self.queues.remove(name).is_none() {
            return Err(error::no_queue());
        }
        tx.delete(format!("queue/{name}"));
        self.end_moving(tx, name);
        self.note_deleted(tx, name, Deleted { at: tx.now(), wiped: false });
        Ok(())
    }

    /// The messages of a deleted queue are gone.
    pub(crate) fn wiped(&mut self, tx: &mut Tx<'_>, name: &str) {
        if let Some(deleted) = self.deleted.get(name) {
            self.note_deleted(tx, name, Deleted { wiped: true, ..*deleted });
        }
    }

    fn note_deleted(&mut self, tx: &mut Tx<'_>, name: &str, deleted: Deleted) {
        cell::json::put(tx, format!("deleted/{name}"), &deleted);
        self.deleted.insert(name.to_owned(), deleted);
    }

    fn sweep(&mut self, tx: &mut Tx<'_>) {
        let over = |deleted: &Deleted| deleted.wiped && deleted.at + DELETED_INTERVAL <= tx.now();
        let names: Vec<String> = self
            .deleted
            .iter()
            .filter(|(_, deleted)| over(deleted))
            .take(SWEPT_MAX)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            tx.delete(format!("deleted/{name}"));
            self.deleted.remove(&name);
        }
    }
}
