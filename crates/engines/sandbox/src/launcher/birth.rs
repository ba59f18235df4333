//! Makes the first process of a sandbox in namespaces of its own.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::init::{self, Plan};
use super::root::Root;
use super::sys::{self, Fork};
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

/// Tells the launcher, run again, that it is in its own user namespace.
const ENTERED: &str = "KOBEL_LAUNCHER_ENTERED";

/// A process that has been made, and the launcher's end of its leash.
pub(super) struct Born {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub leash: OwnedFd,
}

/// A mount namespace of the launcher's own; without privileges, as root of a container has none,
/// in a user namespace in which it is root. Tells whether it has privileges.
///
/// The unprivileged launcher runs its program again: the kernel lets processes into namespaces only by
/// those whose memory was made with power over them.
pub(super) fn enter_own_namespaces() -> io::Result<bool> {
    if std::env::var_os(ENTERED).is_some() {
        return Ok(false);
    }
    if rustix::process::geteuid().is_root() && sys::unshare(libc::CLONE_NEWNS).is_ok() {
        return Ok(true);
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).map_err(explain)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(explain)?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(explain)?;
    let program = std::env::current_exe()?;
    Err(std::process::Command::new(program).arg(super::LAUNCHER_ARGUMENT).env(ENTERED, "1").exec())
}

fn explain(error: io::Error) -> io::Error {
    let hint = "user namespaces are disabled for this user, or forbidden by a container or by AppArmor \
                (`sysctl kernel.apparmor_restrict_unprivileged_userns=0`, `kernel.unprivileged_userns_clone=1`)";
    io::Error::new(error.kind(), format!("{error}; {hint}"))
}

/// Makes a sandbox, which waits for its assignment. `slot` chooses the host user.
pub(super) fn bear(root: &Root, ports: &[u16], group: Option<&Group>, slot: Option<u32>) -> io::Result<Born> {
    let entrances = match group {
        Some(group) if group.version == 1 => group.entrances()?.into_iter().map(OwnedFd::from).collect(),
        _ => Vec::new(),
    };
    let (leash, leash_end) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let plan = Plan { root: root.copy()?, entrances, leash: leash_end, ports, clear_groups: slot.is_some() };
    let cradle = group.map(Group::cradle).transpose()?.flatten();
    match sys::clone(NAMESPACES, cradle.as_ref().map(AsFd::as_fd)).map_err(explain)? {
        Fork::Child => init::run(plan),
        Fork::Parent { pid, pidfd } => {
            let born = Born { pid, pidfd, leash };
            release(&born, slot).inspect_err(|_| drop(sys::end(pid)))?;
            Ok(born)
        }
    }
}

/// Maps users into the child's namespace and lets it go on.
fn release(born: &Born, slot: Option<u32>) -> io::Result<()> {
    let host = slot.map_or(0, |slot| HOST_ID_BASE + slot);
    let pid = born.pid;
    fs::write(format!("/proc/{pid}/uid_map"), format!("{INNER_UID} {host} 1"))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{INNER_GID} {host} 1"))?;
    rustix::net::send(&born.leash, b"g", rustix::net::SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Whether a sandbox can be made on this host at all: makes one that ends at once.
pub(super) fn probe(root: &Root, as_root: bool) -> io::Result<()> {
    let born = bear(root, &[], None, as_root.then_some(0))?;
    let result = init::trial(&born.leash);
    let _ = sys::end(born.pid);
    result
}
