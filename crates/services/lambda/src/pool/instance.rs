use std::sync::Arc;

use base::Timestamp;
use fabric::{Session, Sessions};

use crate::environment::{Environment, Held};
use crate::output::LogStream;
use crate::registry::Version;

/// An execution environment with what belongs to it: the role's session and the log stream.
pub struct Instance {
    pub environment: Arc<dyn Environment>,
    pub version: Arc<Version>,
    pub started: Timestamp,
    /// What it has held in memory at most, in MB.
    pub used_mb: u32,
    pub log: Arc<LogStream>,
    pub credentials: Credentials,
    /// Keeps its folders there.
    pub code: Vec<Held>,
}

/// The session whose credentials the environment's variables hold; closed when dropped.
pub struct Credentials {
    pub session: Arc<Session>,
    pub access_key: String,
    pub sessions: Arc<Sessions>,
}

impl Instance {
    /// Ends the environment and returns when nothing of it runs.
    pub async fn end(self) {
        self.environment.stop().await;
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.sessions.close(&self.access_key);
    }
}
