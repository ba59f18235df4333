/// What is written together, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The cell that writes; empty for what belongs to none.
    pub cell: String,
    /// The epoch under which the cell is owned; see [`crate::Store::claim`].
    pub epoch: u64,
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
    pub fn new(cell: impl Into<String>, epoch: u64) -> Batch {
        Batch { cell: cell.into(), epoch, ..Batch::default() }
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
        self.writes.is_empty() && self.conditions.is_empty()
    }
}
