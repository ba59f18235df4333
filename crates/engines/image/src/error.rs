use std::io;
use std::path::{Path, PathBuf};

/// Why an image could not be brought in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no reference.
    #[error("`{text}` is no image: {reason}")]
    Reference { text: String, reason: &'static str },
    /// There is no such image.
    #[error("the image `{image}` does not exist: {reason}")]
    Missing { image: String, reason: String },
    /// The registry wants credentials, or others.
    #[error("the registry denies access to `{image}`: {reason}")]
    Denied { image: String, reason: String },
    /// It is not what it says it is, not for this machine, or hostile.
    #[error("the image is not valid: {reason}")]
    Invalid { reason: String },
    /// One of the limits.
    #[error("the image is too large: {reason}")]
    TooLarge { reason: String },
    /// The registry does not answer as one.
    #[error("the registry `{registry}` cannot be used: {reason}")]
    Registry { registry: String, reason: String },
    /// Not the image's fault.
    #[error("failed to {action} `{path}`: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl Error {
    pub(crate) fn invalid(reason: impl Into<String>) -> Error {
        Error::Invalid { reason: reason.into() }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { action, path: path.to_owned(), source }
    }
}
