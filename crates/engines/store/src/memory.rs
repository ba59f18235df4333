use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, future};

use crate::broken::Broken;
use crate::{Batch, Commit, Condition, Error, Range, Row, Store, Write, epoch_key};

/// A store in memory, for tests and simulation. Clones share their rows.
#[derive(Clone, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    faults: VecDeque<Faults>,
    broken: Broken,
}

/// What goes wrong with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    None,
    /// It fails and is not applied.
    Refused,
    /// It is applied, but the answer is lost: the caller sees a failure.
    AnswerLost,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Plans what happens to the next commits, one after another.
    pub fn plan(&self, faults: impl IntoIterator<Item = Faults>) {
        self.lock().faults.extend(faults);
    }

    /// A store with the rows as they are now: what a machine finds after losing power at this moment.
    pub fn after_power_loss(&self) -> Memory {
        let rows = self.lock().rows.clone();
        Memory { inner: Arc::new(Mutex::new(Inner { rows, ..Inner::default() })) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        let owner = (batch.cell.clone(), batch.epoch);
        let outcome = self.try_commit(batch);
        if outcome.is_err() {
            self.broken.add(owner.0, owner.1);
        }
        outcome
    }

    fn try_commit(&mut self, batch: Batch) -> Result<(), Error> {
        self.broken.check(&batch)?;
        let fault = self.faults.pop_front().unwrap_or(Faults::None);
        if fault == Faults::Refused {
            return Err(Error::Failed { reason: "an injected fault".into() });
        }
        self.apply(batch)?;
        if fault == Faults::AnswerLost {
            return Err(Error::Failed { reason: "an injected fault after the batch was applied".into() });
        }
        Ok(())
    }

    fn apply(&mut self, batch: Batch) -> Result<(), Error> {
        if !batch.cell.is_empty() && self.epoch(&batch.cell) > batch.epoch {
            return Err(Error::Fenced { cell: batch.cell });
        }
        let holds = |condition: &Condition| match condition {
            Condition::Absent(key) => !self.rows.contains_key(key),
            Condition::Equals(key, value) => self.rows.get(key) == Some(value),
        };
        if !batch.conditions.iter().all(holds) {
            return Err(Error::Condition);
        }
        for write in batch.writes {
            match write {
                Write::Put(key, value) => {
                    self.rows.insert(key, value);
                }
                Write::Delete(key) => {
                    self.rows.remove(&key);
                }
                Write::DeletePrefix(prefix) => self.rows.retain(|key, _| !key.starts_with(&prefix)),
            }
        }
        Ok(())
    }

    fn epoch(&self, cell: &str) -> u64 {
        let row = self.rows.get(&epoch_key(cell));
        row.and_then(|row| row.as_slice().try_into().ok()).map_or(0, u64::from_be_bytes)
    }

    fn range(&self, range: &Range) -> Vec<Row> {
        let end = range.to.clone().map_or(Bound::Unbounded, Bound::Excluded);
        if range.to.as_ref().is_some_and(|to| *to <= range.from) {
            return Vec::new();
        }
        let rows = self.rows.range((Bound::Included(range.from.clone()), end));
        let owned = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        match range.reverse {
            false => rows.take(range.limit).map(owned).collect(),
            true => rows.rev().take(range.limit).map(owned).collect(),
        }
    }
}

impl Store for Memory {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        future::ready(Ok(self.lock().rows.get(key).cloned())).boxed()
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, Error>> {
        future::ready(Ok(self.lock().range(&range))).boxed()
    }

    fn commit(&self, batch: Batch) -> Commit {
        future::ready(self.lock().commit(batch)).boxed()
    }

    fn claim<'a>(&'a self, cell: &'a str) -> BoxFuture<'a, Result<u64, Error>> {
        let mut inner = self.lock();
        let epoch = inner.epoch(cell) + 1;
        inner.rows.insert(epoch_key(cell), epoch.to_be_bytes().to_vec());
        future::ready(Ok(epoch)).boxed()
    }
}
