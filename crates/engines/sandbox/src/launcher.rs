//! The launcher: the privileged part, a separate program, single-threaded and without async.
//!
//! It makes environments when the server asks, reaps them, and reports their end. When the server
//! dies its socket closes, whatever killed it; the launcher then kills and removes all that it made.
//! When the launcher itself is killed the kernel does so: each environment's first
//! process asks the kernel for SIGKILL on the launcher's death, and is the init of a process
//! namespace whose processes the kernel kills with it.
//!
//! A sandbox is made ahead of its use where it can be: it stands empty, with its first process waiting on its leash,
//! until a start assigns it. The runtime is executed in it, or forked into it from a stem or a template.
//!
//! With root it needs no more. Without, it first enters a user namespace in which it is root.

mod birth;
mod cable;
mod confine;
mod forks;
mod init;
pub(crate) mod message;
mod nursery;
mod root;
mod seccomp;
mod stem;
mod sys;
mod template;
mod tree;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::epoll;

use crate::cgroup::Hierarchy;
use crate::network::Network;
use message::{Event, Origin, Prepare, Request, Start};
use nursery::{Last, Nursery, Sandbox};
use root::Root;
use stem::Stem;
use template::Template;

pub(crate) use confine::CHANNEL_FD;
pub(crate) use root::SOFTWARE;

/// The argument with which the server runs its own executable as the launcher.
pub const LAUNCHER_ARGUMENT: &str = "--kobel-launcher";

/// The most environments at the same time.
const ENVIRONMENTS_MAX: usize = 4096;
/// The most stems at the same time.
const STEMS_MAX: usize = 32;
/// How many events are taken at once.
const EVENTS_MAX: usize = 64;
/// How often it is looked for children that nobody told of, while a sandbox that may hold such ones ends.
const REAP_INTERVAL: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// An environment: a sandbox with its function's runtime.
struct Child {
    id: String,
    sandbox: Sandbox,
    /// What a stem's child is made with, as soon as the sandbox is open.
    wanted: Option<Wanted>,
    /// The runtime that a stem bore; else it is a child of the sandbox's first process.
    runtime: Option<Runtime>,
    /// How that runtime ended.
    exit: Option<[u8; 5]>,
    /// Set where the runtime is a template.
    template: Option<Template>,
    /// Set where the runtime comes from a template, which is this one.
    origin: Option<u64>,
}

/// What a runtime is forked with.
struct Wanted {
    origin: Origin,
    pids_max: u32,
    output: OwnedFd,
    channel: OwnedFd,
    /// The end that a template gets of its control.
    control: Option<OwnedFd>,
}

struct Runtime {
    pid: i32,
    /// Watched until it is closed.
    _pidfd: OwnedFd,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Control,
    /// A sandbox's first process has ended; the sandbox's serial number.
    Ended(u64),
    /// A sandbox says something on its leash.
    Leash(u64),
    /// The runtime that a stem bore has ended.
    Runtime(u64),
    /// A stem says something; the stem's number.
    Stem(u64),
    /// A template says something; the serial number of its sandbox.
    Template(u64),
}

struct Launcher {
    control: OwnedFd,
    events: OwnedFd,
    nursery: Nursery,
    as_root: bool,
    children: HashMap<u64, Child>,
    serials: HashMap<String, u64>,
    stems: HashMap<u64, Stem>,
    next_stem: u64,
    /// Sandboxes that were killed, and may hold processes that are children of the launcher without its knowing.
    dying: HashSet<u64>,
}

/// The launcher's `main`: for a process that was run with [`LAUNCHER_ARGUMENT`]. Its standard input
/// is the server's socket. Never returns.
pub fn launcher_main() -> ! {
    let status = match run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("kobel launcher: {error}");
            1
        }
    };
    std::process::exit(status)
}

fn run() -> io::Result<()> {
    let entered = birth::enter_own_namespaces();
    let control = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let Some((request, _)) = message::receive::<Request>(&control)? else { return Ok(()) };
    let Request::Prepare(Prepare { root_dir, runtime_dir, group_name, ports, machine, network }) = request else {
        return Err(io::Error::other("the first message must prepare"));
    };
    let hierarchy = Hierarchy::open(&group_name);
    hierarchy.sweep();
    let entered =
        entered.and_then(|as_root| Ok((as_root, Root::assemble(&root_dir, &runtime_dir, machine.as_ref(), as_root)?)));
    let entered = entered.and_then(|(as_root, root)| Ok((as_root, birth::probe(&root, as_root)?, root)));
    let (as_root, no_outside, root) = match entered {
        Ok(entered) => entered,
        Err(error) => return message::send(&control, &Event::Unavailable { reason: error.to_string() }, &[]),
    };
    let prepared = Event::Prepared {
        group_version: hierarchy.version(),
        controllers: hierarchy.controllers(),
        missing: hierarchy.missing.clone(),
        as_root,
        no_outside: no_outside.clone(),
    };
    let network = if no_outside.is_some() { network.min(Network::Kobel) } else { network };
    let mut launcher = Launcher {
        control,
        events: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        nursery: Nursery::new(root, hierarchy, birth::Reach { ports, network }, as_root),
        as_root,
        children: HashMap::new(),
        serials: HashMap::new(),
        stems: HashMap::new(),
        next_stem: 0,
        dying: HashSet::new(),
    };
    watch(&launcher.events, &launcher.control, Source::Control)?;
    launcher.tell(&prepared)?;
    let result = launcher.serve();
    launcher.end_all();
    match result {
        // The server went away while something was said to it.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
        other => other,
    }
}

