//! The server's end of an environment's cable: a packet socket on the far interface of the pair.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{CABLE_MTU, GATEWAY_MAC, SANDBOX_MAC};

const HEADER_BYTES: usize = 14;
const TYPE_V4: [u8; 2] = [0x08, 0x00];
const TYPE_V6: [u8; 2] = [0x86, 0xdd];
/// The largest frame: the kernel may hand over more than one segment of TCP in one.
const FRAME_BYTES_MAX: usize = HEADER_BYTES + 65_535 + 40;
/// How many bytes may wait to be read. Needs root; without it the kernel's default of some 200 KB holds.
const RECEIVE_BYTES_MAX: i32 = 4 << 20;

/// Packets of IP, in both directions.
pub(super) struct Cable {
    socket: AsyncFd<OwnedFd>,
}

/// Room for one frame.
pub(super) struct Buffer(Box<[u8; FRAME_BYTES_MAX]>);

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer(vec![0; FRAME_BYTES_MAX].try_into().expect("as many bytes as the array has"))
    }
}

impl Cable {
    /// Must be called within a Tokio runtime.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Cable> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        // Refused without root.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BYTES_MAX as usize);
        // SAFETY: an `OwnedFd` always refers to the same open descriptor until it is dropped.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Cable { socket })
    }

    /// Waits for a packet.
    pub(super) async fn receive<'b>(&self, buffer: &'b mut Buffer) -> io::Result<&'b [u8]> {
        let count = self.socket.async_io(Interest::READABLE, |socket| {
            let (_, count) = rustix::net::recv(socket, &mut buffer.0[..], RecvFlags::DONTWAIT)?;
            Ok(count)
        });
        let count = count.await?;
        Ok(buffer.0.get(HEADER_BYTES..count).unwrap_or_default())
    }

    /// A packet that is there already.
    pub(super) fn receive_now<'b>(&self, buffer: &'b mut Buffer) -> Option<&'b [u8]> {
        let (_, count) = rustix::net::recv(self.socket.get_ref(), &mut buffer.0[..], RecvFlags::DONTWAIT).ok()?;
        Some(buffer.0.get(HEADER_BYTES..count).unwrap_or_default())
    }

    /// Sends a packet. One that cannot be sent now is lost, as on any cable.
    pub(super) fn send(&self, packet: &[u8]) {
        let kind = match packet.first().map(|byte| byte >> 4) {
            Some(4) => TYPE_V4,
            Some(6) => TYPE_V6,
            _ => return,
        };
        debug_assert!(packet.len() <= CABLE_MTU as usize, "a packet of {} bytes", packet.len());
        let mut header = [0; HEADER_BYTES];
        header[..6].copy_from_slice(&SANDBOX_MAC);
        header[6..12].copy_from_slice(&GATEWAY_MAC);
        header[12..].copy_from_slice(&kind);
        let parts = [io::IoSlice::new(&header), io::IoSlice::new(packet)];
        let mut control = rustix::net::SendAncillaryBuffer::default();
        let _ = rustix::net::sendmsg(self.socket.get_ref(), &parts, &mut control, SendFlags::DONTWAIT);
    }
}
