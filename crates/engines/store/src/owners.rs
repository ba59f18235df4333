use std::collections::HashMap;

use crate::{Batch, Condition, Error, Write};

/// How many cells' epochs are kept at hand; the rows know all.
const EPOCHS_MAX: usize = 65_536;

/// The row that holds the epoch given last, of whichever cell.
const EPOCH_LAST: &[u8] = b"epoch";

/// The rows of an engine, as the rules of [`Owners`] need them.
pub(crate) trait Rows {
    type Error;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Self::Error>;
    fn delete(&mut self, key: &[u8]) -> Result<(), Self::Error>;
    fn delete_prefix(&mut self, prefix: &[u8]) -> Result<(), Self::Error>;
}

/// Who owns which cell, and so whose batches are applied: the same rules for every engine.
///
/// What a cell sends after a batch rests on that batch. Once one has failed, the ones behind it fail too, until
/// the cell has been claimed, and so loaded, anew.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    /// As the rows have them; 0 where nobody owns the cell.
    epochs: HashMap<String, u64>,
    /// Cells of which a batch has failed, with its epoch.
    broken: HashMap<String, u64>,
}

impl Owners {
    /// Applies a batch, unless it is fenced or a condition does not hold. The outer error is the engine's.
    pub(crate) fn apply<R: Rows>(&mut self, rows: &mut R, batch: &Batch) -> Result<Result<(), Error>, R::Error> {
        if let Err(refused) = self.check(rows, batch)? {
            self.failed(batch);
            return Ok(Err(refused));
        }
        for write in &batch.writes {
            match write {
                Write::Put(key, value) => rows.put(key, value)?,
                Write::Delete(key) => rows.delete(key)?,
                Write::DeletePrefix(prefix) => rows.delete_prefix(prefix)?,
            }
        }
        if batch.retires {
            rows.delete(&epoch_key(&batch.cell))?;
            self.epochs.remove(&batch.cell);
        }
        Ok(Ok(()))
    }

    /// Gives the cell a new owner, under an epoch higher than any before.
    pub(crate) fn claim<R: Rows>(&mut self, rows: &mut R, cell: &str) -> Result<u64, R::Error> {
        let epoch = number(rows.get(EPOCH_LAST)?) + 1;
        rows.put(EPOCH_LAST, &epoch.to_be_bytes())?;
        rows.put(&epoch_key(cell), &epoch.to_be_bytes())?;
        self.remember(cell, epoch);
        Ok(epoch)
    }

    /// A claim is durable: what failed before it does not matter any more, for the epoch refuses it.
    pub(crate) fn claimed(&mut self, cell: &str, epoch: u64) {
        if self.broken.get(cell).is_some_and(|broken| *broken < epoch) {
            self.broken.remove(cell);
        }
    }

    /// A batch has failed, for whatever reason.
    pub(crate) fn failed(&mut self, batch: &Batch) {
        if !batch.cell.is_empty() && !batch.independent {
            let broken = self.broken.entry(batch.cell.clone()).or_insert(batch.epoch);
            *broken = (*broken).max(batch.epoch);
        }
    }

    /// What was applied is not there after all.
    pub(crate) fn rolled_back(&mut self) {
        self.epochs.clear();
    }

    fn check<R: Rows>(&mut self, rows: &R, batch: &Batch) -> Result<Result<(), Error>, R::Error> {
        if !batch.cell.is_empty() {
            let broken = self.broken.get(&batch.cell).is_some_and(|broken| batch.epoch <= *broken);
            if (broken && !batch.independent) || self.epoch(rows, &batch.cell)? != batch.epoch {
                return Ok(Err(Error::Fenced { cell: batch.cell.clone() }));
            }
        }
        for condition in &batch.conditions {
            let holds = match condition {
                Condition::Absent(key) => rows.get(key)?.is_none(),
                Condition::Equals(key, value) => rows.get(key)?.as_ref() == Some(value),
            };
            if !holds {
                return Ok(Err(Error::Condition));
            }
        }
        Ok(Ok(()))
    }

    fn epoch<R: Rows>(&mut self, rows: &R, cell: &str) -> Result<u64, R::Error> {
        if let Some(epoch) = self.epochs.get(cell) {
            return Ok(*epoch);
        }
        let epoch = number(rows.get(&epoch_key(cell))?);
        self.remember(cell, epoch);
        Ok(epoch)
    }

    fn remember(&mut self, cell: &str, epoch: u64) {
        if self.epochs.len() >= EPOCHS_MAX {
            self.epochs.clear();
        }
        self.epochs.insert(cell.to_owned(), epoch);
    }
}

/// Key of the row that holds a cell's epoch.
fn epoch_key(cell: &str) -> Vec<u8> {
    [b"epoch/", cell.as_bytes()].concat()
}

fn number(row: Option<Vec<u8>>) -> u64 {
    row.and_then(|row| row.as_slice().try_into().ok()).map_or(0, u64::from_be_bytes)
}
