//! The first process of a sandbox: sets it up, waits for its assignment, starts the runtime, reaps, reports the end.

use std::ffi::CString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::mount::{MountFlags, MoveMountFlags, UnmountFlags, mount, move_mount, unmount};
use rustix::net::{RecvFlags, SendFlags};
use serde::{Deserialize, Serialize};

mod crew;

use super::birth::{INNER_GID, INNER_UID, Reach};
use super::message;
use super::sys::at;
use super::{cable, confine, sys};
use crate::cgroup::Limits;
use crate::exit::Exit;
use crate::network::Network;
use confine::Program;

/// First byte of the report when all is set up; the listeners come with it.
pub(crate) const READY: u8 = b'R';
/// First byte of the report when it is not; a sentence follows.
pub(crate) const FAILED: u8 = b'F';
/// What the first process says on its leash when a stem's child can come in.
pub(super) const OPEN: &[u8] = b"O";

/// Where the root is attached before it becomes the root: a folder that every host has, and that
/// nothing is read from any more.
pub(super) const STAGING: &str = "/dev";
/// Where an image's files are attached before they become the root: a folder that is empty still.
pub(super) const NEW_ROOT: &str = "/opt";
/// The image's devices, below [`NEW_ROOT`].
pub(super) const NEW_DEVICES: &str = "/opt/dev";
/// The most files in `/tmp` per MB of its size.
const TMP_FILES_PER_MB: u64 = 256;
const SAFE: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// What the process needs, inherited from the launcher.
pub(super) struct Plan<'a> {
    /// A detached copy of the shared root.
    pub root: OwnedFd,
    /// Files of control groups to enter.
    pub entrances: Vec<OwnedFd>,
    /// The launcher's permission to go on, then the assignment; tells the exit.
    pub leash: OwnedFd,
    pub reach: &'a Reach,
    pub clear_groups: bool,
}

/// What a sandbox becomes. Descriptors: the report, the output, the trees of [`Assignment::trees`], the channel if there
/// is one, the output of extensions if there are any.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Assignment {
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// `NAME=value`
    pub variables: Vec<String>,
    pub limits: Limits,
    /// Where detached mounts go. The first one is the new root, if that is an image's, and goes to [`NEW_ROOT`].
    pub trees: Vec<String>,
    /// Where the runtime starts.
    pub working_dir: String,
    /// What it reaches.
    pub network: Network,
    /// How the runtime comes into the sandbox.
    pub start: StartMode,
    pub extensions: message::Extensions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StartMode {
    /// The first process executes it.
    Execute,
    /// A stem is forked into it.
    Stem,
    /// A template is forked into it.
    Template,
    /// Not at all.
    Trial,
}

/// What leads out of a sandbox.
struct Reached {
    /// The first one is the endpoint's.
    listeners: Vec<TcpListener>,
    cable: Option<OwnedFd>,
}

impl Reached {
    fn open(reach: &Reach) -> io::Result<Reached> {
        sys::loopback_up().map_err(at("bring loopback up"))?;
        let listeners = reach.ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)));
        let listeners = listeners.collect::<io::Result<Vec<_>>>().map_err(at("listen inside"))?;
        let cable = (reach.network == Network::Host).then(cable::lay).transpose()?;
        Ok(Reached { listeners, cable })
    }

    /// As `network` has it: the listeners, then the cable.
    fn limited(self, network: Network) -> io::Result<Vec<OwnedFd>> {
        let cable = match (network, self.cable) {
            (Network::Host, None) => Some(cable::lay()?),
            (Network::Host, cable) => cable,
            (_, Some(_)) => cable::remove().map(|()| None)?,
            (_, None) => None,
        };
        let without = usize::from(network == Network::None);
        Ok(self.listeners.into_iter().skip(without).map(OwnedFd::from).chain(cable).collect())
    }
}

/// An assignment with its descriptors.
struct Assigned {
    assignment: Assignment,
    report: OwnedFd,
    output: Option<OwnedFd>,
    trees: Vec<OwnedFd>,
    channel: Option<OwnedFd>,
    extensions_output: Option<OwnedFd>,
}

/// The whole life of the first process.
pub(super) fn run(plan: Plan<'_>) -> ! {
    close_others(&plan);
    let sandbox = set_up(&plan);
    let Ok(Some(assigned)) = receive(&plan.leash) else { sys::leave(1) };
    let ready =
        sandbox.and_then(|network| furnish(&assigned).and_then(|()| network.limited(assigned.assignment.network)));
    let reached = match ready {
        Ok(reached) => reached,
        Err(error) => {
            let mut text = vec![FAILED];
            text.extend_from_slice(error.to_string().as_bytes());
            let _ = message::send_bytes(&assigned.report, &text, &[]);
            sys::leave(1)
        }
    };
    let descriptors: Vec<BorrowedFd<'_>> = reached.iter().map(AsFd::as_fd).collect();
    if message::send_bytes(&assigned.report, &[READY], &descriptors).is_err() {
        sys::leave(1);
    }
    match (assigned.assignment.start, &assigned.output) {
        (StartMode::Execute, Some(output)) => match &assigned.extensions_output {
            Some(extensions) => crew::run(&plan.leash, &assigned, output.as_fd(), extensions),
            None => execute(&plan.leash, &assigned, output.as_fd()),
        },
        (StartMode::Stem, _) => keep_open(&plan.leash),
        (StartMode::Template, _) => {
            skip_number();
            keep_open(&plan.leash)
        }
        (StartMode::Execute | StartMode::Trial, _) => sys::leave(0),
    }
}

