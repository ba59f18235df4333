//! Execution environments: isolated, limited, measured processes that run functions.
//!
//! The engine knows the execution environment of Lambda (folders, variables, limits, the Runtime
//! API) and nothing of AWS's service APIs. [`Sandbox::open`] once, [`Sandbox::start`] for each
//! environment, [`Environment::invoke`] for each event.
//!
//! Invariants:
//! - An environment takes one event at a time and belongs to one function.
//! - With the namespaces driver a function sees a read-only root with its own code, a private
//!   `/tmp`, its own processes and a network of its own, from which it reaches what it may (`network`).
//! - The privileged part is the launcher: a separate, single-threaded program without async
//!   ([`launcher_main`]). When the server dies, it dies, and everything that it made.
//! - All that a function says is bounded: output lines, responses, connections, processes.
//!
//! Modules: `sandbox`, `environment`, `template` and `spec` are the interface; `runtimes` finds interpreters;
//! `bootstraps` carries what runs inside; `image` looks into images; `plan` makes the command;
//! `class_cache` has JVMs archive classes; `session` speaks with the runtime; `response` carries what it streams; `output` reads its lines;
//! `driver` makes the processes; `launcher` is the other program.

mod attendant;
mod bootstraps;
mod capabilities;
#[cfg(target_os = "linux")]
mod cgroup;
mod checkpoint;
#[cfg(target_os = "linux")]
mod class_cache;
mod config;
mod credentials;
mod deadline;
mod driver;
mod entrypoint;
mod environment;
mod error;
mod exit;
mod extensions;
mod host;
#[cfg(target_os = "linux")]
mod image;
#[cfg(target_os = "linux")]
mod launcher;
mod metadata;
#[cfg(target_os = "linux")]
mod netlink;
mod network;
mod output;
mod plan;
mod response;
mod runtimes;
mod sandbox;
mod scratch;
mod session;
mod spec;
#[cfg(target_os = "linux")]
mod stem;
mod telemetry;
mod template;

pub use capabilities::{Capabilities, Feature};
pub use config::{Config, Connection, Connections, Held, Isolation, Machines};
pub use credentials::RoleCredentials;
#[cfg(target_os = "linux")]
pub use driver::microvm::{GUEST_ARGUMENT, guest_main};
pub use environment::Environment;
pub use error::{Error, FunctionError, RESPONSE_BYTES_MAX, StartError};
pub use exit::Exit;
pub use host::host_memory_mb;
#[cfg(target_os = "linux")]
pub use launcher::{LAUNCHER_ARGUMENT, launcher_main};
pub use network::{Allowed, Network, NetworkConfig};
pub use output::LINE_BYTES_MAX;
pub use response::{ResponsePart, ResponseReader, ResponseSender, StreamLimits, response_stream};
pub use runtimes::{AddedRuntime, AddedRuntimes, Family, Resolved, Runtime, Version, host_runtimes};
pub use sandbox::Sandbox;
pub use spec::{
    EnvironmentSpec, ExtensionStatus, Image, Invocation, Line, Outcome, Output, Settled, Source, StartMode, Subscribed,
    Usage,
};
pub use telemetry::{Record, Telemetry, TelemetryEvent};
pub use template::Template;
