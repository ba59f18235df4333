//! Messages of rtnetlink, by which interfaces, addresses and routes are made and asked for.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const HEADER_BYTES: usize = 16;
const ANSWER_BYTES_MAX: usize = 8192;
/// `NLMSG_ERROR`: also how success is told.
const ERROR: u16 = libc::NLMSG_ERROR as u16;
/// The bit of an attribute's type that says that it holds attributes.
const NESTED: u16 = libc::NLA_F_NESTED as u16;

/// A request under construction.
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A request of a kind (`RTM_…`) with the fixed part that the kind demands.
    pub(crate) fn new(kind: u16, flags: i32, fixed: &[u8]) -> Message {
        let flags = (libc::NLM_F_REQUEST | flags) as u16;
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(fixed);
        Message { bytes }
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Message {
        push(&mut self.bytes, kind, value);
        self
    }

    /// Adds an attribute that holds `value`, which is attributes itself.
    pub(crate) fn with_nested(self, kind: u16, value: &[u8]) -> Message {
        self.with(kind | NESTED, value)
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}

/// Appends an attribute.
pub(crate) fn push(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = (4 + value.len()) as u16;
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The bytes of an address, as attributes hold them.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// `AF_INET` or `AF_INET6`.
pub(crate) fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

/// A conversation with the kernel about the network namespace of the caller.
pub(crate) struct Netlink(OwnedFd);

impl Netlink {
    pub(crate) fn open() -> io::Result<Netlink> {
        Ok(Netlink(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?))
    }

    /// Asks for a change and waits until it is done.
    pub(crate) fn change(&self, message: Message) -> io::Result<()> {
        self.ask(message).map(drop)
    }

    /// The first message of the answer, without its header.
    pub(crate) fn ask(&self, message: Message) -> io::Result<Vec<u8>> {
        send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        let (_, count) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        body(&answer[..count])
    }
}

fn body(answer: &[u8]) -> io::Result<Vec<u8>> {
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "a netlink answer was cut short");
    let (header, rest) = answer.split_at_checked(HEADER_BYTES).ok_or_else(cut)?;
    let kind = u16::from_ne_bytes([header[4], header[5]]);
    if kind != ERROR {
        return Ok(rest.to_vec());
    }
    let errno = rest.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)).ok_or_else(cut)?;
    if errno == 0 { Ok(Vec::new()) } else { Err(io::Error::from_raw_os_error(-errno)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_counted() {
        let message = Message::new(16, libc::NLM_F_ACK, &[0; 16]).with(3, b"eth0\0").with_nested(18, &[1, 2]);
        let bytes = message.finish();
        assert_eq!(bytes.len(), 16 + 16 + 12 + 8);
        assert_eq!(bytes[..4], 52_u32.to_ne_bytes());
        assert_eq!(bytes[32..36], [9, 0, 3, 0]);
        assert_eq!(bytes[44..48], [6, 0, 18, 0x80]);
    }

    #[test]
    fn refusals_carry_their_number() {
        let mut answer = vec![0; 16];
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        answer.extend_from_slice(&(-libc::EPERM).to_ne_bytes());
        assert_eq!(body(&answer).unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert!(body(&answer[..18]).is_err());
    }
}
