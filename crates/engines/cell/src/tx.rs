use base::Timestamp;
use store::{Batch, Write};

/// A message to somebody else, as a row of the outbox. A timer is a message to oneself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The whole key of its row.
    pub key: Vec<u8>,
    /// When it is to be delivered.
    pub due: Timestamp,
    pub value: Vec<u8>,
}

/// Learns of the messages whose batch is durable.
///
/// Messages of a cell come in the order of its commits, before the command's caller has its answer. Of a commit
/// that failed they may come later, when they turn out to be in the store all the same.
pub trait Outbox: Send + Sync {
    /// Called by the store's own thread, or under the cell's lock: it must be quick, must not block, and must not
    /// use the cell.
    fn committed(&self, messages: Vec<Message>);
}

/// What a command changes: the batch that its cell commits.
pub struct Tx<'a> {
    now: Timestamp,
    prefix: &'a str,
    batch: Batch,
    messages: Vec<Message>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(now: Timestamp, prefix: &'a str, batch: Batch) -> Tx<'a> {
        Tx { now, prefix, batch, messages: Vec::new() }
    }

    /// The moment of the command; the same for all that it does.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Writes a row of the cell. `row` is what follows the cell's own path.
    pub fn put(&mut self, row: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) {
        let key = self.key(row.as_ref());
        self.batch.put(key, value.into());
    }

    pub fn delete(&mut self, row: impl AsRef<[u8]>) {
        let key = self.key(row.as_ref());
        self.batch.delete(key);
    }

    /// Deletes all rows of the cell that begin so; all of the cell's with an empty prefix.
    pub fn delete_prefix(&mut self, prefix: impl AsRef<[u8]>) {
        let key = self.key(prefix.as_ref());
        self.batch.delete_prefix(key);
    }

    /// Sends a message with the batch.
    pub fn send(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Deletes all rows of the cell, and its ownership.
    pub(crate) fn end_cell(&mut self) {
        self.delete_prefix("");
        self.batch.retires = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.messages.is_empty()
    }

    pub(crate) fn finish(mut self) -> (Batch, Vec<Message>) {
        let rows = self.messages.iter().map(|message| Write::Put(message.key.clone(), message.value.clone()));
        self.batch.writes.extend(rows);
        (self.batch, self.messages)
    }

    fn key(&self, row: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), row].concat()
    }
}
