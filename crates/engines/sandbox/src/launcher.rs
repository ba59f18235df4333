//! The launcher: the privileged part, a separate program, single-threaded and without async.
//!
//! It makes environments when the server asks, reaps them, and reports their end. When the server
//! dies its socket closes, whatever killed it; the launcher then kills and removes all that it made.
//! When the launcher itself is killed the kernel does so: each environment's first
//! process asks the kernel for SIGKILL on the launcher's death, and is the init of a process
//! namespace whose processes the kernel kills with it.
//!
//! With root it needs no more. Without, it first enters a user namespace in which it is root.

mod birth;
mod confine;
mod init;
pub(crate) mod message;
mod root;
mod seccomp;
mod sys;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::cgroup::{Group, Hierarchy};
use message::{Event, Request, Start};
use root::Root;

pub(crate) use confine::CHANNEL_FD;

/// The argument with which the server runs its own executable as the launcher.
pub const LAUNCHER_ARGUMENT: &str = "--kobel-launcher";

/// The most environments at the same time.
const ENVIRONMENTS_MAX: usize = 4096;

/// What the launcher knows of one environment.
struct Child {
    pid: i32,
    pidfd: OwnedFd,
    /// Both ends hold it while both live; the init reports its end through it.
    leash: OwnedFd,
    group: Option<Group>,
}

struct Launcher {
    control: OwnedFd,
    root: Root,
    hierarchy: Hierarchy,
    as_root: bool,
    /// Told apart by host user, so that they cannot share per-user limits.
    slot: u32,
    children: BTreeMap<String, Child>,
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
    let control = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let Some((request, _)) = message::receive::<Request>(&control)? else { return Ok(()) };
    let Request::Prepare { root_dir, runtime_dir, group_name } = request else {
        return Err(io::Error::other("the first message must prepare"));
    };
    let hierarchy = Hierarchy::open(&group_name);
    hierarchy.sweep();
    let entered = birth::enter_own_namespaces();
    let entered = entered.and_then(|as_root| Ok((as_root, Root::assemble(&root_dir, &runtime_dir)?)));
    let (as_root, root) = match entered {
        Ok(entered) => entered,
        Err(error) => return message::send(&control, &Event::Unavailable { reason: error.to_string() }, &[]),
    };
    let mut launcher = Launcher { control, root, hierarchy, as_root, slot: 0, children: BTreeMap::new() };
    if let Err(error) = birth::probe(&launcher.root, as_root) {
        return launcher.tell(&Event::Unavailable { reason: error.to_string() });
    }
    launcher.tell(&Event::Prepared {
        group_version: launcher.hierarchy.version(),
        controllers: launcher.hierarchy.controllers(),
        missing: launcher.hierarchy.missing.clone(),
        as_root,
    })?;
    let result = launcher.serve();
    launcher.end_all();
    match result {
        // The server went away while something was said to it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

impl Launcher {
    /// Answers requests and reaps, until the server is gone.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let (asked, ended) = self.wait()?;
            for id in ended {
                self.reap(&id)?;
            }
            if !asked {
                continue;
            }
            match message::receive::<Request>(&self.control)? {
                None => return Ok(()),
                Some((Request::Start(start), descriptors)) => self.start(*start, descriptors)?,
                Some((Request::Kill { id }, _)) => self.kill(&id),
                Some((Request::Prepare { .. }, _)) => return Err(io::Error::other("prepared already")),
            }
        }
    }

    /// Waits for a request or for the end of environments.
    fn wait(&self) -> io::Result<(bool, Vec<String>)> {
        let mut polled = vec![PollFd::new(&self.control, PollFlags::IN)];
        polled.extend(self.children.values().map(|child| PollFd::new(&child.pidfd, PollFlags::IN)));
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => return Ok((false, Vec::new())),
            other => other?,
        };
        let asked = !polled[0].revents().is_empty();
        let ended = polled[1..].iter().zip(self.children.keys()).filter(|(fd, _)| !fd.revents().is_empty());
        Ok((asked, ended.map(|(_, id)| id.clone()).collect()))
    }

    fn start(&mut self, start: Start, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let id = start.id.clone();
        match self.make(start, descriptors) {
            Ok(child) => {
                let event = Event::Started { id: id.clone(), pid: child.pid, group: child.group.clone() };
                self.children.insert(id, child);
                self.tell(&event)
            }
            Err(error) => self.tell(&Event::Failed { id, reason: error.to_string() }),
        }
    }

    fn make(&mut self, start: Start, descriptors: Vec<OwnedFd>) -> io::Result<Child> {
        if self.children.contains_key(&start.id) {
            return Err(io::Error::other(format!("environment `{}` exists already", start.id)));
        }
        if self.children.len() >= ENVIRONMENTS_MAX {
            return Err(io::Error::other(format!("{ENVIRONMENTS_MAX} environments exist already")));
        }
        let group = self.hierarchy.group(&start.id);
        if let Some(group) = &group {
            group.create(&start.limits).inspect_err(|_| group.remove())?;
        }
        self.slot = (self.slot + 1) % birth::SLOTS_MAX;
        let born = birth::bear(&self.root, &start, descriptors, group.as_ref(), self.as_root.then_some(self.slot));
        match born {
            Ok((pid, pidfd, leash)) => Ok(Child { pid, pidfd, leash, group }),
            Err(error) => {
                if let Some(group) = &group {
                    group.remove();
                }
                Err(error)
            }
        }
    }

    fn kill(&self, id: &str) {
        if let Some(child) = self.children.get(id) {
            child.kill();
        }
    }

    fn reap(&mut self, id: &str) -> io::Result<()> {
        let Some(child) = self.children.remove(id) else { return Ok(()) };
        sys::wait(child.pid)?;
        let exit = init::last_words(child.leash.as_fd());
        let out_of_memory = child.group.as_ref().is_some_and(|group| group.out_of_memory_kills() > 0);
        let max_memory_bytes = child.group.as_ref().filter(|group| group.memory.is_some()).map(Group::max_memory_bytes);
        if let Some(group) = &child.group {
            group.remove();
        }
        self.tell(&Event::Ended { id: id.to_owned(), exit, out_of_memory, max_memory_bytes })
    }

    /// The server is gone: kills all, waits for them, removes their groups.
    fn end_all(&mut self) {
        self.children.values().for_each(Child::kill);
        for child in std::mem::take(&mut self.children).into_values() {
            let _ = sys::wait(child.pid);
            if let Some(group) = &child.group {
                group.remove();
            }
        }
        self.hierarchy.remove();
    }

    fn tell(&self, event: &Event) -> io::Result<()> {
        let none: [BorrowedFd<'_>; 0] = [];
        message::send(&self.control, event, &none)
    }
}

impl Child {
    fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        if let Some(group) = &self.group {
            // Frozen processes of version 1 do not die before they are thawed.
            let _ = group.freeze(false);
        }
    }
}
