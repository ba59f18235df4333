//! One file a command.

pub mod delete;
pub mod deploy;
pub mod doctor;
pub mod events;
pub mod invoke;
pub mod logs;
pub mod runtime;
pub mod serve;
pub mod time;
pub mod up;

/// Why a command failed, as one sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Server(#[from] crate::server::Error),
    #[error(transparent)]
    Client(#[from] crate::client::Error),
    #[error(transparent)]
    Deploy(#[from] crate::deploy::Error),
    #[error(transparent)]
    Runtimes(#[from] crate::runtimes::Error),
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    #[error("failed to read or write `{path}`: {source}")]
    Io { path: std::path::PathBuf, source: std::io::Error },
    #[error("{0}")]
    Said(String),
}

impl From<crate::deploy::SourceError> for Error {
    fn from(error: crate::deploy::SourceError) -> Error {
        Error::Deploy(error.into())
    }
}
