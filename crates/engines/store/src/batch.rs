/// What is written together, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The cell that writes; empty for what belongs to none.
    pub cell: String,
    /// The epoch under which the cell is owned; see [`crate::Store::claim`].
    pub epoch: u64,
    /// Whether the batch rests on no earlier batch of its cell. Any other is refused after one that failed, until
    /// the cell is claimed anew.
    pub independent: bool,
    /// Whether the cell ends with this batch: nobody owns it any more.
    pub retires: bool,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Applied in this order.
    pub writes: Vec<Write>,
}

/// What must be true of a row for a batch to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Absent(Vec<u8>),
    Equals(Vec<u8>, Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    /// Deletes all rows whose key begins so.
    DeletePrefix(Vec<u8>),
}

impl Batch {
    /// How many bytes a batch may have: what is larger belongs into a blob.
    pub const BYTES_MAX: usize = 64 * 1024 * 1024;

    pub fn new(cell: impl Into<String>, epoch: u64) -> Batch {
        Batch { cell: cell.into(), epoch, ..Batch::default() }
    }

    /// See [`Batch::independent`].
    pub fn independent(mut self) -> Batch {
        self.independent = true;
        self
    }

    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.push(Write::Put(key, value));
    }

    pub fn delete(&mut self, key: Vec<u8>) {
        self.writes.push(Write::Delete(key));
    }

    pub fn delete_prefix(&mut self, prefix: Vec<u8>) {
        self.writes.push(Write::DeletePrefix(prefix));
    }

    pub fn require(&mut self, condition: Condition) {
        self.conditions.push(condition);
    }

    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.conditions.is_empty() && !self.retires
    }

    /// How many bytes its keys and values have.
    pub fn bytes(&self) -> usize {
        let conditions = self.conditions.iter().map(|condition| match condition {
            Condition::Absent(key) => key.len(),
            Condition::Equals(key, value) => key.len() + value.len(),
        });
        let writes = self.writes.iter().map(|write| match write {
            Write::Put(key, value) => key.len() + value.len(),
            Write::Delete(key) | Write::DeletePrefix(key) => key.len(),
        });
        conditions.chain(writes).sum()
    }
}
