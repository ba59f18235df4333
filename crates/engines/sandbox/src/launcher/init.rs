//! The first process of an environment: sets it up, starts the runtime, reaps, reports the end.

use std::ffi::CString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::mount::{MountFlags, MoveMountFlags, UnmountFlags, mount, move_mount, unmount};
use rustix::net::{RecvFlags, SendFlags};

use super::birth::{INNER_GID, INNER_UID};
use super::message::{self, Start};
use super::{confine, sys};
use crate::exit::Exit;

/// First byte of the report when all is set up; the listeners come with it.
pub(crate) const READY: u8 = b'R';
/// First byte of the report when it is not; a sentence follows.
pub(crate) const FAILED: u8 = b'F';

/// Where the root is attached before it becomes the root: a folder that every host has, and that
/// nothing is read from any more.
const STAGING: &str = "/dev";
/// The most files in `/tmp` per MB of its size.
const TMP_FILES_PER_MB: u64 = 256;

/// Detached mounts to attach.
pub(super) struct Trees {
    pub root: OwnedFd,
    /// Only where the root has none of its own.
    pub dev: Option<OwnedFd>,
    /// Only where the root has none of its own.
    pub runtime: Option<OwnedFd>,
    pub code: Option<OwnedFd>,
    pub opt: Option<OwnedFd>,
    pub lang: Option<OwnedFd>,
}

/// What the process needs, inherited from the launcher.
pub(super) struct Plan<'a> {
    pub start: &'a Start,
    pub trees: Trees,
    /// Files of control groups to enter.
    pub entrances: Vec<OwnedFd>,
    /// Where the runtime writes; without it the process ends after setting up.
    pub output: Option<OwnedFd>,
    /// The server's ear for the outcome of setting up.
    pub report: Option<OwnedFd>,
    pub channel: Option<OwnedFd>,
    /// The launcher's permission to go on; tells the exit.
    pub leash: OwnedFd,
    pub clear_groups: bool,
}

/// The whole life of the first process.
pub(super) fn run(plan: Plan<'_>) -> ! {
    close_others(&plan);
    let Some(report) = &plan.report else { sys::leave(1) };
    let listeners = match set_up(&plan) {
        Ok(listeners) => listeners,
        Err(error) => {
            let mut text = vec![FAILED];
            text.extend_from_slice(error.to_string().as_bytes());
            let _ = message::send_bytes(report, &text, &[]);
            sys::leave(1)
        }
    };
    let descriptors: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    if message::send_bytes(report, &[READY], &descriptors).is_err() {
        sys::leave(1);
    }
    let (Some(output), channel) = (&plan.output, &plan.channel) else { sys::leave(0) };
    match sys::fork() {
        Err(_) => sys::leave(1),
        Ok(None) => confine::run(plan.start, output.as_fd(), channel.as_ref().map(AsFd::as_fd)),
        Ok(Some(runtime)) => {
            sys::close_range(0, plan.leash.as_raw_fd() as u32 - 1);
            sys::close_range(plan.leash.as_raw_fd() as u32 + 1, u32::MAX);
            if confine::drop_privileges().and_then(|()| confine::load_filter()).is_err() {
                sys::leave(1);
            }
            let exit = reap_until(runtime);
            let _ = rustix::net::send(&plan.leash, &exit.to_bytes(), SendFlags::NOSIGNAL);
            sys::leave(0)
        }
    }
}

/// What a first process said about the end of its runtime, for the launcher.
pub(super) fn last_words(leash: BorrowedFd<'_>) -> Option<[u8; 5]> {
    let mut words = [0; 5];
    let (_, count) = rustix::net::recv(leash, &mut words[..], RecvFlags::DONTWAIT).ok()?;
    (count == words.len()).then_some(words)
}

fn set_up(plan: &Plan<'_>) -> io::Result<Vec<TcpListener>> {
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
    sys::loopback_up().map_err(at("bring loopback up"))?;
    let listeners = plan.start.ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)));
    let listeners = listeners.collect::<io::Result<Vec<_>>>().map_err(at("listen inside"))?;
    assemble(plan)?;
    Ok(listeners)
}

/// Attaches everything, and makes it the root.
fn assemble(plan: &Plan<'_>) -> io::Result<()> {
    attach(&plan.trees.root, Path::new(STAGING)).map_err(at("attach the root"))?;
    rustix::process::chdir(STAGING).map_err(at("enter the root"))?;
    let trees = &plan.trees;
    if let Some(dev) = &trees.dev {
        attach(dev, Path::new("dev")).map_err(at("attach /dev"))?;
    }
    let tmp_bytes = plan.start.limits.tmp_bytes;
    let files = (tmp_bytes / (1024 * 1024)).max(1) * TMP_FILES_PER_MB;
    let options = CString::new(format!("size={tmp_bytes},nr_inodes={files},mode=1777"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmp", "tmp", "tmpfs", flags, Some(options.as_c_str())).map_err(at("mount /tmp"))?;
    mount("proc", "proc", "proc", flags | MountFlags::NOEXEC, None).map_err(at("mount /proc"))?;
    rustix::process::pivot_root(".", ".").map_err(at("change the root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(at("leave the host's root"))?;
    // From here on links of an image lead to its own files.
    let folders = [
        (&trees.runtime, "/var/runtime"),
        (&trees.code, "/var/task"),
        (&trees.opt, "/opt"),
        (&trees.lang, "/var/lang"),
    ];
    for (tree, target) in folders {
        if let Some(tree) = tree {
            attach(tree, Path::new(target)).map_err(at("attach a folder"))?;
        }
    }
    rustix::process::chdir(&plan.start.working_dir).map_err(at("enter the working directory"))
}

fn attach(tree: &OwnedFd, target: &Path) -> io::Result<()> {
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
            Ok((pid, status)) if pid == runtime => return exit_of(status),
            Ok(_) => {}
            Err(_) => return Exit::Signal(libc::SIGKILL),
        }
    }
}

fn exit_of(status: i32) -> Exit {
    if libc::WIFSIGNALED(status) { Exit::Signal(libc::WTERMSIG(status)) } else { Exit::Code(libc::WEXITSTATUS(status)) }
}

/// Closes what belongs to the launcher and to other environments.
fn close_others(plan: &Plan<'_>) {
    let trees = &plan.trees;
    let optional =
        [&trees.dev, &trees.runtime, &trees.code, &trees.opt, &trees.lang, &plan.output, &plan.report, &plan.channel];
    let mut keep: Vec<RawFd> = optional.into_iter().flatten().map(AsRawFd::as_raw_fd).collect();
    keep.extend(plan.entrances.iter().map(AsRawFd::as_raw_fd));
    keep.extend([trees.root.as_raw_fd(), plan.leash.as_raw_fd()]);
    keep.sort_unstable();
    let mut next = 3;
    for fd in keep {
        let fd = fd as u32;
        if fd > next {
            sys::close_range(next, fd - 1);
        }
        next = fd + 1;
    }
    sys::close_range(next, u32::MAX);
}

/// Names the step that failed.
fn at<E: Into<io::Error>>(step: &'static str) -> impl Fn(E) -> io::Error {
    move |error| {
        let error = error.into();
        io::Error::new(error.kind(), format!("failed to {step}: {error}"))
    }
}
