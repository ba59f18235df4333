/// The rows of a cell, in order, keyed by what follows the cell's path.
#[derive(Debug, Default)]
pub struct Rows {
    pub(crate) rows: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A cell's state, as it is held in memory.
pub trait State: Send + Sized + 'static {
    /// Row prefixes that are not loaded: the state pages these rows from the store itself.
    const PAGED: &'static [&'static str] = &[];

    /// Rebuilds the state from its rows; the error says which row is wrong and why.
    fn load(rows: &Rows) -> Result<Self, String>;
}

impl Rows {
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|(row, value)| (row.as_slice(), value.as_slice()))
    }

    /// The rows that begin with `prefix`, keyed by what follows it.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let begin = self.rows.partition_point(|(row, _)| row.as_slice() < prefix.as_bytes());
        let rows = self.rows[begin..].iter().take_while(move |(row, _)| row.starts_with(prefix.as_bytes()));
        rows.map(move |(row, value)| (&row[prefix.len()..], value.as_slice()))
    }

    pub fn get(&self, row: &str) -> Option<&[u8]> {
        let at = self.rows.binary_search_by(|(key, _)| key.as_slice().cmp(row.as_bytes())).ok()?;
        Some(&self.rows[at].1)
    }
}
