//! Templates: runtimes of functions after their init, which are forked into sandboxes of their own.
//!
//! A template has run the function's code and is not trusted. It lives in a sandbox; those of its children lie inside
//! of that one's user and process namespaces, so that it can fork into them with rights that hold nowhere else. What
//! it says is checked against what the kernel knows.

use std::fs;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType};

use super::message;
use super::stem::{ANSWER_BYTES, Order, answer_of};
use super::sys;

/// Namespaces that a template's child enters, in the order of its descriptors.
const NAMESPACES: [&str; 6] = ["pid", "mnt", "net", "ipc", "uts", "cgroup"];

/// A template, from the launcher's side.
pub(super) struct Template {
    pub control: OwnedFd,
    /// Children that were ordered and not answered yet, by their serial numbers.
    pub ordered: Vec<u64>,
}

/// What comes from a template.
pub(super) enum Answer {
    /// A child says that it is inside the sandbox with this serial number. The kernel told which process it is.
    Inside { serial: u64, pid: i32 },
    /// A child was not born, or could not get inside and is ending.
    Failed { serial: u64, pid: i32, error: io::Error },
    /// It is gone, or says what no template says.
    Gone,
}

impl Template {
    /// A template to be, and its end of the control.
    pub(super) fn conceive() -> io::Result<(Template, OwnedFd)> {
        use rustix::net::{socketpair, sockopt};
        let (control, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_passcred(&control, true)?;
        Ok((Template { control, ordered: Vec::new() }, theirs))
    }

    /// Orders a child into the sandbox whose first process is `first`. `rest`: output, channel, control groups.
    pub(super) fn order(&mut self, order: &Order, first: i32, rest: &[BorrowedFd<'_>]) -> io::Result<()> {
        let namespaces = NAMESPACES.map(|name| fs::File::open(format!("/proc/{first}/ns/{name}")));
        let namespaces = namespaces.into_iter().collect::<io::Result<Vec<_>>>()?;
        let mut descriptors: Vec<BorrowedFd<'_>> = namespaces.iter().map(AsFd::as_fd).collect();
        descriptors.extend_from_slice(rest);
        // One that does not read is not waited for.
        message::try_send_bytes(&self.control, &order.to_bytes(), &descriptors)?;
        self.ordered.push(order.serial);
        Ok(())
    }

    /// Hears one answer, to what was ordered.
    pub(super) fn hear(&mut self) -> Answer {
        let Ok(Some((serial, number, pid))) = self.receive() else { return Answer::Gone };
        if !self.ordered.contains(&serial) {
            return Answer::Gone;
        }
        self.ordered.retain(|ordered| *ordered != serial);
        match i32::try_from(number) {
            Ok(0) => Answer::Inside { serial, pid },
            Ok(error @ ..0) => Answer::Failed { serial, pid, error: io::Error::from_raw_os_error(-error) },
            _ => Answer::Gone,
        }
    }

    /// Serial, number, and the process that said so.
    fn receive(&self) -> io::Result<Option<(u64, i64, i32)>> {
        let mut bytes = [0; ANSWER_BYTES];
        // What else it sends is cut off, and closed by the kernel.
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let received = rustix::net::recvmsg(&self.control, &mut parts, &mut ancillary, flags)?;
        let sender = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(who) => Some(who.pid.as_raw_nonzero().get()),
            _ => None,
        });
        let (serial, number) = answer_of(&bytes);
        Ok(sender.filter(|_| received.bytes == ANSWER_BYTES).map(|pid| (serial, number, pid)))
    }
}

/// Whether `pid` is a child of the launcher that has entered the sandbox of `first` and gave up all privileges.
pub(super) fn check(pid: i32, first: i32) -> io::Result<()> {
    if !sys::is_child(pid) {
        return Err(io::Error::other("the template named another process than its child"));
    }
    for name in NAMESPACES {
        let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/{name}"));
        if namespace(pid)? != namespace(first)? {
            return Err(io::Error::other(format!("the template's child is not in its {name} namespace")));
        }
    }
    let groups = |pid: i32| fs::read_to_string(format!("/proc/{pid}/cgroup"));
    if groups(pid)? != groups(first)? {
        return Err(io::Error::other("the template's child is not in its control groups"));
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map_or("", str::trim);
    let is_none = |name: &str| u64::from_str_radix(field(name), 16) == Ok(0);
    if !["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"].into_iter().all(is_none) {
        return Err(io::Error::other("the template's child has privileges"));
    }
    // Those of the template, and the one that takes its right back.
    if field("Seccomp_filters:").parse::<u32>().is_ok_and(|filters| filters < 2) {
        return Err(io::Error::other("the template's child lacks its filter"));
    }
    Ok(())
}
