//! The server's end of the launcher's socket, and the thread that listens on it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, socketpair};
use tokio::sync::{Notify, oneshot, watch};

use super::{Ended, KILLED, Settings};
use crate::cgroup::Group;
use crate::error::Error;
use crate::exit::Exit;
use crate::launcher::LAUNCHER_ARGUMENT;
use crate::launcher::message::{self, Event, Prepare, Request, Start, Stem};
use crate::network::Network;
use crate::session::RUNTIME_API_PORT;

/// How often a stem is booted before functions do without it.
const PLANTINGS_MAX: u32 = 3;

/// A launcher and what is known of its environments.
pub(super) struct Client {
    socket: OwnedFd,
    prepared: Prepared,
    dead: AtomicBool,
    lives: Mutex<HashMap<String, Slot>>,
    stems: Mutex<HashMap<String, Planting>>,
    /// Told when one of them has booted or ended.
    stems_changed: Notify,
}

/// How far a stem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planting {
    /// It boots for the n-th time.
    Booting(u32),
    Ready(u32),
    /// It ended; after too many times it is not tried again.
    Ended(u32),
}

/// What the launcher said about the host.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub group_version: u8,
    pub controllers: [bool; 4],
    pub missing: Vec<String>,
    pub as_root: bool,
    /// Why environments cannot reach the outside.
    pub no_outside: Option<String>,
}

/// The environment's processes and its control group.
type Started = io::Result<(Vec<i32>, Option<Group>)>;

/// Where the listening thread puts what it hears about one environment.
struct Slot {
    started: Option<oneshot::Sender<Started>>,
    ended: watch::Sender<Option<Ended>>,
}

/// The life of one environment; dropping it kills.
pub(super) struct Life {
    id: String,
    client: Arc<Client>,
    started: Option<oneshot::Receiver<Started>>,
    ended: watch::Receiver<Option<Ended>>,
}

impl Client {
    /// Runs a launcher and waits for its first answer.
    pub(super) fn open(settings: &Settings) -> Result<Arc<Client>, Error> {
        let failed = |source| Error::Launcher { path: settings.program.display().to_string(), source };
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (socket, theirs) = pair.map_err(|error| failed(error.into()))?;
        let (answer, answered) = mpsc::channel();
        let kept = settings.clone();
        let thread = std::thread::Builder::new().name("launcher".to_owned());
        thread.spawn(move || attend(&kept, socket, theirs, &answer)).map_err(failed)?;
        answered.recv().map_err(|_| failed(io::Error::other("it ended without an answer")))?
    }

    pub(super) fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Ends the launcher and with it all environments.
    pub(super) fn close(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
    }

    /// Asks for an environment.
    pub(super) fn start(self: &Arc<Self>, start: &Start, descriptors: &[BorrowedFd<'_>]) -> io::Result<Life> {
        let (started_sender, started) = oneshot::channel();
        let (ended_sender, ended) = watch::channel(None);
        let slot = Slot { started: Some(started_sender), ended: ended_sender };
        {
            let mut lives = self.lives();
            if lives.contains_key(&start.id) {
                return Err(io::Error::other(format!("environment `{}` exists already", start.id)));
            }
            lives.insert(start.id.clone(), slot);
        }
        if let Err(error) = message::send(&self.socket, &StartRequest::Start(start), descriptors) {
            self.lives().remove(&start.id);
            return Err(error);
        }
        Ok(Life { id: start.id.clone(), client: self.clone(), started: Some(started), ended })
    }

    fn hear(&self, event: Event) {
        match event {
            Event::Started { id, pids, group } => self.tell_started(&id, Ok((pids, group))),
            Event::Planted { name } => self.set_planting(&name, Planting::Ready),
            Event::Withered { name, reason } => {
                tracing::warn!(stem = name, %reason, "a booted interpreter was lost; functions start it anew");
                self.set_planting(&name, Planting::Ended);
            }
            Event::Failed { id, reason } => {
                self.tell_started(&id, Err(io::Error::other(reason)));
                self.finish(&id, KILLED);
            }
            Event::Ended { id, exit, out_of_memory, max_memory_bytes } => {
                let exit = exit.and_then(|exit| Exit::from_bytes(&exit)).unwrap_or(KILLED.exit);
                self.finish(&id, Ended { exit, out_of_memory, max_memory_bytes });
            }
            Event::Prepared { .. } | Event::Unavailable { .. } => {}
        }
    }

    /// Whether a stem can be forked.
    pub(super) fn has_stem(&self, name: &str) -> bool {
        matches!(self.stems().get(name), Some(Planting::Ready(_)))
    }

    /// Why a stem cannot be forked.
    pub(super) fn why_no_stem(&self, name: &str) -> &'static str {
        match self.stems().get(name) {
            Some(Planting::Ended(PLANTINGS_MAX..)) => "its stem ended too often",
            Some(Planting::Booting(_)) => "its stem boots",
            Some(Planting::Ended(_) | Planting::Ready(_)) | None => "the first of its stem",
        }
    }

    /// Boots a stem, unless it boots or has ended too often.
    pub(super) fn plant(&self, stem: Stem) {
        let times = match self.stems().get(&stem.name) {
            None => 0,
            Some(Planting::Ended(times)) if *times < PLANTINGS_MAX => *times,
            Some(_) => return,
        };
        self.stems().insert(stem.name.clone(), Planting::Booting(times + 1));
        if let Err(error) = message::send(&self.socket, &Request::Plant(stem), &[]) {
            tracing::debug!(%error, "failed to ask the launcher for a stem");
        }
    }