/// Starts the runtime as a child and stays until its end.
fn execute(leash: &OwnedFd, assigned: &Assigned, output: BorrowedFd<'_>) -> ! {
    match sys::fork() {
        Err(_) => sys::leave(1),
        Ok(None) => {
            let Assignment { arguments, variables, limits, .. } = &assigned.assignment;
            let channel = assigned.channel.as_ref().map(AsFd::as_fd);
            confine::run(&Program { arguments, variables, pids_max: limits.pids_max, output, channel })
        }
        Ok(Some(runtime)) => {
            give_up_all(&[leash.as_raw_fd()]);
            let exit = reap_until(runtime);
            let _ = rustix::net::send(leash, &exit.to_bytes(), SendFlags::NOSIGNAL);
            sys::leave(0)
        }
    }
}

/// The template has the first number after this process, in a sandbox like this one. By their numbers libraries see that
/// they were forked, and draw other random numbers: its children have the next one.
fn skip_number() {
    match sys::fork() {
        Ok(None) => sys::leave(0),
        Ok(Some(pid)) => drop(sys::wait(pid)),
        Err(_) => sys::leave(1),
    }
}

/// Lets a stem's child come in, and reaps orphans until the launcher kills the sandbox.
fn keep_open(leash: &OwnedFd) -> ! {
    give_up_all(&[leash.as_raw_fd()]);
    if rustix::net::send(leash, OPEN, SendFlags::NOSIGNAL).is_err() {
        sys::leave(1);
    }
    loop {
        if sys::wait(-1).is_err() {
            sys::wait_for_child();
        }
    }
}

/// Closes all but `kept` and gives up every privilege.
fn give_up_all(kept: &[RawFd]) {
    sys::close_all_but(0, kept.to_vec());
    if sys::block_child_signal()
        .and_then(|()| confine::drop_privileges())
        .and_then(|()| confine::load_filter())
        .is_err()
    {
        sys::leave(1);
    }
}

/// What a first process said about the end of its runtime, for the launcher.
pub(super) fn last_words(leash: BorrowedFd<'_>) -> Option<[u8; 5]> {
    let mut words = [0; 5];
    let (_, count) = rustix::net::recv(leash, &mut words[..], RecvFlags::DONTWAIT).ok()?;
    (count == words.len()).then_some(words)
}

/// Gives a sandbox its assignment.
pub(super) fn assign(leash: &OwnedFd, assignment: &Assignment, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    message::send(leash, assignment, descriptors)
}

/// Has a sandbox set itself up and end.
pub(super) fn trial(leash: &OwnedFd, network: Network) -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (ours, report) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let limits = Limits { memory_bytes: 0, tmp_bytes: 1024 * 1024, pids_max: 16, cpu_shares: 1024 };
    let (arguments, variables, trees) = (Vec::new(), Vec::new(), Vec::new());
    let working_dir = "/var/task".to_owned();
    let (start, extensions) = (StartMode::Trial, message::Extensions::default());
    let assignment = Assignment { arguments, variables, limits, trees, working_dir, network, start, extensions };
    assign(leash, &assignment, &[report.as_fd()])?;
    drop(report);
    let mut buffer = [0; 1024];
    let count = message::receive_bytes(&ours, &mut buffer)?.0;
    match &buffer[..count] {
        [READY, ..] => Ok(()),
        [FAILED, reason @ ..] => Err(io::Error::other(String::from_utf8_lossy(reason).into_owned())),
        _ => Err(io::Error::other("a trial environment ended without a report")),
    }
}

/// Waits for the assignment; `None` when the launcher has no use for the sandbox any more.
fn receive(leash: &OwnedFd) -> io::Result<Option<Assigned>> {
    let Some((assignment, mut descriptors)) = message::receive::<Assignment>(leash)? else { return Ok(None) };
    let extensions_output = if assignment.extensions.programs.is_empty() { None } else { descriptors.pop() };
    let mut descriptors = descriptors.into_iter();
    let report = descriptors.next().ok_or_else(|| io::Error::other("an assignment without a report"))?;
    let output = descriptors.next();
    let trees = descriptors.by_ref().take(assignment.trees.len()).collect();
    Ok(Some(Assigned { assignment, report, output, trees, channel: descriptors.next(), extensions_output }))
}

