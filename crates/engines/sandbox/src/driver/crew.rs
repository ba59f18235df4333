//! External extensions of an environment, and the first process that looks after them and the runtime.
//!
//! Both sides speak packets: a letter, then what it is about. The launcher's side is `launcher/init/crew.rs`.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::exit::Exit;

/// An extension could not be started: its number, and an error number in four bytes.
pub(crate) const LAUNCH_FAILED: u8 = b'L';
/// An extension has ended: its number, and its exit.
pub(crate) const EXTENSION_ENDED: u8 = b'E';
/// The runtime has ended: its exit.
pub(crate) const RUNTIME_ENDED: u8 = b'R';
/// A connection that was asked for is being made: its socket comes with it.
pub(crate) const CONNECTING: u8 = b'C';
/// A connection that was asked for cannot be made: an error number.
pub(crate) const CONNECT_FAILED: u8 = b'F';
/// To the first process: connect to this port (two bytes, the higher first).
pub(crate) const CONNECT: u8 = b'c';
/// To the first process: the runtime may start.
pub(crate) const START_RUNTIME: u8 = b's';
/// To the first process: ask the runtime to end, by SIGTERM.
pub(crate) const TERMINATE_RUNTIME: u8 = b't';
/// To the first process: kill the runtime.
pub(crate) const KILL_RUNTIME: u8 = b'r';
/// To the first process: kill the extension with this number.
pub(crate) const KILL_EXTENSION: u8 = b'e';
/// The longest packet: a letter, a number, an exit.
pub(crate) const PACKET_BYTES_MAX: usize = 7;

/// See the module's documentation. Extensions are told apart by their numbers.
pub(crate) struct Crew {
    /// The names of the extensions, in the order of their numbers.
    pub names: Vec<String>,
    socket: AsyncFd<OwnedFd>,
    /// Who waits for connections, in the order in which they were asked for.
    connecting: Mutex<VecDeque<oneshot::Sender<io::Result<OwnedFd>>>>,
    /// Sockets can come from the first process: it runs on the same kernel.
    connects: bool,
}

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    LaunchFailed { extension: usize, error: i32 },
    ExtensionEnded { extension: usize, exit: Exit },
    RuntimeEnded { exit: Exit },
}

impl Crew {
    pub(crate) fn new(names: Vec<String>, socket: AsyncFd<OwnedFd>) -> Crew {
        Crew { names, socket, connecting: Mutex::default(), connects: true }
    }

    /// Those of a virtual machine, from which no socket can come.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_machine(names: Vec<String>, socket: AsyncFd<OwnedFd>) -> Crew {
        Crew { connects: false, ..Crew::new(names, socket) }
    }

    /// Whether [`Crew::connect`] may succeed.
    pub(crate) fn can_connect(&self) -> bool {
        self.connects
    }

    /// The names, and the socket to the first process.
    #[cfg(target_os = "linux")]
    pub(crate) fn into_parts(self) -> (Vec<String>, AsyncFd<OwnedFd>) {
        (self.names, self.socket)
    }

    /// Waits for news; `None` when the environment has ended.
    pub(crate) async fn news(&self) -> Option<News> {
        loop {
            let mut packet = [0; PACKET_BYTES_MAX];
            let received = self.socket.async_io(Interest::READABLE, |socket| receive(socket, &mut packet)).await;
            let (count, descriptor) = received.ok()?;
            let connected = match (&packet[..count], descriptor) {
                ([CONNECTING], Some(descriptor)) => Ok(descriptor),
                ([CONNECT_FAILED, error @ ..], _) => Err(error_of(error)?),
                (packet, _) => return news_of(packet),
            };
            let waiting = self.connecting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(waiting) = waiting {
                // Nobody may wait any more.
                let _ = waiting.send(connected);
            }
        }
    }

    /// Connects to a port inside the environment.
    pub(crate) async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let (sender, connected) = oneshot::channel();
        {
            let mut connecting = self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
            let [high, low] = port.to_be_bytes();
            self.say(&[CONNECT, high, low])?;
            connecting.push_back(sender);
        }
        let descriptor = connected.await.map_err(|_| io::Error::other("the environment has ended"))??;
        let stream = std::net::TcpStream::from(descriptor);
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream)?;
        stream.writable().await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    /// Lets the runtime start, which has waited for that.
    pub(crate) fn start_runtime(&self) -> io::Result<()> {
        self.say(&[START_RUNTIME])
    }

    /// Asks the runtime to end, by SIGTERM.
    pub(crate) fn terminate_runtime(&self) {
        self.say_if_there(&[TERMINATE_RUNTIME]);
    }

    /// Kills the runtime.
    pub(crate) fn kill_runtime(&self) {
        self.say_if_there(&[KILL_RUNTIME]);
    }

    /// Kills an extension.
    pub(crate) fn kill_extension(&self, extension: usize) {
        self.say_if_there(&[KILL_EXTENSION, extension as u8]);
    }

    fn say_if_there(&self, packet: &[u8]) {
        if let Err(error) = self.say(packet) {
            tracing::debug!(%error, "an environment's first process does not listen");
        }
    }

    fn say(&self, packet: &[u8]) -> io::Result<()> {
        rustix::net::send(self.socket.get_ref(), packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        Ok(())
    }
}

/// Receives a packet and the descriptor that comes with it.
fn receive(socket: &OwnedFd, packet: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT;
    #[cfg(target_os = "linux")]
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let received = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(packet)], &mut ancillary, flags)?;
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((received.bytes, descriptor))
}

fn error_of(number: &[u8]) -> Option<io::Error> {
    Some(io::Error::from_raw_os_error(i32::from_ne_bytes(number.try_into().ok()?)))
}

fn news_of(packet: &[u8]) -> Option<News> {
    match *packet {
        [LAUNCH_FAILED, extension, ref error @ ..] => {
            let error = i32::from_ne_bytes(error.try_into().ok()?);
            Some(News::LaunchFailed { extension: extension.into(), error })
        }
        [EXTENSION_ENDED, extension, ref exit @ ..] => {
            let exit = Exit::from_bytes(exit)?;
            Some(News::ExtensionEnded { extension: extension.into(), exit })
        }
        [RUNTIME_ENDED, ref exit @ ..] => Some(News::RuntimeEnded { exit: Exit::from_bytes(exit)? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_the_first_process() {
        let exit = Exit::Code(3);
        let said = |head: &[u8], rest: &[u8]| news_of(&[head, rest].concat());
        let ended = Some(News::ExtensionEnded { extension: 2, exit });
        assert_eq!(said(&[EXTENSION_ENDED, 2], &exit.to_bytes()), ended);
        assert_eq!(said(&[RUNTIME_ENDED], &exit.to_bytes()), Some(News::RuntimeEnded { exit }));
        let failed = Some(News::LaunchFailed { extension: 0, error: 13 });
        assert_eq!(said(&[LAUNCH_FAILED, 0], &13_i32.to_ne_bytes()), failed);
        assert_eq!(said(&[LAUNCH_FAILED, 0], &[1]), None);
        assert_eq!(said(&[], &[]), None);
    }
}
