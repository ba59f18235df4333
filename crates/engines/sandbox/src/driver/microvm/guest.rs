//! Kobel inside a virtual machine: the first process, which runs one function by the namespaces driver.
//!
//! So a function sees the same in a machine as in a sandbox of the host, down to its user and its limits, and whoever
//! breaks out of the sandbox is in a machine that has nothing but this function's files.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::NO_STEM;
use super::frame::{Begin, Door, Message};
use super::link::{CHANNEL_LANE, CONNECTION_LANES, CREW_LANE, EXTENSIONS_OUTPUT_LANE, Heard, Lane, Link, OUTPUT_LANE};
use super::machine::LINK_PORT;
use super::port::Port;
use super::relay::{Outlet, both_ways, packets, send};
use crate::config::Config;
use crate::deadline;
use crate::driver::namespaces::{self, Bearing, Namespaces};
use crate::driver::{self, Listener, Process, Spawned};
use crate::exit::Exit;
use crate::network::{Network, NetworkConfig};
use crate::plan::Command;
use crate::spec::{EnvironmentSpec, Image};

/// The argument with which the guest's init runs Kobel.
pub const GUEST_ARGUMENT: &str = "--kobel-guest";

/// Connections of one kind that a function may hold.
pub(super) const CONNECTIONS_MAX: usize = 320;
/// How long a listener rests after a connection that it could not accept.
const ACCEPT_FAILED_REST: Duration = Duration::from_millis(50);
/// The kernel finds the ports of a console by and by.
const PORT_LOOKS_MAX: u32 = 3000;
const PORT_LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Where the launcher of the guest keeps its root.
const STATE_DIR: &str = "/run/kobel";
/// The bootstraps, as jails show them.
const RUNTIME_DIR: &str = "/var/runtime";
const MESSAGES_MAX: usize = 4;

