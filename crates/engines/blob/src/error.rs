use std::path::PathBuf;

use crate::BlobId;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the blob {id} is not there")]
    Missing { id: BlobId },
    #[error("the blob {id} has more than {bytes_max} bytes")]
    TooLarge { id: BlobId, bytes_max: usize },
    #[error("`{text}` names no blob")]
    Id { text: String },
    #[error("failed to read or write `{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}
