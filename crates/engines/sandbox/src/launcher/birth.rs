//! Makes the first process of a sandbox in namespaces of its own.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;

use rustix::event::Timespec;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::init::{self, Plan};
use super::root::Root;
use super::sys::{self, Fork};
use crate::cgroup::Group;
use crate::network::Network;

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

/// What a sandbox reaches from its beginning.
pub(super) struct Reach {
    /// Ports to listen on inside; the first one is the endpoint's.
    pub ports: Vec<u16>,
    pub network: Network,
}

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
pub(super) fn bear(root: &Root, reach: &Reach, group: Option<&Group>, slot: Option<u32>) -> io::Result<Born> {
    let (plan, leash) = plan(root, reach, group, slot.is_some())?;
    let cradle = group.map(Group::cradle).transpose()?.flatten();
    match sys::clone(NAMESPACES, cradle.as_ref().map(AsFd::as_fd)).map_err(explain)? {
        Fork::Child => init::run(plan),
        Fork::Parent { pid, pidfd } => {
            let born = Born { pid, pidfd, leash };
            map_users(pid, slot).and_then(|()| release(&born)).inspect_err(|_| drop(sys::end(pid)))?;
            Ok(born)
        }
    }
}

/// Makes a sandbox whose process namespace lies in that of another sandbox, the one whose first process is `outer`,
/// and whose user namespace is that one's.
///
/// Only processes inside of it can make such a one: a midwife, which ends again.
pub(super) fn bear_within(
    outer: &OwnedFd,
    root: &Root,
    reach: &Reach,
    group: Option<&Group>,
    clear_groups: bool,
) -> io::Result<Born> {
    let (plan, leash) = plan(root, reach, group, clear_groups)?;
    let cradle = group.map(Group::cradle).transpose()?.flatten();
    let (call, callback) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let Some(midwife) = sys::fork()? else {
        let error = deliver(outer, &callback, plan, cradle.as_ref().map(AsFd::as_fd));
        let _ = rustix::net::send(&callback, error.to_string().as_bytes(), rustix::net::SendFlags::NOSIGNAL);
        sys::leave(1)
    };
    drop((callback, plan));
    let delivered = receive_child(&call);
    sys::end(midwife)?;
    let born = delivered.map(|(pid, pidfd)| Born { pid, pidfd, leash })?;
    release(&born).inspect_err(|_| drop(sys::end(born.pid)))?;
    Ok(born)
}

/// How long a sandbox inside of another one may take to come.
const DELIVERY_TIME: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// First byte of a midwife's message that carries a process, or names one to be reaped.
const DELIVERED: u8 = b'D';
const HELPER: u8 = b'H';

/// Runs in the midwife. It can only enter a process namespace by a child, its helper, which makes the first process.
/// Both are children of the launcher.
fn deliver(outer: &OwnedFd, callback: &OwnedFd, plan: Plan<'_>, cradle: Option<BorrowedFd<'_>>) -> io::Error {
    let delivered: io::Result<Infallible> = (|| {
        sys::enter(outer, libc::CLONE_NEWUSER | libc::CLONE_NEWPID).map_err(sys::at("enter the template's sandbox"))?;
        match sys::clone_sibling(0, None)? {
            Fork::Parent { pid, .. } => {
                let mut message = vec![HELPER];
                message.extend_from_slice(&pid.to_ne_bytes());
                super::message::send_bytes(callback, &message, &[])?;
                sys::leave(0)
            }
            Fork::Child => match sys::clone_sibling(NAMESPACES & !libc::CLONE_NEWUSER, cradle)? {
                Fork::Child => init::run(plan),
                Fork::Parent { pidfd, .. } => {
                    super::message::send_bytes(callback, &[DELIVERED], &[pidfd.as_fd()])?;
                    sys::leave(0)
                }
            },
        }
    })();
    match delivered {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

/// What the midwife and her helper say: the first process, as soon as the helper is reaped.
fn receive_child(call: &OwnedFd) -> io::Result<(i32, OwnedFd)> {
    let (mut child, mut helper) = (None, None);
    let mut failure = None;
    while failure.is_none() && (child.is_none() || helper.is_none()) {
        let mut buffer = [0; 256];
        // Whom the template's own processes can see they may be able to stop.
        if !sys::is_readable_within(call, DELIVERY_TIME)? {
            failure = Some("the template's sandbox let nobody in".to_owned());
            break;
        }
        let (count, descriptors) = super::message::receive_bytes(call, &mut buffer)?;
        match &buffer[..count] {
            [DELIVERED] => child = descriptors.into_iter().next(),
            [HELPER, pid @ ..] => helper = pid.try_into().ok().map(i32::from_ne_bytes),
            [] => failure = Some("the midwife ended".to_owned()),
            reason => failure = Some(String::from_utf8_lossy(reason).into_owned()),
        }
    }
    // It has said all by now; a stopped one ends too.
    if let Some(helper) = helper {
        sys::end(helper)?;
    }
    match (child, failure) {
        (Some(pidfd), None) => Ok((sys::pid_of(&pidfd)?, pidfd)),
        (child, failure) => {
            if let Some(pidfd) = child {
                sys::kill(sys::pid_of(&pidfd)?);
            }
            Err(io::Error::other(failure.unwrap_or_default()))
        }
    }
}

fn plan<'a>(
    root: &Root,
    reach: &'a Reach,
    group: Option<&Group>,
    clear_groups: bool,
) -> io::Result<(Plan<'a>, OwnedFd)> {
    let entrances = match group {
        Some(group) if group.version == 1 => group.entrances()?.into_iter().map(OwnedFd::from).collect(),
        _ => Vec::new(),
    };
    let (leash, leash_end) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Plan { root: root.copy()?, entrances, leash: leash_end, reach, clear_groups }, leash))
}

/// Maps users into the child's namespace.
fn map_users(pid: i32, slot: Option<u32>) -> io::Result<()> {
    let host = slot.map_or(0, |slot| HOST_ID_BASE + slot);
    fs::write(format!("/proc/{pid}/uid_map"), format!("{INNER_UID} {host} 1"))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("{INNER_GID} {host} 1"))
}

/// Lets the first process go on.
fn release(born: &Born) -> io::Result<()> {
    rustix::net::send(&born.leash, b"g", rustix::net::SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Whether a sandbox can be made on this host at all: makes one that ends at once. Tells why none can reach the outside,
/// if that is so.
pub(super) fn probe(root: &Root, as_root: bool) -> io::Result<Option<String>> {
    match attempt(root, as_root, Network::Host) {
        Ok(()) => Ok(None),
        Err(error) => attempt(root, as_root, Network::Kobel).map(|()| Some(error.to_string())),
    }
}

fn attempt(root: &Root, as_root: bool, network: Network) -> io::Result<()> {
    let born = bear(root, &Reach { ports: Vec::new(), network }, None, as_root.then_some(0))?;
    let result = init::trial(&born.leash, network);
    let _ = sys::end(born.pid);
    result
}
