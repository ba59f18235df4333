//! Errors: the engine's own, those of a start, and those of an invocation.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::exit::Exit;
use crate::network::Network;

/// The largest response of a synchronous invocation, in bytes: 6 MiB and 100 bytes.
pub const RESPONSE_BYTES_MAX: usize = 6_291_556;

/// The engine could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An operation on a file of the engine's own failed.
    #[error("failed to {action} `{path}`: {source}")]
    File { action: &'static str, path: String, source: std::io::Error },
    /// The launcher could not be started.
    #[error("failed to start the launcher `{path}`: {source}")]
    Launcher { path: String, source: std::io::Error },
    /// The launcher could not prepare or answered nonsense.
    #[error("this host does not allow the namespaces driver: {reason}")]
    Namespaces { reason: String },
    /// Virtual machines cannot be made here.
    #[error("this host does not allow `--isolation microvm`: {reason}")]
    MicroVm { reason: String },
    /// No program on the host serves this runtime.
    #[error("no {family} interpreter was found on this host for runtime `{identifier}`; {hint}")]
    RuntimeMissing { identifier: String, family: &'static str, hint: &'static str },
    /// Nothing here can serve this runtime.
    #[error(
        "runtime `{identifier}` is not supported; supported are python3.N, nodejsN.x, javaN, ruby3.N, dotnetN, \
         provided.* and go1.x"
    )]
    RuntimeUnsupported { identifier: String },
    /// What was to be added as a runtime is none.
    #[error(
        "`{place}` holds no interpreter of Python, Node.js, Java, Ruby or .NET; a folder is to hold its `bin` and `lib`"
    )]
    NoInterpreter { place: String },
    /// It is not said which is to be added.
    #[error("`{place}` holds several interpreters ({found}); say which one with `--runtime`")]
    SeveralInterpreters { place: String, found: String },
    /// It holds others.
    #[error("`{place}` holds no {wanted}; it holds: {found}")]
    NoSuchInterpreter { place: String, found: String, wanted: String },
    /// There is nothing to remove.
    #[error("{identifier} was not added; `kobel runtime list` shows what was")]
    NotAdded { identifier: String },
    /// Only the namespaces driver gives a function a root of its own.
    #[error(
        "container images need the namespaces driver, and functions run as plain processes here: run Kobel on Linux, \
         without `--isolation process`; `kobel doctor` tells what is missing"
    )]
    ImageNeedsNamespaces,
    /// The process driver starts no extensions.
    #[error(
        "external extensions need the namespaces driver: run Kobel where user namespaces are allowed, without \
         `--isolation process`; `kobel doctor` tells what is missing"
    )]
    ExtensionsNeedNamespaces,
    /// A plain process has the host's network, whatever is asked for.
    #[error(
        "a network of `{network}` needs the namespaces driver, and functions run as plain processes here, with the host's \
         network: run Kobel on Linux, without `--isolation process`; `kobel doctor` tells what is missing"
    )]
    NetworkNeedsNamespaces { network: Network },
    /// A virtual machine has no interface to the outside.
    #[error(
        "a network of `{network}` needs the namespaces driver: functions that are virtual machines reach Kobel's endpoint, \
         which is the network `kobel`"
    )]
    NetworkOfMachines { network: Network },
    /// The Java classes of the runtime could not be compiled.
    #[error("failed to compile the Java runtime with `{javac}`: {detail}")]
    JavaCompile { javac: String, detail: String },
    /// The program was built without the bootstrap of .NET.
    #[error(
        "this build of Kobel runs no .NET functions, because no C# compiler was there when it was made; install one \
         (Debian: `apt-get install mono-mcs`) and build Kobel again"
    )]
    DotnetNotBuilt,
}

