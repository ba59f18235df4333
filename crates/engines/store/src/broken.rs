use std::collections::HashMap;

use crate::{Batch, Error};

/// The cells of which a batch has failed, with the epoch under which it was sent.
///
/// What a cell sends after a batch rests on that batch. Once one has failed, the ones behind it must fail too,
/// until the cell has been claimed, and so loaded, anew.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    epochs: HashMap<String, u64>,
}

impl Broken {
    pub(crate) fn add(&mut self, cell: String, epoch: u64) {
        if !cell.is_empty() {
            let broken = self.epochs.entry(cell).or_insert(epoch);
            *broken = (*broken).max(epoch);
        }
    }

    pub(crate) fn check(&self, batch: &Batch) -> Result<(), Error> {
        match self.epochs.get(&batch.cell) {
            Some(broken) if batch.epoch <= *broken => Err(Error::Fenced { cell: batch.cell.clone() }),
            _ => Ok(()),
        }
    }
}
