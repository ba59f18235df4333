//! The namespaces driver: asks the launcher for environments.

mod client;
mod features;
mod memory;
mod starting;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as UnixStreams;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;
use tokio::net::{TcpListener, UnixStream};

use super::crew::Crew;
use super::paging;
use super::resident::{self, Resident};
use super::{Conversation, Ended, Later, Link, Listener, Process, Spawned};
use crate::capabilities::Capabilities;
use crate::cgroup::{Group, Limits};
use crate::config::Config;
use crate::error::Error;
use crate::exit::Exit;
use crate::launcher::message::{self, MachineFiles, Origin};
use crate::network::{self, Network, Outside};
use crate::session::{self, CHANNEL_VARIABLE};
use crate::spec::StartMode;
use client::{Client, Life, Prepared};
use memory::MemoryWatch;
pub(crate) use starting::{Bearing, Starting, start, start_monitor};

/// The first byte of the report when an environment is set up.
const READY: u8 = b'R';

/// The driver.
pub(crate) struct Namespaces {
    settings: Settings,
    client: Mutex<Arc<Client>>,
    outside: Arc<Outside>,
}

/// What a launcher is started with; kept, because one that died is replaced.
#[derive(Clone)]
pub(crate) struct Settings {
    pub program: PathBuf,
    pub root_dir: PathBuf,
    pub runtime_dir: PathBuf,
    pub group_name: String,
    pub endpoint_port: u16,
    pub machine: Option<MachineFiles>,
    /// What functions reach that say nothing else; not said where it may depend on the host.
    pub network: Option<Network>,
}

impl Namespaces {
    /// Starts the launcher and waits until it is ready.
    pub(crate) fn open(config: &Config, runtime_dir: &Path) -> Result<Namespaces, Error> {
        Namespaces::start(config, runtime_dir, None)
    }

    /// As [`Namespaces::open`], for environments that are virtual machines.
    pub(crate) fn open_for_machines(
        config: &Config,
        runtime_dir: &Path,
        machine: MachineFiles,
    ) -> Result<Namespaces, Error> {
        Namespaces::start(config, runtime_dir, Some(machine))
    }

    fn start(config: &Config, runtime_dir: &Path, machine: Option<MachineFiles>) -> Result<Namespaces, Error> {
        let program = program(config)?;
        let root_dir = config.state_dir.join("root");
        let failed = |source| Error::File { action: "create", path: root_dir.display().to_string(), source };
        std::fs::create_dir_all(&root_dir).map_err(failed)?;
        let settings = Settings {
            program,
            root_dir,
            runtime_dir: runtime_dir.to_path_buf(),
            group_name: group_name(&config.state_dir),
            endpoint_port: config.endpoint_port,
            // The monitor of a virtual machine needs nothing.
            network: if machine.is_some() { Some(Network::Kobel) } else { config.network.default },
            machine,
        };
        let client = Client::open(&settings)?;
        check_outside(&settings, client.prepared())?;
        let outside = Arc::new(Outside::new(&config.network));
        Ok(Namespaces { settings, client: Mutex::new(client), outside })
    }

