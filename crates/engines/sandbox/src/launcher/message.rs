//! What the server and the launcher say to each other: JSON over a packet socket, with descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::cgroup::{Group, Limits};
use crate::network::Network;

/// The largest message: variables (4 KB), arguments and paths fit many times.
pub(crate) const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// The most descriptors of one message.
pub(crate) const DESCRIPTORS_MAX: usize = 16;

/// From the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first message: make the root that all environments share.
    Prepare(Prepare),
    /// Boot an interpreter that is forked for later starts.
    Plant(Stem),
    /// Start an environment. Descriptors: output, report, the channel if there is one, the output of extensions if there
    /// are any.
    Start(Box<Start>),
    /// Kill an environment.
    Kill { id: String },
}

/// What all environments share.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Prepare {
    /// Where the shared root is assembled.
    pub root_dir: PathBuf,
    /// The bootstraps.
    pub runtime_dir: PathBuf,
    /// The name of Kobel's own control group.
    pub group_name: String,
    /// Ports to listen on in every environment, in the order in which the listeners are reported. The first one is the
    /// endpoint's.
    pub ports: Vec<u16>,
    /// What sandboxes that are made ahead reach.
    pub network: Network,
    /// What environments see in addition that are virtual machines.
    pub machine: Option<MachineFiles>,
}

/// What the monitor of a virtual machine needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MachineFiles {
    /// Seen at `/var/machine`.
    pub dir: PathBuf,
    /// Whether it may use `/dev/kvm`.
    pub kvm: bool,
}

/// An interpreter without user code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stem {
    pub name: String,
    pub arguments: Vec<String>,
    /// `NAME=value`
    pub variables: Vec<String>,
    pub lang: Option<PathBuf>,
    /// Whether it loads the AWS SDK of the runtime.
    pub with_sdk: bool,
}

/// One environment to start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub id: String,
    pub arguments: Vec<String>,
    /// `NAME=value`
    pub variables: Vec<String>,
    /// Seen at `/var/task`; a function from an image has its own.
    pub code: Option<PathBuf>,
    pub layers: Vec<PathBuf>,
    pub lang: Option<PathBuf>,
    pub classes: Option<PathBuf>,
    /// An image's folder that takes the place of the root which all others share.
    pub image_root: Option<PathBuf>,
    /// Where the runtime starts.
    pub working_dir: String,
    pub limits: Limits,
    /// What it reaches. The cable to the gateway is reported behind the listeners.
    pub network: Network,
    /// What the runtime comes from; only a program may have extensions.
    pub origin: Origin,
    pub extensions: Extensions,
}

/// External extensions, which start before the runtime.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Extensions {
    /// Each as seen from inside.
    pub programs: Vec<String>,
    /// `NAME=value`
    pub variables: Vec<String>,
}

/// What a runtime comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Origin {
    /// The program of `arguments` is executed.
    Program,
    /// A fork of the stem with this name.
    Stem { name: String, is_template: bool },
    /// A fork of the template with this id.
    Template { id: String },
}

/// From the launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// Ready. Which controllers are in use, and why others are not.
    Prepared {
        group_version: u8,
        controllers: [bool; 4],
        missing: Vec<String>,
        as_root: bool,
        /// Why sandboxes cannot reach the outside.
        no_outside: Option<String>,
    },
    /// This host does not allow it.
    Unavailable { reason: String },
    /// The environment's processes exist: its first one, and the runtime where a stem bore it.
    Started { id: String, pids: Vec<i32>, group: Option<Group> },
    /// It could not be made.
    Failed { id: String, reason: String },
    /// Nothing of it runs any more. `exit` is absent when it was killed as a whole.
    Ended { id: String, exit: Option<[u8; 5]>, out_of_memory: bool, max_memory_bytes: Option<u64> },
    /// A stem has booted and can be forked.
    Planted { name: String },
    /// A stem is gone, and why.
    Withered { name: String, reason: String },
}

/// Sends one message.
pub(crate) fn send<M: Serialize>(socket: impl AsFd, message: &M, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(io::Error::other(format!("a message of {} bytes exceeds {MESSAGE_BYTES_MAX}", bytes.len())));
    }
    send_bytes(socket, &bytes, descriptors)
}

/// Receives one message; `None` when the other side is gone.
pub(crate) fn receive<M: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    // No more memory than the message needs: what a sandbox's first process touches is there as often as sandboxes are.
    let mut buffer = vec![0; next_bytes(&socket)?.min(MESSAGE_BYTES_MAX)];
    let (count, descriptors) = receive_bytes(socket, &mut buffer)?;
    if count == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&buffer[..count])?, descriptors)))
}

/// Waits for the next message; its size.
fn next_bytes(socket: impl AsFd) -> io::Result<usize> {
    let flags = RecvFlags::PEEK | RecvFlags::TRUNC;
    let mut none = [0_u8; 0];
    loop {
        match rustix::net::recv(&socket, &mut none[..], flags) {
            Err(rustix::io::Errno::INTR) => {}
            received => return Ok(received?.1),
        }
    }
}

pub(crate) fn send_bytes(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_with(socket, bytes, descriptors, SendFlags::NOSIGNAL)
}

/// As [`send_bytes`], but fails where the other side has left too much unread.
pub(crate) fn try_send_bytes(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_with(socket, bytes, descriptors, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

fn send_with(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>], flags: SendFlags) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors"));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)?;
    Ok(())
}

pub(crate) fn receive_bytes(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        match rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok((received.bytes, descriptors))
}
