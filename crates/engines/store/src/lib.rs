//! The narrow waist: an ordered key-value store with atomic, conditional batches that are durable when they
//! return.
//!
//! Invariants: batches are applied in the order in which they are handed over; a batch is applied whole or not at
//! all; a batch of a cell that another owner has claimed since is refused, and so is every batch of a cell after
//! one that failed, until the cell is claimed anew; nobody reads what is not durable; only this crate knows SQL.

mod answer;
mod batch;
mod error;
mod memory;
mod owners;
mod range;
mod sqlite;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

pub use answer::Then;
pub use batch::{Batch, Condition, Write};
pub use error::Error;
pub use memory::{Faults, Memory};
pub use range::Range;
pub use sqlite::Sqlite;

/// A row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Resolves when a batch is durable, or with why it is not applied.
pub type Commit = BoxFuture<'static, Result<(), Error>>;

pub trait Store: Send + Sync {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>>;

    /// The rows of a range, in order.
    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, Error>>;

    /// Hands a batch over. Its place in the order is that of this call, which never blocks. `then` is called once,
    /// when the batch is durable or has failed, in the order of batches; for a batch that is refused at once
    /// (it is too large, or the store has too much to do) before this returns; then it is the owner that must send
    /// nothing that rests on it. `then` must be quick and must not block: the engine's other work waits for it.
    fn commit_then(&self, batch: Batch, then: Then);

    /// Like [`Store::commit_then`], for who awaits the outcome. The batch is committed whether or not the result is
    /// awaited.
    fn commit(&self, batch: Batch) -> Commit {
        let (answer, answered) = oneshot::channel();
        self.commit_then(batch, Box::new(|outcome| drop(answer.send(outcome))));
        answered.map(|outcome| outcome.unwrap_or(Err(Error::Closed))).boxed()
    }

    /// Becomes the owner of a cell: the epoch that its batches must carry from now on, which refuses those of
    /// any earlier owner.
    fn claim<'a>(&'a self, cell: &'a str) -> BoxFuture<'a, Result<u64, Error>>;
}