    fn set_planting(&self, name: &str, to: fn(u32) -> Planting) {
        if let Some(planting) = self.stems().get_mut(name) {
            let (Planting::Booting(times) | Planting::Ready(times) | Planting::Ended(times)) = *planting;
            *planting = to(times);
        }
        self.stems_changed.notify_waiters();
    }

    /// Waits until a stem that was asked for can be forked.
    pub(super) async fn stem_booted(&self, name: &str) -> io::Result<()> {
        loop {
            let changed = self.stems_changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            match self.stems().get(name) {
                Some(Planting::Ready(_)) => return Ok(()),
                Some(Planting::Booting(_)) if !self.is_dead() => {}
                _ => return Err(io::Error::other("the interpreter could not be booted ahead")),
            }
            changed.await;
        }
    }

    fn stems(&self) -> std::sync::MutexGuard<'_, HashMap<String, Planting>> {
        self.stems.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_started(&self, id: &str, outcome: Started) {
        let sender = self.lives().get_mut(id).and_then(|slot| slot.started.take());
        if let Some(sender) = sender {
            let _ = sender.send(outcome);
        }
    }

    fn finish(&self, id: &str, ended: Ended) {
        if let Some(slot) = self.lives().remove(id) {
            slot.ended.send_replace(Some(ended));
        }
    }

    /// The launcher is gone, and the kernel has killed what it made.
    fn finish_all(&self) {
        self.dead.store(true, Ordering::Release);
        self.stems_changed.notify_waiters();
        for (_, slot) in std::mem::take(&mut *self.lives()) {
            slot.ended.send_replace(Some(KILLED));
        }
    }

    fn lives(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`Request::Start`] by reference: the same text.
#[derive(serde::Serialize)]
enum StartRequest<'a> {
    Start(&'a Start),
}

/// The listening thread: runs the launcher, hears its events, waits for its end.
fn attend(settings: &Settings, socket: OwnedFd, theirs: OwnedFd, answer: &mpsc::Sender<Result<Arc<Client>, Error>>) {
    let failed = |source| Error::Launcher { path: settings.program.display().to_string(), source };
    let mut child = match run(settings, theirs) {
        Ok(child) => child,
        Err(error) => {
            let _ = answer.send(Err(failed(error)));
            return;
        }
    };
    match prepare(settings, &socket) {
        Err(error) => {
            drop(socket);
            let _ = child.wait();
            let _ = answer.send(Err(error));
        }
        Ok(prepared) => {
            let dead = AtomicBool::new(false);
            let (lives, stems) = (Mutex::default(), Mutex::default());
            let stems_changed = Notify::new();
            let client = Arc::new(Client { socket, prepared, dead, lives, stems, stems_changed });
            let _ = answer.send(Ok(client.clone()));
            while let Ok(Some((event, _))) = message::receive::<Event>(&client.socket) {
                client.hear(event);
            }
            client.close();
            let _ = child.wait();
            client.finish_all();
        }
    }
}

fn run(settings: &Settings, theirs: OwnedFd) -> io::Result<Child> {
    let mut command = Command::new(&settings.program);
    command.arg(LAUNCHER_ARGUMENT).env_clear().current_dir("/");
    command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).spawn()
}

fn prepare(settings: &Settings, socket: &OwnedFd) -> Result<Prepared, Error> {
    let failed = |source| Error::Launcher { path: settings.program.display().to_string(), source };
    let request = Request::Prepare(Prepare {
        root_dir: settings.root_dir.clone(),
        runtime_dir: settings.runtime_dir.clone(),
        group_name: settings.group_name.clone(),
        ports: vec![settings.endpoint_port, RUNTIME_API_PORT],
        machine: settings.machine.clone(),
        network: settings.network.unwrap_or(Network::Host),
    });
    message::send(socket, &request, &[]).map_err(failed)?;
    match message::receive::<Event>(socket).map_err(failed)? {
        Some((Event::Prepared { group_version, controllers, missing, as_root, no_outside }, _)) => {
            Ok(Prepared { group_version, controllers, missing, as_root, no_outside })
        }
        Some((Event::Unavailable { reason }, _)) => Err(Error::Namespaces { reason }),
        Some(_) | None => Err(failed(io::Error::other("it ended without an answer"))),
    }
}

impl Life {
    /// Waits for the first process.
    pub(super) async fn started(&mut self) -> Started {
        let started = self.started.take().ok_or_else(|| io::Error::other("asked twice"))?;
        started.await.map_err(|_| io::Error::other("the launcher ended"))?
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    pub(super) fn known_max_memory_bytes(&self) -> Option<u64> {
        self.ended.borrow().and_then(|ended| ended.max_memory_bytes)
    }

    pub(super) fn kill(&self) {
        if !self.has_ended() && !self.client.is_dead() {
            let request = Request::Kill { id: self.id.clone() };
            if let Err(error) = message::send(&self.client.socket, &request, &[]) {
                tracing::debug!(%error, "failed to ask the launcher to kill an environment");
            }
        }
    }

    pub(super) async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended).unwrap_or(KILLED)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.kill();
    }
}
