//! Kobel's side of a machine: waits for its boot, hands its streams on, knows what the guest tells.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::{mpsc, oneshot, watch};

use super::frame::{Begin, Door, Message};
use super::guest::CONNECTIONS_MAX;
use super::link::{CHANNEL_LANE, CREW_LANE, EXTENSIONS_OUTPUT_LANE, Heard, Lane, LaneReceiver, Link, OUTPUT_LANE};
use super::{NO_STEM, relay};
use crate::deadline;
use crate::driver::crew::Crew;
use crate::driver::namespaces::watched;
use crate::driver::{self, Conversation, Ended, Later, Listener, Process, Spawned};
use crate::exit::Exit;
use crate::spec::StartMode;

/// How long the last lines of a function that has ended may be under way.
const LAST_LINES_MAX: Duration = Duration::from_secs(1);
/// What is kept of a machine's console, to tell why it did not start.
const CONSOLE_BYTES_MAX: usize = 4096;

/// A machine with its function.
struct Guest {
    machine: Arc<dyn Process>,
    link: Arc<Link>,
    facts: Arc<Facts>,
}

/// What the guest has told.
#[derive(Default)]
struct Facts {
    ended: watch::Sender<Option<Ended>>,
    exceeded: watch::Sender<bool>,
    max_memory_bytes: AtomicU64,
}

/// The last that a machine printed.
#[derive(Clone, Default)]
struct Console(Arc<Mutex<Vec<u8>>>);

/// Has a machine that starts run a function.
/// `extensions` are the names of its external ones.
pub(super) async fn begin(
    machine: Spawned,
    begin: Begin,
    extensions: Vec<String>,
    boot_time_max: Duration,
) -> io::Result<Spawned> {
    let driver::Link::Channel(stream) = machine.link else { return Err(io::Error::other("a machine without a link")) };
    let conversation = begin.conversation;
    let console = Console::default();
    tokio::spawn(console.clone().keep(machine.output));
    let machine: Arc<dyn Process> = Arc::from(machine.process);
    let (link, outgoing) = Link::new();
    let (reader, writer) = stream.into_split();
    tokio::spawn(outgoing.run(writer));
    let (channel, output) = (lane(&link, CHANNEL_LANE)?, lane(&link, OUTPUT_LANE)?);
    let (crew, extensions_output) = (lane(&link, CREW_LANE)?, lane(&link, EXTENSIONS_OUTPUT_LANE)?);
    let (started_sender, started) = oneshot::channel();
    let (endpoint_sender, endpoint) = mpsc::channel(CONNECTIONS_MAX);
    let (api_sender, api) = mpsc::channel(CONNECTIONS_MAX);
    let facts = Arc::new(Facts::default());
    let mut listening = Listening {
        link: link.clone(),
        machine: machine.clone(),
        facts: facts.clone(),
        started: Some(started_sender),
        endpoint: endpoint_sender,
        api: api_sender,
    };
    let heard_on = link.clone();
    tokio::spawn(async move {
        if let Err(error) = heard_on.run(reader, |heard| listening.hear(heard)).await {
            tracing::warn!(%error, "a machine was ended, because it said what cannot be");
            listening.machine.kill();
        }
    });
    let guest = Guest { machine, link: link.clone(), facts };
    link.say(Message::Begin(begin)).await?;
    let running = async {
        match started.await {
            Ok(started) => started,
            // Its link broke: how QEMU ended says more, and it does end.
            Err(_) => std::future::pending().await,
        }
    };
    let failed = tokio::select! {
        biased;
        started = running => started.err(),
        ended = guest.machine.ended() => Some(io::Error::other(format!("QEMU {}", ended.exit))),
        () = deadline::after(boot_time_max) => Some(io::Error::other(format!("it did not boot within {boot_time_max:?}"))),
    };
    if let Some(error) = failed {
        return Err(io::Error::other(format!("the virtual machine failed: {error}{}", console.text())));
    }
    let (lines, line_end) = io::pipe()?;
    tokio::spawn(deliver_output(output.receiver, Sender::from_owned_fd(line_end.into())?, link));
    let api = Listener::Carried(api);
    let (crew, extensions_output) = match extensions.is_empty() {
        true => (None, None),
        false => (Some(self::crew(extensions, crew)?), Some(lines_of(extensions_output)?)),
    };
    let (link, extensions) = match conversation {
        Conversation::RuntimeApi => (driver::Link::RuntimeApi(api), None),
        Conversation::Channel => (driver::Link::Channel(carry(channel)?), Some(api)),
    };
    Ok(Spawned {
        process: Box::new(guest),
        output: Receiver::from_owned_fd(lines.into())?,
        link,
        extensions,
        crew,
        extensions_output,
        endpoint: Some(Listener::Carried(endpoint)),
        gateway: None,
        mode: StartMode::Exec,
        why_exec: Some(NO_STEM),
    })
}

fn lane(link: &Arc<Link>, id: u32) -> io::Result<Lane> {
    link.lane(id).ok_or_else(|| io::Error::other("a lane exists already"))
}