/// What every sandbox has, whatever it becomes.
fn set_up(plan: &Plan<'_>) -> io::Result<Reached> {
    for entrance in &plan.entrances {
        rustix::io::write(entrance, b"0").map_err(at("enter a control group"))?;
    }
    wait_for_permission(&plan.leash)?;
    sys::become_user(INNER_UID, INNER_GID, plan.clear_groups).map_err(at("change the user"))?;
    // The function has the same user, and must not reach into this process. Its own program can be
    // looked at again after exec.
    sys::prctl(libc::PR_SET_DUMPABLE, 0)?;
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)?;
    leave_if_launcher_is_gone(&plan.leash)?;
    rustix::system::sethostname(b"sandbox").map_err(at("set the host name"))?;
    let reached = Reached::open(plan.reach)?;
    stage(&plan.root, STAGING)?;
    mount_proc()?;
    become_root()?;
    Ok(reached)
}

/// Attaches a root where nothing is read from any more, and makes it the working folder.
pub(super) fn stage(root: &OwnedFd, staging: &str) -> io::Result<()> {
    attach(root, Path::new(staging)).map_err(at("attach the root"))?;
    rustix::process::chdir(staging).map_err(at("enter the root"))
}

fn mount_proc() -> io::Result<()> {
    mount("proc", "proc", "proc", SAFE | MountFlags::NOEXEC, None).map_err(at("mount /proc"))
}

/// Makes the working folder the root.
pub(super) fn become_root() -> io::Result<()> {
    rustix::process::pivot_root(".", ".").map_err(at("change the root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(at("leave the host's root"))?;
    rustix::process::chdir("/").map_err(at("enter the root"))
}

/// Attaches what belongs to the function, and its own `/tmp`.
fn furnish(assigned: &Assigned) -> io::Result<()> {
    let Assigned { assignment, trees, .. } = assigned;
    if trees.len() != assignment.trees.len() {
        return Err(io::Error::other("an assignment lacks folders"));
    }
    let mut rest: Vec<(&OwnedFd, &str)> = trees.iter().zip(assignment.trees.iter().map(String::as_str)).collect();
    if let [(root, NEW_ROOT), (devices, NEW_DEVICES), ..] = rest[..] {
        change_root(root, devices)?;
        rest.drain(..2);
    }
    // From here on links of an image lead to its own files.
    for (tree, target) in rest {
        attach(tree, Path::new(target)).map_err(at("attach a folder"))?;
    }
    let tmp_bytes = assignment.limits.tmp_bytes;
    let files = (tmp_bytes / (1024 * 1024)).max(1) * TMP_FILES_PER_MB;
    let options = CString::new(format!("size={tmp_bytes},nr_inodes={files},mode=1777"))?;
    mount("tmp", "/tmp", "tmpfs", SAFE, Some(options.as_c_str())).map_err(at("mount /tmp"))?;
    rustix::process::chdir(&assignment.working_dir).map_err(at("enter the working directory"))
}

/// Leaves the shared root for that of an image.
fn change_root(root: &OwnedFd, devices: &OwnedFd) -> io::Result<()> {
    stage(root, NEW_ROOT)?;
    attach(devices, Path::new("dev")).map_err(at("attach /dev"))?;
    mount_proc()?;
    become_root()
}

pub(super) fn attach(tree: &OwnedFd, target: &Path) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(tree, "", rustix::fs::CWD, target, flags)?)
}

/// The launcher writes the user map first.
fn wait_for_permission(leash: &OwnedFd) -> io::Result<()> {
    let mut byte = [0; 1];
    match rustix::net::recv(leash, &mut byte[..], RecvFlags::empty()) {
        Ok((_, 1)) => Ok(()),
        _ => sys::leave(1),
    }
}

/// The death signal is only sent for deaths after it was asked for.
fn leave_if_launcher_is_gone(leash: &OwnedFd) -> io::Result<()> {
    let mut polled = [PollFd::new(leash, PollFlags::empty())];
    poll(&mut polled, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    if polled[0].revents().contains(PollFlags::HUP) {
        sys::leave(1);
    }
    Ok(())
}

fn reap_until(runtime: i32) -> Exit {
    loop {
        match sys::wait(-1) {
            Ok((pid, status)) if pid == runtime => return Exit::of_status(status),
            Ok(_) => {}
            Err(_) => return Exit::Signal(libc::SIGKILL),
        }
    }
}

/// Closes what belongs to the launcher and to other environments.
fn close_others(plan: &Plan<'_>) {
    let mut keep: Vec<RawFd> = plan.entrances.iter().map(AsRawFd::as_raw_fd).collect();
    keep.extend([plan.root.as_raw_fd(), plan.leash.as_raw_fd()]);
    sys::close_all_but(3, keep);
}