    /// Makes an environment and starts its runtime.
    pub(crate) async fn spawn(&self, starting: Starting) -> io::Result<Spawned> {
        let Starting { mut start, conversation, network, bearing, extensions: names, mut variables } = starting;
        let client = self.client()?;
        start.network = self.reached(network, client.prepared())?;
        let network = start.network;
        let (mut missing_stems, mut why_exec) = (Vec::new(), None);
        let mode = match bearing {
            Bearing::Archived => StartMode::Archive,
            Bearing::Program(reason) => {
                why_exec = Some(reason);
                StartMode::Exec
            }
            Bearing::Stem(mut stems) => {
                let booted = stems.iter().position(|stem| client.has_stem(&stem.name));
                missing_stems = stems.drain(..booted.unwrap_or(stems.len())).collect();
                match stems.into_iter().next() {
                    Some(stem) => {
                        start.origin = Origin::Stem { name: stem.name, is_template: false };
                        if stem.with_sdk { StartMode::StemWithSdk } else { StartMode::Stem }
                    }
                    None => {
                        why_exec = missing_stems.last().map(|stem| client.why_no_stem(&stem.name));
                        StartMode::Exec
                    }
                }
            }
            Bearing::Template(stem) => {
                let name = stem.name.clone();
                client.plant(stem);
                client.stem_booted(&name).await?;
                start.origin = Origin::Stem { name, is_template: true };
                StartMode::Stem
            }
            Bearing::OfTemplate(id) => {
                start.origin = Origin::Template { id };
                StartMode::Template
            }
        };
        let (output, output_end) = io::pipe()?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (report, report_end) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let mut descriptors = vec![output_end.as_fd(), report_end.as_fd()];
        let channel = match conversation {
            Conversation::Channel => Some(UnixStreams::pair()?),
            Conversation::RuntimeApi => None,
        };
        descriptors.extend(channel.as_ref().map(|(_, theirs)| theirs.as_fd()));
        let extensions_output = if names.is_empty() { None } else { Some(io::pipe()?) };
        descriptors.extend(extensions_output.as_ref().map(|(_, theirs)| theirs.as_fd()));
        let limits = start.limits;
        if start.origin == Origin::Program {
            if channel.is_some() {
                variables.insert(CHANNEL_VARIABLE.to_owned(), crate::launcher::CHANNEL_FD.to_string());
            }
            start.variables = variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        } else if let Some((ours, _)) = &channel {
            // What is forked is told its variables, and has no use for a command line.
            start.arguments.clear();
            let is_template = matches!(start.origin, Origin::Stem { is_template: true, .. });
            io::Write::write_all(&mut &*ours, &session::specialise(&variables, is_template)?)?;
        }
        let life = client.start(&start, &descriptors)?;
        drop((output_end, report_end));
        let extensions_output = extensions_output.map(|(ours, _)| Receiver::from_owned_fd(ours.into())).transpose()?;
        // The one that serves most functions first.
        missing_stems.into_iter().rev().for_each(|stem| client.plant(stem));
        let report = watched(report, Interest::READABLE | Interest::WRITABLE)?;
        let (process, reached) = begin(life, limits, &report).await?;
        let crew = (!names.is_empty()).then(|| Crew::new(names, report));
        let mut reached = reached.into_iter();
        let endpoint = match network {
            Network::None => None,
            Network::Kobel | Network::Host => Some(listener(reached.next())?),
        };
        let api = listener(reached.next())?;
        let (link, extensions) = match channel {
            Some((ours, _)) => {
                ours.set_nonblocking(true)?;
                (Link::Channel(UnixStream::from_std(ours)?), Some(api))
            }
            None => (Link::RuntimeApi(api), None),
        };
        let gateway = reached.next().map(|cable| network::serve(cable, self.outside.clone())).transpose()?;
        let output = Receiver::from_owned_fd(output.into())?;
        Ok(Spawned {
            process: Box::new(process),
            output,
            link,
            extensions,
            crew,
            extensions_output,
            endpoint,
            gateway,
            mode,
            why_exec,
        })
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        let prepared = self.client.lock().unwrap_or_else(PoisonError::into_inner).prepared().clone();
        Capabilities { driver: "namespaces", reason: None, features: features::of(self.settings.network, &prepared) }
    }

    /// What an environment reaches.
    fn reached(&self, asked: Option<Network>, prepared: &Prepared) -> io::Result<Network> {
        match (asked.or(self.settings.network), &prepared.no_outside) {
            (Some(Network::Host), Some(reason)) => Err(io::Error::other(no_outside(reason))),
            (Some(network), _) => Ok(network),
            (None, Some(_)) => Ok(Network::Kobel),
            (None, None) => Ok(Network::Host),
        }
    }

    /// The launcher, a new one if the last one died.
    fn client(&self) -> io::Result<Arc<Client>> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if client.is_dead() {
            tracing::error!("the launcher died; its environments ended with it, and a new one is started");
            *client = Client::open(&self.settings).map_err(|error| io::Error::other(error.to_string()))?;
        }
        Ok(client.clone())
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).close();
    }
}

/// What becomes the launcher.
pub(crate) fn program(config: &Config) -> Result<PathBuf, Error> {
    let running = |source| Error::Launcher { path: "the running executable".to_owned(), source };
    config.launcher.clone().map_or_else(|| std::env::current_exe().map_err(running), Ok)
}

