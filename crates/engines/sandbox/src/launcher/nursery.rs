//! Sandboxes: made, some of them ahead of their use, assigned to environments, and removed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::Timespec;
use rustix::process::{Signal, pidfd_send_signal};

use super::init::{self, Assignment, StartMode};
use super::message::{Origin, Start};
use super::root::Root;
use super::stem::{Order, Stem};
use super::template::Template;
use super::{Wanted, birth, sys, tree};
use crate::cgroup::{Group, Hierarchy};

/// How many sandboxes stand ready once environments are being started.
const AHEAD: usize = 6;
/// With fewer than these it is not waited for long.
const FEW: usize = 3;
/// How long the launcher is left alone before it makes another one.
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
const SHORT_QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// How many processes a template and all of its children may have together.
const TEMPLATE_PROCESSES_MAX: u32 = 1_000_000;

/// Namespaces, a root and a control group, with a first process that waits for its assignment or has it.
pub(super) struct Sandbox {
    pub serial: u64,
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// Both ends hold it while both live; the first process reports its end through it.
    pub leash: OwnedFd,
    pub group: Option<Group>,
}

/// The facts of a sandbox's end.
pub(super) struct Last {
    pub exit: Option<[u8; 5]>,
    pub out_of_memory: bool,
    pub max_memory_bytes: Option<u64>,
}

/// Makes sandboxes.
pub(super) struct Nursery {
    pub root: Root,
    hierarchy: Hierarchy,
    reach: birth::Reach,
    as_root: bool,
    /// Told apart by host user, so that they cannot share per-user limits.
    slot: u32,
    serial: u64,
    ahead: Vec<Sandbox>,
    /// An idle server needs none.
    in_use: bool,
    /// The last one made ahead failed; the next start tells why.
    failing: bool,
}

impl Nursery {
    pub(super) fn new(root: Root, hierarchy: Hierarchy, reach: birth::Reach, as_root: bool) -> Nursery {
        let ahead = Vec::new();
        Nursery { root, hierarchy, reach, as_root, slot: 0, serial: 0, ahead, in_use: false, failing: false }
    }

    /// A sandbox that stands ready, or a new one.
    pub(super) fn take(&mut self) -> io::Result<Sandbox> {
        self.in_use = true;
        self.failing = false;
        match self.ahead.pop() {
            Some(sandbox) => Ok(sandbox),
            None => self.make(),
        }
    }

    /// The first processes of the sandboxes that stand ready.
    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        self.ahead.iter().map(|sandbox| sandbox.pid)
    }

    /// After how much time without any event a sandbox is made ahead, if one is: what is being started just now needs the
    /// host's processors and the kernel's locks more.
    pub(super) fn wants_quiet(&self) -> Option<Timespec> {
        let lacks = self.in_use && !self.failing && self.ahead.len() < AHEAD;
        lacks.then_some(if self.ahead.len() < FEW { SHORT_QUIET } else { QUIET })
    }

    pub(super) fn make_ahead(&mut self) {
        match self.make() {
            Ok(sandbox) => self.ahead.push(sandbox),
            Err(_) => self.failing = true,
        }
    }

    /// A new sandbox inside of that of the template whose first process is `outer`.
    pub(super) fn make_within(&mut self, outer: &OwnedFd) -> io::Result<Sandbox> {
        self.make_by(|nursery, group| birth::bear_within(outer, &nursery.root, &nursery.reach, group, nursery.as_root))
    }

    fn make(&mut self) -> io::Result<Sandbox> {
        self.slot = (self.slot + 1) % birth::SLOTS_MAX;
        self.make_by(|nursery, group| {
            birth::bear(&nursery.root, &nursery.reach, group, nursery.as_root.then_some(nursery.slot))
        })
    }

    fn make_by(
        &mut self,
        bear: impl FnOnce(&Nursery, Option<&Group>) -> io::Result<birth::Born>,
    ) -> io::Result<Sandbox> {
        self.serial += 1;
        let group = self.hierarchy.group(&format!("sandbox-{}", self.serial));
        if let Some(group) = &group {
            group.create().inspect_err(|_| group.remove())?;
        }
        match bear(self, group.as_ref()) {
            Ok(birth::Born { pid, pidfd, leash }) => Ok(Sandbox { serial: self.serial, pid, pidfd, leash, group }),
            Err(error) => {
                if let Some(group) = &group {
                    group.remove();
                }
                Err(error)
            }
        }
    }

    /// Removes a sandbox that is of no use.
    pub(super) fn discard(&self, sandbox: &Sandbox) {
        sandbox.kill();
        let _ = sandbox.end(None);
    }

    /// Kills all that stand ready.
    pub(super) fn kill(&self) {
        self.ahead.iter().for_each(Sandbox::kill);
    }

    /// Removes all that stand ready, and Kobel's own control group.
    pub(super) fn close(&mut self) {
        for sandbox in std::mem::take(&mut self.ahead) {
            self.discard(&sandbox);
        }
        self.hierarchy.remove();
    }
}

impl Sandbox {
    pub(super) fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        if let Some(group) = &self.group {
            // Frozen processes of version 1 do not die before they are thawed.
            let _ = group.freeze(false);
        }
    }

    /// Waits for the first process, removes the group; `exit` is what is known of the runtime already.
    pub(super) fn end(&self, exit: Option<[u8; 5]>) -> io::Result<Last> {
        match sys::wait(self.pid) {
            // It was reaped with all others.
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {}
            waited => drop(waited?),
        }
        let exit = exit.or_else(|| init::last_words(self.leash.as_fd()));
        let out_of_memory = self.group.as_ref().is_some_and(|group| group.out_of_memory_kills() > 0);
        let max_memory_bytes = self.group.as_ref().filter(|group| group.memory.is_some()).map(Group::max_memory_bytes);
        if let Some(group) = &self.group {
            group.remove();
        }
        Ok(Last { exit, out_of_memory, max_memory_bytes })
    }
}

