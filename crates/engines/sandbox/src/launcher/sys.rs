//! System calls that no safe crate offers. Each wrapper is safe to call from a single thread.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// `MOUNT_ATTR_RDONLY`
pub(super) const READ_ONLY: u64 = 0x1;
/// `MOUNT_ATTR_NOSUID`
pub(super) const NO_SET_UID: u64 = 0x2;
/// `MOUNT_ATTR_NODEV`
pub(super) const NO_DEVICES: u64 = 0x4;

/// `CLONE_INTO_CGROUP`
const INTO_CGROUP: u64 = 0x2_0000_0000;

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// What [`clone`] returned.
pub(super) enum Fork {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// A descriptor of a process of which this one is the parent.
pub(super) fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid).ok_or_else(|| io::Error::other("no process"))?;
    Ok(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?)
}

/// The process that a descriptor refers to, as this one sees it.
pub(super) fn pid_of(pidfd: &OwnedFd) -> io::Result<i32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.filter(|pid| *pid > 0).ok_or_else(|| io::Error::other("the process is gone"))
}

/// Forks into new namespaces, with version 2 into a control group.
pub(super) fn clone(namespaces: i32, cradle: Option<BorrowedFd<'_>>) -> io::Result<Fork> {
    clone_with(namespaces, libc::SIGCHLD, cradle)
}

/// As [`clone`], but the child's parent is this process's own parent.
pub(super) fn clone_sibling(namespaces: i32, cradle: Option<BorrowedFd<'_>>) -> io::Result<Fork> {
    clone_with(namespaces | libc::CLONE_PARENT, 0, cradle)
}

fn clone_with(flags: i32, exit_signal: i32, cradle: Option<BorrowedFd<'_>>) -> io::Result<Fork> {
    let mut pidfd: RawFd = -1;
    let into = if cradle.is_some() { INTO_CGROUP } else { 0 };
    // SAFETY: the structure is plain integers, for which zero is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags as u32 as u64 | libc::CLONE_PIDFD as u64 | into;
    arguments.pidfd = &raw mut pidfd as u64;
    arguments.exit_signal = exit_signal as u64;
    arguments.cgroup = cradle.map_or(0, |fd| fd.as_raw_fd() as u64);
    // SAFETY: without CLONE_VM the child has its own copy of memory, and this program has one
    // thread, so no lock can be held by a thread that the child lacks.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        // SAFETY: the kernel has put a new descriptor there, which nobody else owns.
        pid => Ok(Fork::Parent { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

/// `fork`: `None` in the child.
pub(super) fn fork() -> io::Result<Option<i32>> {
    // SAFETY: this program has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Reaps one process.
pub(super) fn wait(pid: i32) -> io::Result<(i32, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: writes one integer of ours.
        let reaped = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        if reaped >= 0 {
            return Ok((reaped, status));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Whether it is a child of this process that was not reaped yet.
pub(super) fn is_child(pid: i32) -> bool {
    look_at_child(pid).is_some()
}

/// Whether it is a child that has ended and was not reaped yet.
pub(super) fn has_ended(pid: i32) -> bool {
    look_at_child(pid) == Some(true)
}

/// Whether a child has ended, which stays to be reaped; `None` where it is no child.
fn look_at_child(pid: i32) -> Option<bool> {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: the kernel writes into a structure of ours, and leaves its process zero where none has ended.
    unsafe {
        let mut information: libc::siginfo_t = std::mem::zeroed();
        let found = libc::waitid(libc::P_PID, pid as libc::id_t, &raw mut information, options) == 0;
        found.then(|| information.si_pid() != 0)
    }
}

/// Whether something can be read, or the other side is gone, within a time.
pub(super) fn is_readable_within(socket: &OwnedFd, time: rustix::event::Timespec) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, poll};
    Ok(poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&time))? > 0)
}

/// Reaps a child if it has ended.
pub(super) fn reap_if_ended(pid: i32) {
    // SAFETY: asks for no status.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) };
}

/// Enters namespaces of the process that `descriptor` refers to.
pub(super) fn enter(descriptor: &OwnedFd, namespaces: i32) -> io::Result<()> {
    // SAFETY: integers only; there is one thread.
    check(unsafe { libc::setns(descriptor.as_raw_fd(), namespaces) })
}

/// Reaps all children, and those that come meanwhile.
pub(super) fn wait_for_all() {
    while wait(-1).is_ok() {}
}

/// The processes whose parent is this one.
pub(super) fn children() -> Vec<i32> {
    let own = std::process::id();
    let text = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Kills a child.
pub(super) fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Kills a child and reaps it; its status comes back.
pub(super) fn end(pid: i32) -> io::Result<i32> {
    kill(pid);
    Ok(wait(pid)?.1)
}

/// Leaves without running destructors or flushing what belongs to the parent.
pub(super) fn leave(status: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

pub(super) fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: only namespaces are unshared, no memory or descriptors; there is one thread.
    check(unsafe { libc::unshare(namespaces) })
}

/// `open_tree` with `OPEN_TREE_CLONE`: a detached copy of what is mounted at `path`.
pub(super) fn copy_tree(path: &Path) -> io::Result<OwnedFd> {
    use rustix::mount::{OpenTreeFlags, open_tree};
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(rustix::fs::CWD, path, flags)?)
}

/// Adds attributes to a mount and all below it.
pub(super) fn restrict_tree(tree: BorrowedFd<'_>, attributes: u64) -> io::Result<()> {
    set_attributes(tree.as_raw_fd(), c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, attributes)
}

/// Adds attributes to the mount at `path` and all below it.
pub(super) fn restrict_path(path: &Path, attributes: u64) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    set_attributes(libc::AT_FDCWD, &path, libc::AT_RECURSIVE, attributes)
}

/// Adds attributes to the mount at `path` alone.
pub(super) fn restrict_mount(path: &Path, attributes: u64) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    set_attributes(libc::AT_FDCWD, &path, 0, attributes)
}

