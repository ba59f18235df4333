//! Makes an environment's first process in namespaces of its own.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::init::{self, Plan, Trees};
use super::message::Start;
use super::root::Root;
use super::sys::{self, Fork, NO_DEVICES, NO_SET_UID, READ_ONLY};
use crate::cgroup::Group;

/// The user and group inside, as on Lambda.
pub(super) const INNER_UID: u32 = 993;
pub(super) const INNER_GID: u32 = 990;
/// Host users of environments, when the launcher is root: a range that no system gives out.
const HOST_ID_BASE: u32 = 0x4b00_0000;
pub(super) const SLOTS_MAX: u32 = 60_000;

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// A mount namespace of the launcher's own; without privileges, as root of a container has none,
/// in a user namespace in which it is root. Tells whether it has privileges.
pub(super) fn enter_own_namespaces() -> io::Result<bool> {
    if rustix::process::geteuid().is_root() && sys::unshare(libc::CLONE_NEWNS).is_ok() {
        return Ok(true);
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).map_err(explain)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(explain)?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(explain)?;
    Ok(false)
}

fn explain(error: io::Error) -> io::Error {
    let hint = "user namespaces are disabled for this user, or forbidden by a container or by AppArmor \
                (`sysctl kernel.apparmor_restrict_unprivileged_userns=0`, `kernel.unprivileged_userns_clone=1`)";
    io::Error::new(error.kind(), format!("{error}; {hint}"))
}

/// Makes an environment's first process; gives its pid, a descriptor of it, and its leash.
///
/// `descriptors` are those of [`super::message::Request::Start`]. `slot` chooses the host user.
pub(super) fn bear(
    root: &Root,
    start: &Start,
    descriptors: Vec<OwnedFd>,
    group: Option<&Group>,
    slot: Option<u32>,
) -> io::Result<(i32, OwnedFd, OwnedFd)> {
    let mut descriptors = descriptors.into_iter();
    let (Some(output), Some(report)) = (descriptors.next(), descriptors.next()) else {
        return Err(io::Error::other("a start without output and report"));
    };
    let channel = descriptors.next();
    let trees = trees(root, start)?;
    let entrances = match group {
        Some(group) if group.version == 1 => group.entrances()?.into_iter().map(OwnedFd::from).collect(),
        _ => Vec::new(),
    };
    let (leash, leash_end) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let plan = Plan {
        start,
        trees,
        entrances,
        output: Some(output),
        report: Some(report),
        channel,
        leash: leash_end,
        clear_groups: slot.is_some(),
    };
    let cradle = group.map(Group::cradle).transpose()?.flatten();
    match sys::clone(NAMESPACES, cradle.as_ref().map(AsFd::as_fd)).map_err(explain)? {
        Fork::Child => init::run(plan),
        Fork::Parent { pid, pidfd } => {
            release(pid, slot, &leash).inspect_err(|_| end(pid, &pidfd))?;
            Ok((pid, pidfd, leash))
        }
    }
}

/// What the environment sees: the shared root, or that of an image with the shared devices.
fn trees(root: &Root, start: &Start) -> io::Result<Trees> {
    let code = start.code.as_deref().map(read_only).transpose()?;
    let opt = layers(&start.layers)?;
    let lang = start.lang.as_deref().map(read_only).transpose()?;
    let Some(image) = &start.image_root else {
        return Ok(Trees { root: root.copy()?, dev: None, runtime: None, code, opt, lang });
    };
    // Code without a root of its own is run by a bootstrap of ours.
    let runtime = code.is_some().then(|| root.copy_of("var/runtime")).transpose()?;
    Ok(Trees { root: read_only(image)?, dev: Some(root.copy_of("dev")?), runtime, code, opt, lang })
}

fn end(pid: i32, pidfd: &OwnedFd) {
    let _ = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
    let _ = sys::wait(pid);
}

/// Maps users into the child's namespace and lets it go on.
fn release(pid: i32, slot: Option<u32>, leash: &OwnedFd) -> io::Result<()> {
    let host = slot.map_or(0, |slot| HOST_ID_BASE + slot);
    fs::write(format!("/proc/{pid}/uid_map"), format!("{INNER_UID} {host} 1"))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{INNER_GID} {host} 1"))?;
    rustix::net::send(leash, b"g", rustix::net::SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Whether an environment can be made on this host at all: makes one that ends at once.
pub(super) fn probe(root: &Root, as_root: bool) -> io::Result<()> {
    let (ours, report) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let (leash, leash_end) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let start = Start {
        id: "probe".to_owned(),
        arguments: Vec::new(),
        variables: Vec::new(),
        code: None,
        layers: Vec::new(),
        lang: None,
        image_root: None,
        working_dir: "/var/task".to_owned(),
        limits: crate::cgroup::Limits { memory_bytes: 0, tmp_bytes: 1024 * 1024, pids_max: 16, cpu_shares: 1024 },
        ports: Vec::new(),
    };
    let plan = Plan {
        start: &start,
        trees: trees(root, &start)?,
        entrances: Vec::new(),
        output: None,
        report: Some(report),
        channel: None,
        leash: leash_end,
        clear_groups: as_root,
    };
    match sys::clone(NAMESPACES, None).map_err(explain)? {
        Fork::Child => init::run(plan),
        Fork::Parent { pid, pidfd } => {
            let released = release(pid, as_root.then_some(0), &leash);
            let mut buffer = [0; 1024];
            released.inspect_err(|_| end(pid, &pidfd))?;
            drop(plan);
            let count = super::message::receive_bytes(&ours, &mut buffer)?.0;
            sys::wait(pid)?;
            match &buffer[..count] {
                [init::READY, ..] => Ok(()),
                [init::FAILED, reason @ ..] => Err(io::Error::other(String::from_utf8_lossy(reason).into_owned())),
                _ => Err(io::Error::other("a trial environment ended without a report")),
            }
        }
    }
}

/// The merged layers, read-only: nothing, a copy of the only one, or an overlay.
fn layers(layers: &[PathBuf]) -> io::Result<Option<OwnedFd>> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    };
    match layers {
        [] => return Ok(None),
        [single] => return read_only(single).map(Some),
        _ => {}
    }
    // By their descriptors: the kernel takes 256 bytes at most, and what it shows in `mountinfo` tells nothing of the host.
    let open = |path: &PathBuf| {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::open(path, flags, rustix::fs::Mode::empty())
    };
    let opened: Vec<OwnedFd> = layers.iter().rev().map(open).collect::<Result<_, _>>()?;
    let lower: Vec<String> = opened.iter().map(|folder| format!("/proc/self/fd/{}", folder.as_raw_fd())).collect();
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(overlay.as_fd(), "lowerdir", lower.join(":"))?;
    fsconfig_create(overlay.as_fd())?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(Some(fsmount(overlay.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?))
}

/// A detached, read-only copy of a folder.
fn read_only(path: &Path) -> io::Result<OwnedFd> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("failed to show `{}`: {error}", path.display()));
    let tree = sys::copy_tree(path).map_err(named)?;
    sys::restrict_tree(tree.as_fd(), READ_ONLY | NO_SET_UID | NO_DEVICES).map_err(named)?;
    debug_assert!(tree.as_raw_fd() > 2, "standard descriptors are open");
    Ok(tree)
}
