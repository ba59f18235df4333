use std::path::PathBuf;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("failed to open the store in `{folder}`: {reason}")]
    Open { folder: PathBuf, reason: String },
    #[error("the folder `{folder}` is in use by another Kobel; stop it, or choose another folder with --data")]
    InUse { folder: PathBuf },
    #[error("a condition of the batch does not hold")]
    Condition,
    #[error("the cell `{cell}` has another owner by now")]
    Fenced { cell: String },
    #[error("a batch has {bytes} bytes; at most {bytes_max} are possible")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("the disk is full; free some space")]
    DiskFull,
    #[error("the store's file is damaged ({reason}); stop Kobel and put back a copy of its data folder")]
    Damaged { reason: String },
    #[error("the store failed: {reason}")]
    Failed { reason: String },
    #[error("the store has more to do than it can hold")]
    Overloaded,
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::DiskFull | Error::Overloaded | Error::Failed { .. })
    }
}
