//! Drivers make environments: isolated ones out of namespaces, or plain processes.

pub(crate) mod chosen;
pub(crate) mod crew;
#[cfg(target_os = "linux")]
pub(crate) mod microvm;
#[cfg(target_os = "linux")]
pub(crate) mod namespaces;
#[cfg(target_os = "linux")]
mod paging;
pub(crate) mod process;
#[cfg(target_os = "linux")]
mod resident;

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use tokio::net::unix::pipe::Receiver;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::mpsc;

use crate::attendant::Attendant;
use crate::config::Connection;
use crate::exit::Exit;
use crate::spec::StartMode;

/// A boxed future, so that drivers can be used through `dyn`.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A started environment, as a driver hands it over.
pub(crate) struct Spawned {
    /// The life of its processes.
    pub process: Box<dyn Process>,
    /// Standard output and error, in one.
    pub output: Receiver,
    /// The conversation with one of our bootstraps, or the listener of the Runtime API.
    pub link: Link,
    /// The listener of the Extensions API where the runtime does not use the Runtime API, which serves both.
    pub extensions: Option<Listener>,
    /// External extensions, where there are any.
    pub crew: Option<crew::Crew>,
    /// What they write, in one.
    pub extensions_output: Option<Receiver>,
    /// The listener of the endpoint inside the environment; `None` where the server's own port is
    /// within reach, or must not be.
    pub endpoint: Option<Listener>,
    /// What carries its packets to the outside, if it reaches it by a cable.
    pub gateway: Option<Attendant>,
    /// How the runtime came to life.
    pub mode: StartMode,
    /// Why it was executed and not forked.
    pub why_exec: Option<&'static str>,
}

/// How the runtime is spoken with.
pub(crate) enum Link {
    Channel(UnixStream),
    RuntimeApi(Listener),
}

/// Where connections from inside an environment come from.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// Out of a virtual machine.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "virtual machines are made on Linux only"))]
    Carried(mpsc::Receiver<UnixStream>),
}

impl Listener {
    /// The next connection; from a machine that has ended there is none.
    pub(crate) async fn accept(&mut self) -> std::io::Result<Connection> {
        match self {
            Listener::Tcp(listener) => Ok(Connection::Tcp(listener.accept().await?.0.into_std()?)),
            Listener::Carried(streams) => match streams.recv().await {
                Some(stream) => Ok(Connection::Carried(stream.into_std()?)),
                None => std::future::pending().await,
            },
        }
    }
}

/// Which conversation a start asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Conversation {
    Channel,
    RuntimeApi,
}

/// The facts of an environment's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub exit: Exit,
    /// The kernel killed a process of it for memory.
    pub out_of_memory: bool,
    /// The high-water mark, where the driver still knew it.
    pub max_memory_bytes: Option<u64>,
}

/// The processes of one environment.
pub(crate) trait Process: Send + Sync {
    /// Kills all of them. Returns at once; [`Process::ended`] tells when it is done.
    fn kill(&self);
    /// Whether none is left, as far as it is known by now.
    fn has_ended(&self) -> bool;
    /// Waits until none is left.
    fn ended(&self) -> Later<'_, Ended>;
    /// Waits until the function uses more memory than it may, where the kernel itself does not kill
    /// for that. Only polled while the environment works.
    fn memory_exceeded(&self) -> Later<'_, ()>;
    /// Asks the runtime to end, by SIGTERM.
    fn terminate(&self);
    /// Stops all of them from running.
    fn freeze(&self) -> std::io::Result<()>;
    /// Lets them run again.
    fn thaw(&self) -> std::io::Result<()>;
    /// Pages their memory out, if the host has anywhere to put it. They must be frozen. Blocks.
    fn page_out(&self) -> std::io::Result<()>;
    /// The memory high-water mark up to now, in bytes.
    fn max_memory_bytes(&self) -> u64;
}