/// Whether what was asked for can be had; warns where nothing was, and less is there than usual.
fn check_outside(settings: &Settings, prepared: &Prepared) -> Result<(), Error> {
    match (settings.network, &prepared.no_outside) {
        (Some(Network::Host), Some(reason)) => Err(Error::Namespaces { reason: no_outside(reason) }),
        (None, Some(reason)) => {
            tracing::warn!("{}", no_outside(reason));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn no_outside(reason: &str) -> String {
    format!("functions cannot reach the outside, only Kobel's endpoint: {reason}")
}

/// One name per state folder, so that a successor finds what its predecessor left.
fn group_name(state_dir: &Path) -> String {
    let hash =
        state_dir.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("kobel-{hash:016x}")
}

/// Waits until the environment is there, with what leads out of it.
async fn begin(life: Life, limits: Limits, report: &AsyncFd<OwnedFd>) -> io::Result<(Isolated, Vec<OwnedFd>)> {
    let set_up = reached(report).await;
    let process = Isolated::begin(life, limits).await;
    match set_up {
        // What its first process said of it tells most.
        Err(error) if error.kind() == io::ErrorKind::Other => Err(error),
        set_up => Ok((process?, set_up?)),
    }
}

/// Waits for the first process to be set up. With its report come the listeners of the endpoint and of the Runtime API,
/// and the cable, as far as it has them.
async fn reached(report: &AsyncFd<OwnedFd>) -> io::Result<Vec<OwnedFd>> {
    let mut buffer = [0; 4096];
    let (count, descriptors) =
        report.async_io(Interest::READABLE, |fd| message::receive_bytes(fd, &mut buffer)).await?;
    match &buffer[..count] {
        [READY] => Ok(descriptors),
        [_, reason @ ..] => Err(io::Error::other(String::from_utf8_lossy(reason).into_owned())),
        [] => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the environment ended while it was set up")),
    }
}

/// Registers a descriptor with the event loop.
pub(super) fn watched(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` always refers to the same open descriptor until it is dropped.
    unsafe { AsyncFd::register_with_interest(descriptor, interest) }.map_err(io::Error::from)
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a listener is missing")
}

fn listener(descriptor: Option<OwnedFd>) -> io::Result<Listener> {
    let listener = std::net::TcpListener::from(descriptor.ok_or_else(missing)?);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Listener::Tcp)
}

/// The processes of one environment.
struct Isolated {
    life: Life,
    limits: Limits,
    group: Option<Group>,
    memory: Option<MemoryWatch>,
    resident: Resident,
    pids: Vec<i32>,
}

impl Isolated {
    async fn begin(mut life: Life, limits: Limits) -> io::Result<Isolated> {
        let (pids, group) = life.started().await?;
        let counted = group.clone().filter(|group| group.memory.is_some());
        let memory = counted.map(|group| MemoryWatch::begin(group, limits.memory_bytes));
        Ok(Isolated { life, limits, group, memory, resident: Resident::of(pids.clone()), pids })
    }

    fn memory_group(&self) -> Option<&Group> {
        self.group.as_ref().filter(|group| group.memory.is_some())
    }

    fn signal_all(&self, signal: rustix::process::Signal) {
        for pid in resident::tree(&self.pids).into_iter().filter_map(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    fn set_frozen(&self, frozen: bool) -> io::Result<()> {
        if self.life.has_ended() {
            return Ok(());
        }
        if let Some(group) = &self.group
            && group.freeze(frozen)?
        {
            return Ok(());
        }
        self.signal_all(if frozen { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT });
        Ok(())
    }
}

impl Process for Isolated {
    fn kill(&self) {
        self.life.kill();
    }

    fn has_ended(&self) -> bool {
        self.life.has_ended()
    }

    fn ended(&self) -> Later<'_, Ended> {
        Box::pin(self.life.ended())
    }

    fn memory_exceeded(&self) -> Later<'_, ()> {
        match &self.memory {
            Some(memory) => Box::pin(memory.exceeded()),
            None => Box::pin(self.resident.exceeds(self.limits.memory_bytes)),
        }
    }

    fn terminate(&self) {
        // A stem's child is known; else children come in the order of their birth, and orphans that the first process
        // has taken in last.
        let runtime = resident::tree(&self.pids).get(1).copied().and_then(rustix::process::Pid::from_raw);
        if let Some(runtime) = runtime.filter(|_| !self.life.has_ended()) {
            let _ = rustix::process::kill_process(runtime, rustix::process::Signal::TERM);
        }
    }

    fn freeze(&self) -> io::Result<()> {
        self.set_frozen(true)
    }

    fn thaw(&self) -> io::Result<()> {
        self.set_frozen(false)
    }

    fn page_out(&self) -> io::Result<()> {
        if !crate::host::has_swap() || self.life.has_ended() {
            return Ok(());
        }
        match self.memory_group() {
            Some(group) if group.version == 2 => group.page_out(),
            _ => paging::page_out(&resident::tree(&self.pids)),
        }
    }

    fn max_memory_bytes(&self) -> u64 {
        match (self.life.known_max_memory_bytes(), self.memory_group()) {
            (Some(bytes), _) => bytes,
            (None, Some(group)) => group.max_memory_bytes(),
            (None, None) => self.resident.max_bytes(),
        }
    }
}

const KILLED: Ended = Ended { exit: Exit::Signal(libc::SIGKILL), out_of_memory: false, max_memory_bytes: None };
