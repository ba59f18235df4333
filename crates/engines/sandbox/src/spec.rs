//! What goes into an environment and what comes out of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::credentials::RoleCredentials;
use crate::network::Network;
use crate::{FunctionError, Telemetry};

/// Memory with which a function has one vCPU, as on Lambda.
pub(crate) const MB_PER_VCPU: u32 = 1769;

/// Everything that one execution environment is made from.
#[derive(Clone, Debug)]
pub struct EnvironmentSpec {
    /// Unique while the environment lives: letters, digits, `-` and `_`, at most 64.
    pub id: String,
    /// The Lambda runtime identifier, such as `python3.12` or `provided.al2023`.
    pub runtime: String,
    /// A container image to run instead of a runtime with code.
    pub image: Option<Arc<Image>>,
    /// The handler as configured.
    pub handler: String,
    /// The unpacked code, seen as `/var/task`. Files must be readable by everyone, as on AWS. The path stands for its
    /// content: a folder of this path that is made again has the same files, with the same times.
    pub code: PathBuf,
    /// Unpacked layers, lowest first, seen merged as `/opt`.
    pub layers: Vec<PathBuf>,
    /// The function's variables and those the service sets. The engine adds those that describe
    /// the environment itself (`_HANDLER`, `LAMBDA_TASK_ROOT`, `PATH`, …) where they are absent.
    pub variables: BTreeMap<String, String>,
    /// The memory limit, in MB.
    pub memory_mb: u32,
    /// The size of `/tmp`, in MB.
    pub ephemeral_storage_mb: u32,
    /// Served inside the environment where the variables hold no credentials.
    pub credentials: Option<RoleCredentials>,
    /// What it reaches; what the engine was opened with, if absent.
    pub network: Option<Network>,
    /// How long the init phase may take; Lambda allows 10 s on demand.
    pub init_timeout: Duration,
    /// The account of the function, which extensions may ask for.
    pub account_id: Option<String>,
    /// Takes the events of which extensions may be told.
    pub telemetry: Telemetry,
}

/// A container image that speaks the Runtime API. `runtime`, `handler`, `code` and `layers` of its
/// specification are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The image's files as they are to be seen at `/`, merged, with the mount points `dev`, `proc` and `tmp`.
    pub root: PathBuf,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Further arguments; the first is the handler, by convention.
    pub command: Vec<String>,
    /// Where the program starts; empty for `/`.
    pub working_dir: String,
    /// The image's own variables, `NAME=value`; those of the specification go before them.
    pub variables: Vec<String>,
}

/// One event for an environment.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The request id, a UUID.
    pub request_id: String,
    /// The event.
    pub payload: Bytes,
    /// The function's ARN as the caller named it.
    pub function_arn: String,
    /// The timeout, in real time.
    pub deadline: Duration,
    /// The deadline as the function sees it, in milliseconds since the epoch.
    pub deadline_epoch_ms: i64,
    /// The `X-Amzn-Trace-Id` header.
    pub trace_id: String,
    /// The decoded client context, JSON.
    pub client_context: Option<String>,
    /// The Cognito identity, JSON.
    pub cognito_identity: Option<String>,
}

/// How an invocation ended.
#[derive(Debug)]
pub struct Outcome {
    /// The response (JSON bytes of the handler's result), or why there is none.
    pub result: Result<Bytes, FunctionError>,
    /// From handing the event over to having the answer.
    pub duration: Duration,
    /// The environment's high-water mark so far, in MB, as the REPORT line shows it.
    pub max_memory_mb: u32,
    /// Whether the environment can take another invocation.
    pub reusable: bool,
    /// Whether extensions still work on this one: then [`crate::Environment::settle`] waits for them.
    pub extensions_work: bool,
}

/// How the work of extensions after a response has ended.
#[derive(Debug)]
pub struct Settled {
    /// What went wrong after the response.
    pub result: Result<(), FunctionError>,
    /// From the response to the end of the invocation.
    pub duration: Duration,
    /// The environment's high-water mark so far, in MB.
    pub max_memory_mb: u32,
    /// Whether the environment can take another invocation.
    pub reusable: bool,
}

/// How an extension has come through the init phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionStatus {
    pub name: String,
    /// `Ready` if all is well.
    pub state: &'static str,
    /// `INVOKE`, `SHUTDOWN`
    pub events: Vec<&'static str>,
    pub error_type: Option<String>,
}

/// A subscription of the Telemetry API or the Logs API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The extension's name.
    pub name: String,
    /// `platform`, `function`, `extension`
    pub types: Vec<String>,
    pub logs_api: bool,
}

/// How an environment's runtime came to life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartMode {
    /// Its program was executed.
    Exec,
    /// Its JVM was executed, and maps an archive of the function's classes.
    Archive,
    /// It was forked from a booted interpreter without user code.
    Stem,
    /// It was forked from an interpreter that has also loaded the AWS SDK of the runtime.
    StemWithSdk,
    /// It was forked from the function's own runtime after its init.
    Template,
}

impl std::fmt::Display for StartMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            StartMode::Exec => "exec",
            StartMode::Archive => "archive",
            StartMode::Stem => "stem",
            StartMode::StemWithSdk => "stem+sdk",
            StartMode::Template => "template",
        })
    }
}

/// What an environment has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The high-water mark of memory, in MB.
    pub max_memory_mb: u32,
}

/// One line that a function or an extension wrote to its standard output or error.
///
/// A message that a bootstrap logged as a whole may hold line breaks: it is one log event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub source: Source,
    /// The invocation that was running, `None` during init.
    pub request_id: Option<String>,
    /// The text without its final line break, at most [`crate::LINE_BYTES_MAX`] bytes.
    pub text: String,
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The runtime's processes.
    Function,
    /// External extensions.
    Extension,
}

/// Receives the lines of one environment, in order.
///
/// `line` is called while the function's output is read and should return at once; while it does
/// not, nothing more is read and the function is held back by its pipe (64 KiB).
pub trait Output: Send + Sync {
    /// Takes one line.
    fn line(&self, line: Line);

    /// The init phase has ended, with this extension.
    fn extension(&self, _status: ExtensionStatus) {}

    /// An extension has subscribed.
    fn subscription(&self, _subscribed: Subscribed) {}

    /// The runtime's part of the init phase has ended; the type of the error where it failed.
    fn runtime_initialised(&self, _error_type: Option<&str>) {}
}