/// A socket that stands for a lane.
fn carry(lane: Lane) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    tokio::spawn(relay::both_ways(theirs, lane, None));
    Ok(ours)
}

/// A socket that stands for the first process of the guest's sandbox.
fn crew(names: Vec<String>, lane: Lane) -> io::Result<Crew> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    tokio::spawn(relay::packets(watched(theirs, Interest::READABLE | Interest::WRITABLE)?, lane, None));
    Ok(Crew::of_machine(names, watched(ours, Interest::READABLE)?))
}

/// A pipe that stands for what external extensions write.
fn lines_of(lane: Lane) -> io::Result<Receiver> {
    let (lines, end) = io::pipe()?;
    tokio::spawn(relay::receive(Sender::from_owned_fd(end.into())?, lane.receiver));
    Receiver::from_owned_fd(lines.into())
}

async fn deliver_output(mut output: LaneReceiver, mut pipe: Sender, link: Arc<Link>) {
    while let Some(bytes) = output.receive().await {
        // Nobody reads lines of an environment that is gone.
        let _ = pipe.write_all(&bytes).await;
        link.output_delivered();
    }
}

/// Takes what the guest says.
struct Listening {
    link: Arc<Link>,
    machine: Arc<dyn Process>,
    facts: Arc<Facts>,
    started: Option<oneshot::Sender<io::Result<()>>>,
    endpoint: mpsc::Sender<UnixStream>,
    api: mpsc::Sender<UnixStream>,
}

impl Listening {
    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Message(Message::Started) => self.tell_started(Ok(())),
            Heard::Message(Message::Failed { reason }) => self.tell_started(Err(io::Error::other(reason))),
            Heard::Message(Message::Memory { bytes }) => {
                self.facts.max_memory_bytes.fetch_max(bytes, Ordering::Relaxed);
            }
            Heard::Message(Message::MemoryExceeded) => drop(self.facts.exceeded.send_replace(true)),
            Heard::Message(Message::Ended { exit, out_of_memory, max_memory_bytes }) => {
                let exit = Exit::from_bytes(&exit).unwrap_or(Exit::Signal(libc::SIGKILL));
                self.end(Ended { exit, out_of_memory, max_memory_bytes });
            }
            Heard::Message(Message::Begin(_) | Message::Terminate) => {}
            Heard::Opened(lane, door) => self.admit(lane, door),
        }
    }

    fn tell_started(&mut self, outcome: io::Result<()>) {
        if let Some(started) = self.started.take() {
            let _ = started.send(outcome);
        }
    }

    /// Ends the machine when its function has ended, after the lines that were written before.
    fn end(&self, ended: Ended) {
        let (link, facts, machine) = (self.link.clone(), self.facts.clone(), self.machine.clone());
        let lines = link.output_received();
        tokio::spawn(async move {
            deadline::within(LAST_LINES_MAX, link.wait_for_output(lines)).await;
            facts.ended.send_replace(Some(ended));
            machine.kill();
        });
    }

    fn admit(&self, lane: Lane, door: Door) {
        let queue = match door {
            Door::Endpoint => &self.endpoint,
            Door::RuntimeApi => &self.api,
        };
        // One that is not taken is closed by being dropped.
        match carry(lane) {
            Ok(socket) => drop(queue.try_send(socket)),
            Err(error) => tracing::debug!(%error, "a function's connection was lost"),
        }
    }
}

impl Process for Guest {
    fn kill(&self) {
        self.machine.kill();
    }

    fn has_ended(&self) -> bool {
        self.machine.has_ended()
    }

    fn ended(&self) -> Later<'_, Ended> {
        Box::pin(async {
            self.machine.ended().await;
            let killed = Ended { exit: Exit::Signal(libc::SIGKILL), out_of_memory: false, max_memory_bytes: None };
            self.facts.ended.borrow().unwrap_or(killed)
        })
    }

    fn memory_exceeded(&self) -> Later<'_, ()> {
        Box::pin(async {
            let mut exceeded = self.facts.exceeded.subscribe();
            if exceeded.wait_for(|exceeded| *exceeded).await.is_err() {
                std::future::pending().await
            }
        })
    }

    fn terminate(&self) {
        let link = self.link.clone();
        tokio::spawn(async move { link.say(Message::Terminate).await });
    }

    fn page_out(&self) -> io::Result<()> {
        self.machine.page_out()
    }

    fn freeze(&self) -> io::Result<()> {
        self.machine.freeze()
    }

    fn thaw(&self) -> io::Result<()> {
        self.machine.thaw()
    }

    fn max_memory_bytes(&self) -> u64 {
        self.facts.max_memory_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.machine.kill();
    }
}

impl Console {
    async fn keep(self, mut output: Receiver) {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = output.read(&mut buffer).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(&buffer[..count]);
            let excess = kept.len().saturating_sub(CONSOLE_BYTES_MAX);
            kept.drain(..excess);
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
        if text.trim().is_empty() { String::new() } else { format!("; its console says:\n{}", text.trim()) }
    }
}