/// The guest's `main`: for a process that was run with [`GUEST_ARGUMENT`] as the first one of a machine. Never returns.
pub fn guest_main() -> ! {
    if std::process::id() != 1 {
        eprintln!("this program is started by the kernel of a virtual machine with {GUEST_ARGUMENT}");
        std::process::exit(2);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let Err(error) = runtime.and_then(|runtime| runtime.block_on(serve())) {
        println!("kobel: {error}");
    }
    let _ = rustix::system::reboot(rustix::system::RebootCommand::Restart);
    std::process::exit(1)
}

/// Runs one function, until the host is gone.
async fn serve() -> io::Result<()> {
    let (reader, writer) = tokio::io::split(Port::new(open_port().await?)?);
    let (link, outgoing) = Link::new();
    tokio::spawn(outgoing.run(writer));
    let (sender, mut messages) = mpsc::channel(MESSAGES_MAX);
    let heard_on = link.clone();
    let reading = tokio::spawn(async move {
        heard_on
            .run(reader, |heard| {
                if let Heard::Message(message) = heard {
                    drop(sender.try_send(message))
                }
            })
            .await
    });
    let Some(Message::Begin(begin)) = messages.recv().await else {
        return Err(io::Error::other("the host said nothing"));
    };
    match start(&begin).await {
        Err(error) => link.say(Message::Failed { reason: error.to_string() }).await?,
        Ok((_driver, spawned)) => {
            run(link.clone(), spawned, messages).await?;
        }
    }
    reading.await.map_err(io::Error::other)?
}

/// Starts the function in a sandbox.
async fn start(begin: &Begin) -> io::Result<(Namespaces, Spawned)> {
    set_clock(begin)?;
    // The machine has no interface to the outside.
    let network = NetworkConfig { default: Some(Network::Kobel), ..NetworkConfig::default() };
    let defaults = Config::new(STATE_DIR, begin.endpoint_port, Arc::new(|_, _| {}));
    let config = Config { network, ..defaults };
    let driver = Namespaces::open(&config, Path::new(RUNTIME_DIR)).map_err(io::Error::other)?;
    let path = |path: &Option<String>| path.as_ref().map(PathBuf::from);
    let image = begin.image_root.is_some() && begin.code.is_none();
    let spec = EnvironmentSpec {
        id: "guest".to_owned(),
        runtime: String::new(),
        image: image.then(|| Arc::new(Image { root: path(&begin.image_root).unwrap_or_default(), ..Image::default() })),
        handler: String::new(),
        code: path(&begin.code).unwrap_or_default(),
        layers: path(&begin.layers).into_iter().collect(),
        variables: Default::default(),
        memory_mb: begin.memory_mb,
        ephemeral_storage_mb: begin.ephemeral_storage_mb,
        network: None,
        init_timeout: Duration::MAX,
        account_id: None,
        telemetry: crate::Telemetry::default(),
        credentials: None,
    };
    let command = Command {
        arguments: begin.arguments.clone(),
        variables: begin.variables.clone(),
        lang: path(&begin.lang),
        classes: None,
        image_root: path(&begin.image_root),
        working_dir: begin.working_dir.clone(),
    };
    let spawned =
        driver.spawn(namespaces::start(&spec, command, begin.conversation, Bearing::Program(NO_STEM))?).await?;
    Ok((driver, spawned))
}

/// Carries the function's streams, and tells of its end.
async fn run(link: Arc<Link>, spawned: Spawned, mut messages: mpsc::Receiver<Message>) -> io::Result<()> {
    let process: Arc<dyn Process> = Arc::from(spawned.process);
    let output = lane(&link, OUTPUT_LANE)?;
    let outlet = Arc::new(Outlet::new(spawned.output, output.sender, link.clone(), process.clone()));
    let lanes = Arc::new(AtomicU32::new(CONNECTION_LANES));
    let open_door = |listener: Listener, door: Door| {
        if let Listener::Tcp(listener) = listener {
            tokio::spawn(admit(listener, door, link.clone(), outlet.clone(), lanes.clone()));
        }
    };
    spawned.endpoint.into_iter().for_each(|listener| open_door(listener, Door::Endpoint));
    spawned.extensions.into_iter().for_each(|listener| open_door(listener, Door::RuntimeApi));
    match spawned.link {
        driver::Link::RuntimeApi(listener) => open_door(listener, Door::RuntimeApi),
        driver::Link::Channel(stream) => {
            let channel = lane(&link, CHANNEL_LANE)?;
            tokio::spawn(both_ways(stream, channel, Some(outlet.clone())));
        }
    }
    if let Some(crew) = spawned.crew {
        let (_, socket) = crew.into_parts();
        tokio::spawn(packets(socket, lane(&link, CREW_LANE)?, Some(outlet.clone())));
    }
    if let Some(lines) = spawned.extensions_output {
        tokio::spawn(send(lines, lane(&link, EXTENSIONS_OUTPUT_LANE)?.sender, None));
    }
    let lines = outlet.clone();
    tokio::spawn(async move { lines.run().await });
    let told_to_end = process.clone();
    tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            if message == Message::Terminate {
                told_to_end.terminate();
            }
        }
    });
    let (watched, told) = (process.clone(), link.clone());
    tokio::spawn(async move {
        watched.memory_exceeded().await;
        told.say(Message::MemoryExceeded).await
    });
    link.say(Message::Started).await?;
    let ended = process.ended().await;
    outlet.flush().await?;
    let (out_of_memory, max_memory_bytes) = (ended.out_of_memory, ended.max_memory_bytes);
    link.say(Message::Ended { exit: Exit::to_bytes(ended.exit), out_of_memory, max_memory_bytes }).await
}

fn lane(link: &Arc<Link>, id: u32) -> io::Result<Lane> {
    link.lane(id).ok_or_else(|| io::Error::other("a lane exists already"))
}

/// Makes each connection of the function a lane to the host.
async fn admit(listener: TcpListener, door: Door, link: Arc<Link>, outlet: Arc<Outlet>, lanes: Arc<AtomicU32>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(held) = room.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            deadline::after(ACCEPT_FAILED_REST).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let id = lanes.fetch_add(1, Ordering::Relaxed);
        let Some(lane) = link.lane(id) else { continue };
        if link.open(id, door).await.is_err() {
            return;
        }
        let outlet = outlet.clone();
        tokio::spawn(async move {
            both_ways(stream, lane, Some(outlet)).await;
            drop(held);
        });
    }
}

/// The port that leads to the host, by its name.
async fn open_port() -> io::Result<OwnedFd> {
    for _ in 0..PORT_LOOKS_MAX {
        let ports = std::fs::read_dir("/sys/class/virtio-ports").into_iter().flatten().flatten();
        let mut names = ports.filter(|port| {
            std::fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim() == LINK_PORT)
        });
        if let Some(port) = names.next() {
            let device = Path::new("/dev").join(port.file_name());
            let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(device);
            return opened.map(OwnedFd::from);
        }
        deadline::after(PORT_LOOK_INTERVAL).await;
    }
    Err(io::Error::other("the machine has no link to the host"))
}

fn set_clock(begin: &Begin) -> io::Result<()> {
    let time = libc::timespec { tv_sec: begin.seconds, tv_nsec: begin.nanoseconds.into() };
    // SAFETY: passes a valid structure.
    match unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