fn set_attributes(dir: RawFd, path: &std::ffi::CStr, flags: i32, attributes: u64) -> io::Result<()> {
    let change = MountAttributes { set: attributes, clear: 0, propagation: 0, user_namespace: 0 };
    let size = size_of::<MountAttributes>();
    // SAFETY: passes a valid path and a structure of the size that is told.
    let result = unsafe { libc::syscall(libc::SYS_mount_setattr, dir, path.as_ptr(), flags, &raw const change, size) };
    check(result as i32)
}

/// Replaces the user and group, and forgets all other groups if `clear_groups`.
pub(super) fn become_user(uid: u32, gid: u32, clear_groups: bool) -> io::Result<()> {
    if clear_groups {
        // SAFETY: an empty list.
        check(unsafe { libc::setgroups(0, std::ptr::null()) })?;
    }
    // SAFETY: integers only.
    check(unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: integers only.
    check(unsafe { libc::setresuid(uid, uid, uid) })
}

/// Closes all descriptors from `first` to `last`.
pub(super) fn close_range(first: u32, last: u32) {
    // SAFETY: the caller is a child that uses no descriptor of that range again; owners of such
    // descriptors are never dropped, because it leaves by exec or `_exit`.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// Closes all descriptors from `first` on, but those of `keep`.
pub(super) fn close_all_but(first: u32, mut keep: Vec<RawFd>) {
    keep.sort_unstable();
    let mut next = first;
    for fd in keep {
        let fd = fd as u32;
        if fd > next {
            close_range(next, fd - 1);
        }
        next = fd + 1;
    }
    close_range(next, u32::MAX);
}

/// Holds SIGCHLD back, so that [`wait_for_child`] can wait for it.
pub(super) fn block_child_signal() -> io::Result<()> {
    // SAFETY: passes a valid set.
    check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &child_signal(), std::ptr::null_mut()) })
}

/// Lets all signals through again, as a new program expects it.
pub(super) fn unblock_signals() -> io::Result<()> {
    // SAFETY: fills in a set of ours, and passes it.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        check(libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()))
    }
}

/// Can be read while SIGCHLD is held back by [`block_child_signal`] and waits.
pub(super) fn child_signal_descriptor() -> io::Result<OwnedFd> {
    // SAFETY: passes a valid set.
    let descriptor = unsafe { libc::signalfd(-1, &child_signal(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    check(descriptor)?;
    // SAFETY: a new descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Reaps one process that has ended, if there is one.
pub(super) fn reap() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: writes one integer of ours.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL) };
    (pid > 0).then_some((pid, status))
}

/// Waits until a child has ended, or one that ends has been handed to this process.
pub(super) fn wait_for_child() {
    // SAFETY: passes a valid set, and takes no information back.
    unsafe { libc::sigwaitinfo(&child_signal(), std::ptr::null_mut()) };
}

fn child_signal() -> libc::sigset_t {
    // SAFETY: both functions fill in a set of ours.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        set
    }
}

/// Makes `target` refer to what `source` does, kept open across exec.
pub(super) fn place(source: RawFd, target: RawFd) -> io::Result<()> {
    // SAFETY: the caller is a child that owns its descriptor table.
    check(unsafe { libc::dup2(source, target) }).map(|_| ())
}

/// Closes a descriptor of the caller's when it executes another program.
pub(super) fn close_on_exec(descriptor: RawFd) -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) })
}

/// Writes a few bytes to a descriptor of the caller's, or not.
pub(super) fn write_to(descriptor: RawFd, bytes: &[u8]) {
    // SAFETY: passes valid bytes and their length.
    unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
}

/// Brings the loopback interface up.
pub(super) fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: the structure is plain integers, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) })
}

pub(super) fn set_limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: passes a valid structure.
    check(unsafe { libc::setrlimit(resource, &limit) })
}

/// `prctl` with integers.
pub(super) fn prctl(option: i32, value: u64) -> io::Result<()> {
    // SAFETY: used with options whose arguments are integers.
    check(unsafe { libc::prctl(option, value, 0, 0, 0) })
}

/// Loads a filter for this thread. `no_new_privs` must be set.
pub(super) fn load_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::other("filter too long"))?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads `length` instructions.
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0) })
}

/// Signals have their default actions again; Rust programs ignore SIGPIPE.
pub(super) fn default_signals() {
    // SAFETY: sets a default action.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Replaces the program. Returns only on failure.
pub(super) fn execute(arguments: &[CString], variables: &[CString]) -> io::Error {
    let Some(program) = arguments.first() else { return io::Error::other("no program to run") };
    let terminated = |list: &[CString]| {
        list.iter().map(|text| text.as_ptr()).chain(std::iter::once(std::ptr::null())).collect::<Vec<_>>()
    };
    let (arguments, variables) = (terminated(arguments), terminated(variables));
    // SAFETY: both lists end with null and point to strings that live longer.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
    io::Error::last_os_error()
}

/// Names the step that failed.
pub(super) fn at<E: Into<io::Error>>(step: &'static str) -> impl Fn(E) -> io::Error {
    move |error| {
        let error = error.into();
        io::Error::new(error.kind(), format!("failed to {step}: {error}"))
    }
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
