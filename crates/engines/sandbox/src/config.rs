//! What the engine needs to know before it can run anything.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use crate::network::NetworkConfig;
use crate::runtimes::AddedRuntimes;

/// Receives each connection that a function makes to the endpoint.
///
/// The function connected to `127.0.0.1:<endpoint_port>` inside the environment. The receiver serves HTTP on it.
pub type Connections = Arc<dyn Fn(Connection, Held) + Send + Sync>;

/// A connection of a function, in non-blocking mode.
#[derive(Debug)]
pub enum Connection {
    /// It was accepted in the environment's own network namespace.
    Tcp(TcpStream),
    /// Its bytes are carried out of a virtual machine.
    Carried(UnixStream),
}

/// One of the connections that an environment may hold. Dropping it makes room for the next one.
pub type Held = tokio::sync::OwnedSemaphorePermit;

/// Which driver runs environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Namespaces where the host allows them, else plain processes with a warning.
    #[default]
    Auto,
    /// Namespaces, or opening fails with the reason.
    Namespaces,
    /// Plain child processes: limits, but no isolation boundary.
    Process,
    /// A virtual machine for each environment, or opening fails with the reason.
    MicroVm,
}

/// How virtual machines are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    /// The guests' kernel, a bzImage whose modules lie beside it as `/lib/modules` does beside `/boot`; by default the
    /// host's newest.
    pub kernel: Option<PathBuf>,
    /// Whether QEMU emulates the processor in place of KVM: for tests on hosts without it, some 50 times slower.
    pub emulate: bool,
}

/// How [`crate::Sandbox::open`] sets the engine up.
#[derive(Clone)]
pub struct Config {
    /// The driver.
    pub isolation: Isolation,
    /// A folder of the engine's own: bootstraps, compiled classes, scratch folders.
    pub state_dir: PathBuf,
    /// Where connections from functions go.
    pub connections: Connections,
    /// The port, on 127.0.0.1, at which functions reach the endpoint.
    pub endpoint_port: u16,
    /// What functions reach.
    pub network: NetworkConfig,
    /// The program that becomes the launcher when run with `--kobel-launcher`; by default the
    /// running executable.
    pub launcher: Option<PathBuf>,
    /// Folders of further interpreters, each with its `bin` (for .NET, with `dotnet`), preferred to the host's own.
    pub runtime_dirs: Vec<PathBuf>,
    /// Runtimes that go before all others; added and removed also while the engine runs.
    pub added_runtimes: Option<AddedRuntimes>,
    /// For [`Isolation::MicroVm`].
    pub machines: Machines,
}

impl Config {
    /// A configuration with [`Isolation::Auto`] and the running executable as launcher.
    pub fn new(state_dir: impl Into<PathBuf>, endpoint_port: u16, connections: Connections) -> Config {
        Config {
            isolation: Isolation::Auto,
            state_dir: state_dir.into(),
            connections,
            endpoint_port,
            launcher: None,
            runtime_dirs: Vec::new(),
            added_runtimes: None,
            machines: Machines::default(),
            network: NetworkConfig::default(),
        }
    }
}