/// Makes a sandbox into an environment; what is to be forked into it comes back. `descriptors` are those of
/// [`super::message::Request::Start`].
pub(super) fn assign(
    root: &Root,
    sandbox: &Sandbox,
    start: Start,
    mut descriptors: Vec<OwnedFd>,
) -> io::Result<Option<Wanted>> {
    let mode = match start.origin {
        Origin::Program => StartMode::Execute,
        Origin::Stem { .. } => StartMode::Stem,
        Origin::Template { .. } => StartMode::Template,
    };
    let is_forked = mode != StartMode::Execute;
    if is_forked && !start.extensions.programs.is_empty() {
        return Err(io::Error::other("what is forked has no extensions"));
    }
    let extensions_output = if start.extensions.programs.is_empty() { None } else { descriptors.pop() };
    let mut descriptors = descriptors.into_iter();
    let (Some(output), Some(report)) = (descriptors.next(), descriptors.next()) else {
        return Err(io::Error::other("a start without output and report"));
    };
    let channel = descriptors.next();
    if let Some(group) = &sandbox.group {
        group.limit(&start.limits)?;
    }
    let folders = folders(root, &start)?;
    let assignment = Assignment {
        arguments: start.arguments,
        variables: start.variables,
        limits: start.limits,
        trees: folders.iter().map(|(_, target)| (*target).to_owned()).collect(),
        working_dir: start.working_dir,
        network: start.network,
        start: mode,
        extensions: start.extensions,
    };
    let mut sent = vec![report.as_fd(), output.as_fd()];
    sent.extend(folders.iter().map(|(tree, _)| tree.as_fd()));
    sent.extend(channel.as_ref().filter(|_| !is_forked).map(AsFd::as_fd));
    sent.extend(extensions_output.as_ref().map(AsFd::as_fd));
    init::assign(&sandbox.leash, &assignment, &sent)?;
    if !is_forked {
        return Ok(None);
    }
    let channel = channel.ok_or_else(|| io::Error::other("what is forked needs a channel"))?;
    Ok(Some(Wanted { origin: start.origin, pids_max: start.limits.pids_max, output, channel, control: None }))
}

/// What an environment sees beside the shared root, or instead of it.
fn folders(root: &Root, start: &Start) -> io::Result<Vec<(OwnedFd, &'static str)>> {
    let mut folders = Vec::new();
    if let Some(image) = &start.image_root {
        folders.push((tree::read_only(image)?, init::NEW_ROOT));
        folders.push((root.copy_of("dev")?, init::NEW_DEVICES));
        if start.code.is_some() {
            // Code without a root of its own is run by a bootstrap of ours.
            folders.push((root.copy_of("var/runtime")?, "/var/runtime"));
        }
    }
    folders.extend(start.code.as_deref().map(tree::read_only).transpose()?.map(|tree| (tree, "/var/task")));
    folders.extend(tree::layers(&start.layers)?.map(|tree| (tree, "/opt")));
    folders.extend(start.lang.as_deref().map(tree::read_only).transpose()?.map(|tree| (tree, "/var/lang")));
    folders.extend(start.classes.as_deref().map(tree::read_only).transpose()?.map(|tree| (tree, "/var/classes")));
    Ok(folders)
}

/// Orders a sandbox's runtime from a stem.
pub(super) fn order(stem: &mut Stem, sandbox: &Sandbox, wanted: &Wanted) -> io::Result<()> {
    let group = sandbox.group.as_ref();
    let doors: Vec<std::fs::File> = match group {
        Some(group) if group.version == 1 => group.entrances()?,
        Some(group) => group.cradle()?.into_iter().collect(),
        None => Vec::new(),
    };
    let mut descriptors = vec![sandbox.pidfd.as_fd(), wanted.output.as_fd(), wanted.channel.as_fd()];
    descriptors.extend(wanted.control.as_ref().map(AsFd::as_fd));
    descriptors.extend(doors.iter().map(AsFd::as_fd));
    stem.order(order_of(sandbox, wanted), &descriptors)
}

/// Orders a sandbox's runtime from a template.
pub(super) fn order_from_template(template: &mut Template, sandbox: &Sandbox, wanted: &Wanted) -> io::Result<()> {
    let doors = sandbox.group.as_ref().map(Group::entrances).transpose()?.unwrap_or_default();
    let mut descriptors = vec![wanted.output.as_fd(), wanted.channel.as_fd()];
    descriptors.extend(doors.iter().map(AsFd::as_fd));
    template.order(&order_of(sandbox, wanted), sandbox.pid, &descriptors)
}

fn order_of(sandbox: &Sandbox, wanted: &Wanted) -> Order {
    let group = sandbox.group.as_ref();
    let is_template = wanted.control.is_some();
    // All children of a template are of the same host user: where each is counted by itself, they are not together.
    let counted = group.is_some_and(|group| group.pids.is_some());
    let pids_max = if is_template && counted { TEMPLATE_PROCESSES_MAX } else { wanted.pids_max };
    Order { serial: sandbox.serial, pids_max, group_version: group.map_or(1, |group| group.version), is_template }
}
