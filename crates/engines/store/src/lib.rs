//! The narrow waist: an ordered key-value store with atomic, conditional batches that are durable when they
//! return.
//!
//! Invariants: batches are applied in the order in which [`Store::commit`] is called; a batch is applied whole or
//! not at all; a batch of a cell that another owner has claimed since is refused, and so is every batch of a cell
//! after one that failed, until the cell is claimed anew; only this crate knows SQL.

mod batch;
mod broken;
mod error;
mod memory;
mod range;
mod sqlite;

use futures_util::future::BoxFuture;

pub use batch::{Batch, Condition, Write};
pub use error::Error;
pub use memory::{Faults, Memory};
pub use range::Range;
pub use sqlite::Sqlite;

/// A row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Resolves when a batch is durable, or with why it is not applied.
pub type Commit = BoxFuture<'static, Result<(), Error>>;

/// Key of the row that holds a cell's epoch.
fn epoch_key(cell: &str) -> Vec<u8> {
    [b"epoch/", cell.as_bytes()].concat()
}

pub trait Store: Send + Sync {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>>;

    /// The rows of a range, in order.
    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, Error>>;

    /// Hands a batch over. Its place in the order is that of this call, which never blocks; the result must be
    /// awaited.
    fn commit(&self, batch: Batch) -> Commit;

    /// Becomes the owner of a cell: the epoch that its batches must carry from now on, which refuses those of
    /// any earlier owner.
    fn claim<'a>(&'a self, cell: &'a str) -> BoxFuture<'a, Result<u64, Error>>;
}