impl Source {
    const KINDS: u64 = 6;

    fn to_number(self) -> u64 {
        let (kind, serial) = match self {
            Source::Control => (0, 0),
            Source::Ended(serial) => (1, serial),
            Source::Leash(serial) => (2, serial),
            Source::Runtime(serial) => (3, serial),
            Source::Stem(number) => (4, number),
            Source::Template(serial) => (5, serial),
        };
        serial * Source::KINDS + kind
    }

    fn of_number(number: u64) -> Source {
        let serial = number / Source::KINDS;
        match number % Source::KINDS {
            0 => Source::Control,
            1 => Source::Ended(serial),
            2 => Source::Leash(serial),
            3 => Source::Runtime(serial),
            4 => Source::Stem(serial),
            _ => Source::Template(serial),
        }
    }
}

fn watch(events: &OwnedFd, descriptor: &OwnedFd, source: Source) -> io::Result<()> {
    let data = epoll::EventData::new_u64(source.to_number());
    Ok(epoll::add(events, descriptor, data, epoll::EventFlags::IN)?)
}

impl Launcher {
    /// Answers requests and reaps, until the server is gone.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            for source in self.wait()? {
                match source {
                    Source::Control => match message::receive::<Request>(&self.control)? {
                        None => return Ok(()),
                        Some((request, descriptors)) => self.answer(request, descriptors)?,
                    },
                    Source::Ended(serial) => self.reap(serial)?,
                    Source::Leash(serial) => self.let_in(serial)?,
                    Source::Runtime(serial) => self.reap_runtime(serial)?,
                    Source::Stem(number) => self.hear_stem(number)?,
                    Source::Template(serial) => self.hear_template(serial)?,
                }
            }
        }
    }

    /// Waits for something to happen; makes sandboxes ahead meanwhile.
    fn wait(&mut self) -> io::Result<Vec<Source>> {
        let mut happened: Vec<epoll::Event> = Vec::with_capacity(EVENTS_MAX);
        loop {
            if !self.dying.is_empty() {
                self.reap_ended_unknown();
            }
            let timeout = match (self.nursery.wants_quiet(), self.dying.is_empty()) {
                (Some(quiet), _) => Some(quiet),
                (None, false) => Some(REAP_INTERVAL),
                (None, true) => None,
            };
            let buffer = rustix::buffer::spare_capacity(&mut happened);
            match epoll::wait(&self.events, buffer, timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            if !happened.is_empty() {
                return Ok(happened.iter().map(|event| Source::of_number(event.data.u64())).collect());
            }
            if self.nursery.wants_quiet().is_some() {
                self.nursery.make_ahead();
            }
        }
    }

    fn answer(&mut self, request: Request, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        match request {
            Request::Prepare(_) => Err(io::Error::other("prepared already")),
            Request::Start(start) => {
                let id = start.id.clone();
                match self.start(*start, descriptors) {
                    Ok(()) => Ok(()),
                    Err(error) => self.tell(&Event::Failed { id, reason: error.to_string() }),
                }
            }
            Request::Kill { id } => {
                if let Some(serial) = self.serials.get(&id) {
                    self.kill(*serial);
                }
                Ok(())
            }
            Request::Plant(stem) => self.plant(stem),
        }
    }

    fn start(&mut self, start: Start, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        if self.serials.contains_key(&start.id) {
            return Err(io::Error::other(format!("environment `{}` exists already", start.id)));
        }
        if self.children.len() >= ENVIRONMENTS_MAX {
            return Err(io::Error::other(format!("{ENVIRONMENTS_MAX} environments exist already")));
        }
        let (sandbox, origin) = self.sandbox_for(&start.origin)?;
        let (id, pid, serial) = (start.id.clone(), sandbox.pid, sandbox.serial);
        let group = sandbox.group.clone();
        let assigned = nursery::assign(&self.nursery.root, &sandbox, start, descriptors);
        let mut wanted = assigned.inspect_err(|_| self.nursery.discard(&sandbox))?;
        let template = wanted.as_mut().map(forks::conceive).transpose()?.flatten();
        watch(&self.events, &sandbox.pidfd, Source::Ended(serial))?;
        if let Some(template) = &template {
            watch(&self.events, &template.control, Source::Template(serial))?;
        }
        if wanted.is_some() {
            watch(&self.events, &sandbox.leash, Source::Leash(serial))?;
        } else {
            self.tell(&Event::Started { id: id.clone(), pids: vec![pid], group })?;
        }
        self.serials.insert(id.clone(), serial);
        self.children.insert(serial, Child { id, sandbox, wanted, runtime: None, exit: None, template, origin });
        Ok(())
    }

    /// A sandbox for a runtime, and the serial number of the template that it comes from.
    fn sandbox_for(&mut self, origin: &Origin) -> io::Result<(Sandbox, Option<u64>)> {
        let Origin::Template { id } = origin else { return Ok((self.nursery.take()?, None)) };
        let serial = self.serials.get(id).copied();
        let template = serial.and_then(|serial| self.children.get(&serial));
        let Some(template) = template.filter(|child| child.template.is_some() && child.runtime.is_some()) else {
            return Err(io::Error::other("the template is gone"));
        };
        let made = self.nursery.make_within(&template.sandbox.pidfd);
        if let (Err(_), Some(serial)) = (&made, serial) {
            // It may have had a hand in it.
            self.kill(serial);
        }
        Ok((made?, serial))
    }

    /// A sandbox is open: orders its runtime.
    fn let_in(&mut self, serial: u64) -> io::Result<()> {
        let Some(mut child) = self.children.remove(&serial) else { return Ok(()) };
        epoll::delete(&self.events, &child.sandbox.leash)?;
        let wanted = child.wanted.take();
        let ordered = wanted.as_ref().map_or(Ok(()), |wanted| self.order(&child, wanted));
        let origin = child.origin;
        self.children.insert(serial, child);
        if let (Err(_), Some(origin)) = (&ordered, origin) {
            self.kill(origin);
        }
        ordered.or_else(|error| self.fail(serial, &error))
    }

    /// An environment could not be made after all.
    fn fail(&mut self, serial: u64, error: &io::Error) -> io::Result<()> {
        self.kill(serial);
        let Some(child) = self.children.get(&serial) else { return Ok(()) };
        self.tell(&Event::Failed { id: child.id.clone(), reason: error.to_string() })
    }

    /// Kills an environment as a whole.
    fn kill(&mut self, serial: u64) {
        let Some(child) = self.children.get(&serial) else { return };
        child.kill();
        if child.template.is_some() || child.origin.is_some() && child.runtime.is_none() {
            self.dying.insert(serial);
        }
    }

    /// The runtime that a stem bore has ended, and so must its sandbox.
    fn reap_runtime(&mut self, serial: u64) -> io::Result<()> {
        let Some(child) = self.children.get_mut(&serial) else { return Ok(()) };
        let Some(runtime) = child.runtime.take() else { return Ok(()) };
        let (_, status) = sys::wait(runtime.pid)?;
        child.exit = Some(crate::exit::Exit::of_status(status).to_bytes());
        self.kill(serial);
        Ok(())
    }

    /// Ends runtimes that were born without telling: a sandbox cannot end before they are reaped.
    fn reap_unknown(&self) {
        for pid in self.unknown_children() {
            let _ = sys::end(pid);
        }
    }

    /// Reaps those that have ended by themselves. Others may be about to be told of.
    fn reap_ended_unknown(&self) {
        self.unknown_children().into_iter().for_each(sys::reap_if_ended);
    }

    fn is_unknown_child(&self, pid: i32) -> bool {
        sys::is_child(pid) && !self.known_children().any(|known| known == pid)
    }

    fn unknown_children(&self) -> Vec<i32> {
        let known: HashSet<i32> = self.known_children().collect();
        sys::children().into_iter().filter(|pid| !known.contains(pid)).collect()
    }

    fn known_children(&self) -> impl Iterator<Item = i32> {
        let own = self.children.values().flat_map(|child| {
            [Some(child.sandbox.pid), child.runtime.as_ref().map(|runtime| runtime.pid)].into_iter().flatten()
        });
        own.chain(self.nursery.pids()).chain(self.stems.values().map(|stem| stem.pid))
    }

    fn reap(&mut self, serial: u64) -> io::Result<()> {
        let Some(child) = self.children.remove(&serial) else { return Ok(()) };
        self.serials.remove(&child.id);
        self.dying.remove(&serial);
        if let Some(runtime) = &child.runtime {
            sys::wait(runtime.pid)?;
        }
        let Last { exit, out_of_memory, max_memory_bytes } = child.sandbox.end(child.exit)?;
        self.tell(&Event::Ended { id: child.id, exit, out_of_memory, max_memory_bytes })
    }

    /// The server is gone: kills all, waits for them, removes their groups.
    fn end_all(&mut self) {
        self.children.values().for_each(Child::kill);
        for stem in std::mem::take(&mut self.stems).into_values() {
            let _ = sys::end(stem.pid);
        }
        self.nursery.kill();
        // Whoever they are: no sandbox ends before all of its processes are reaped.
        sys::wait_for_all();
        for child in std::mem::take(&mut self.children).into_values() {
            let _ = child.sandbox.end(None);
        }
        self.nursery.close();
    }

    fn tell(&self, event: &Event) -> io::Result<()> {
        let none: [BorrowedFd<'_>; 0] = [];
        message::send(&self.control, event, &none)
    }
}

impl Child {
    fn kill(&self) {
        self.sandbox.kill();
    }
}