/// An environment did not finish its init phase.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The runtime reported an init error: a missing module, a syntax error, code that threw.
    /// `body` is the JSON for the caller, byte for byte as the runtime gave it.
    #[error("init failed with {error_type}")]
    Reported { error_type: String, body: Bytes },
    /// Init took longer than it may.
    #[error("init timed out after {after:?}")]
    Timeout { after: Duration },
    /// The process ended before init was done.
    #[error("runtime {exit} during init")]
    Exited { exit: Exit },
    /// Init used more memory than the function has.
    #[error("out of memory during init")]
    OutOfMemory,
    /// `provided.*` without a `bootstrap` file that can be executed.
    #[error("no valid bootstrap in /var/task or /opt")]
    InvalidEntrypoint,
    /// A program that cannot be executed: a bootstrap, or an image's, which may also not be there.
    #[error("{reason}")]
    InvalidProgram { reason: String },
    /// An image's working folder that is not there.
    #[error("chdir {path}: no such file or directory")]
    InvalidWorkingDir { path: String },
    /// An extension did not come through init.
    #[error("{error_type} during init: {message}")]
    Extension { error_type: &'static str, message: String },
    /// The runtime spoke out of turn.
    #[error("the runtime broke the protocol during init: {reason}")]
    Protocol { reason: String },
    /// The runtime cannot become a template; environments of the function can be started.
    #[error("it cannot be forked after its init: {reason}")]
    Unforkable { reason: String },
    /// The environment could not be made; not the function's fault.
    #[error("failed to make the environment: {reason}")]
    Environment { reason: String },
    /// The runtime cannot be served here.
    #[error(transparent)]
    Engine(#[from] Error),
}

/// An invocation gave no response.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// The handler failed; `body` is the JSON for the caller, byte for byte as the runtime gave it.
    #[error("handler failed with {error_type}")]
    Handler { error_type: String, body: Bytes },
    /// The function's timeout passed; the environment was killed.
    #[error("timed out after {after:?}")]
    Timeout { after: Duration },
    /// The process ended.
    #[error("runtime {exit}")]
    Exited { exit: Exit },
    /// The memory limit was exceeded; the environment was killed.
    #[error("out of memory")]
    OutOfMemory,
    /// An extension failed; the environment ends.
    #[error("{error_type}: {message}")]
    Extension { error_type: &'static str, message: String },
    /// The response is larger than it may be.
    #[error("response too large")]
    ResponseTooLarge { bytes_max: u64 },
    /// The connection that carried the response broke before its end.
    #[error("truncated response")]
    TruncatedResponse,
    /// The runtime answered something that is no response; the environment was killed.
    #[error("invalid response: {reason}")]
    InvalidResponse { reason: String },
}

impl StartError {
    /// The `errorType` that AWS reports.
    pub fn error_type(&self) -> &str {
        match self {
            StartError::Reported { error_type, .. } => error_type,
            StartError::Timeout { .. } => "Sandbox.Timedout",
            StartError::Exited { .. } => "Runtime.ExitError",
            StartError::OutOfMemory => "Runtime.OutOfMemory",
            StartError::InvalidEntrypoint | StartError::InvalidProgram { .. } => "Runtime.InvalidEntrypoint",
            StartError::InvalidWorkingDir { .. } => "Runtime.InvalidWorkingDir",
            StartError::Extension { error_type, .. } => error_type,
            StartError::Protocol { .. } => "Runtime.Unknown",
            StartError::Unforkable { .. } | StartError::Environment { .. } | StartError::Engine(_) => "Sandbox.Failure",
        }
    }

    /// Whether the service, not the function, is at fault.
    pub fn is_service_fault(&self) -> bool {
        matches!(self, StartError::Unforkable { .. } | StartError::Environment { .. } | StartError::Engine(_))
    }

    /// The error JSON that the caller of the invocation gets.
    pub fn payload(&self, request_id: &str) -> Bytes {
        let message = match self {
            StartError::Reported { body, .. } => return body.clone(),
            StartError::Timeout { after } => format!("Task timed out after {:.2} seconds", after.as_secs_f64()),
            StartError::Exited { exit } => format!("Runtime {exit}"),
            StartError::OutOfMemory => "Runtime exited with error: signal: killed".to_owned(),
            StartError::InvalidEntrypoint => {
                "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned()
            }
            StartError::Extension { message, .. } => message.clone(),
            StartError::InvalidProgram { .. }
            | StartError::InvalidWorkingDir { .. }
            | StartError::Protocol { .. }
            | StartError::Unforkable { .. }
            | StartError::Environment { .. }
            | StartError::Engine(_) => self.to_string(),
        };
        platform_error(self.error_type(), request_id, &message)
    }
}

impl FunctionError {
    /// The `errorType` that AWS reports.
    pub fn error_type(&self) -> &str {
        match self {
            FunctionError::Handler { error_type, .. } => error_type,
            FunctionError::Timeout { .. } => "Sandbox.Timedout",
            FunctionError::Exited { .. } => "Runtime.ExitError",
            FunctionError::OutOfMemory => "Runtime.OutOfMemory",
            FunctionError::Extension { error_type, .. } => error_type,
            FunctionError::ResponseTooLarge { .. } => "Function.ResponseSizeTooLarge",
            FunctionError::TruncatedResponse => "Runtime.TruncatedResponse",
            FunctionError::InvalidResponse { .. } => "Runtime.Unknown",
        }
    }

    /// The error JSON that the caller of the invocation gets.
    pub fn payload(&self, request_id: &str) -> Bytes {
        let message = match self {
            FunctionError::Handler { body, .. } => return body.clone(),
            FunctionError::ResponseTooLarge { bytes_max } => return response_too_large(*bytes_max),
            FunctionError::TruncatedResponse => "Runtime ended its response before it was complete".to_owned(),
            FunctionError::Timeout { after } => format!("Task timed out after {:.2} seconds", after.as_secs_f64()),
            FunctionError::Exited { exit } => format!("Runtime {exit}"),
            FunctionError::OutOfMemory => "Runtime exited with error: signal: killed".to_owned(),
            FunctionError::Extension { message, .. } => message.clone(),
            FunctionError::InvalidResponse { reason } => reason.clone(),
        };
        platform_error(self.error_type(), request_id, &message)
    }
}

fn platform_error(error_type: &str, request_id: &str, message: &str) -> Bytes {
    let body = json!({ "errorType": error_type, "errorMessage": format!("RequestId: {request_id} Error: {message}") });
    Bytes::from(body.to_string())
}

fn response_too_large(bytes_max: u64) -> Bytes {
    let message = format!("Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).");
    let body = json!({ "errorMessage": message, "errorType": "Function.ResponseSizeTooLarge" });
    Bytes::from(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_the_payloads_that_aws_sends() {
        let cases: [(FunctionError, &str); 4] = [
            (
                FunctionError::Timeout { after: Duration::from_secs(1) },
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r Error: Task timed out after 1.00 seconds"}"#,
            ),
            (
                FunctionError::Exited { exit: Exit::Code(0) },
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r Error: Runtime exited without providing a reason"}"#,
            ),
            (
                FunctionError::Exited { exit: Exit::Code(127) },
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r Error: Runtime exited with error: exit status 127"}"#,
            ),
            (
                FunctionError::ResponseTooLarge { bytes_max: RESPONSE_BYTES_MAX as u64 },
                r#"{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#,
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(error.payload("r"), expected);
        }
    }
}
