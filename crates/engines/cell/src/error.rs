/// Why a command's effect did not last, or a cell could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the cell `{cell}`: {source}")]
    Store { cell: String, source: store::Error },
    #[error("a row of the cell `{cell}` cannot be read: {reason}")]
    Unreadable { cell: String, reason: String },
    #[error("the cell `{cell}` has been deleted")]
    Deleted { cell: String },
}

impl Error {
    /// Whether the same command may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Store { source, .. } if source.is_retryable())
    }
}
