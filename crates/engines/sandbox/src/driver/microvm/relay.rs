//! Carries bytes between lanes and what they stand for: sockets and pipes.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Mutex;

use super::frame::{DATA_BYTES_MAX, Message};
use super::link::{Lane, LaneReceiver, LaneSender, Link};
use crate::driver::Process;
use crate::driver::crew::PACKET_BYTES_MAX;

/// Carries both ways until both have ended. In a guest, what the function wrote goes first.
pub(super) async fn both_ways(socket: impl AsyncRead + AsyncWrite, lane: Lane, outlet: Option<Arc<Outlet>>) {
    let (reader, writer) = tokio::io::split(socket);
    let Lane { sender, receiver } = lane;
    tokio::join!(send(reader, sender, outlet), receive(writer, receiver));
}

pub(super) async fn send(mut reader: impl AsyncRead + Unpin, sender: LaneSender, outlet: Option<Arc<Outlet>>) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(DATA_BYTES_MAX);
        let mut limited = (&mut reader).take(DATA_BYTES_MAX as u64);
        let read = limited.read_buf(&mut buffer).await;
        if let Some(outlet) = &outlet
            && outlet.flush().await.is_err()
        {
            return;
        }
        let sent = match read {
            Ok(0) | Err(_) => {
                let _ = sender.end().await;
                return;
            }
            Ok(_) => sender.send(buffer.split().freeze()).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

pub(super) async fn receive(mut writer: impl AsyncWrite + Unpin, mut receiver: LaneReceiver) {
    while let Some(bytes) = receiver.receive().await {
        if writer.write_all(&bytes).await.is_err() {
            return receiver.stop().await;
        }
    }
    let _ = writer.shutdown().await;
}

/// Carries packets both ways, each as a frame of its own, until both have ended.
pub(super) async fn packets(socket: AsyncFd<OwnedFd>, lane: Lane, outlet: Option<Arc<Outlet>>) {
    let Lane { sender, mut receiver } = lane;
    let outgoing = async {
        loop {
            let mut packet = [0; PACKET_BYTES_MAX];
            let take = |socket: &OwnedFd| {
                let (_, count) = rustix::net::recv(socket, &mut packet[..], RecvFlags::DONTWAIT)?;
                Ok(count)
            };
            let Ok(count @ 1..) = socket.async_io(Interest::READABLE, take).await else { return sender.end().await };
            if let Some(outlet) = &outlet {
                outlet.flush().await?;
            }
            sender.send(Bytes::copy_from_slice(&packet[..count])).await?;
        }
    };
    let incoming = async {
        while let Some(packet) = receiver.receive().await {
            let put = |socket: &OwnedFd| {
                rustix::net::send(socket, &packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
                Ok(())
            };
            if socket.async_io(Interest::WRITABLE, put).await.is_err() {
                return receiver.stop().await;
            }
        }
    };
    let _ = tokio::join!(outgoing, incoming);
}

/// A guest's end of what the function writes.
pub(super) struct Outlet {
    pipe: Receiver,
    sender: LaneSender,
    link: Arc<Link>,
    process: Arc<dyn Process>,
    /// The high-water mark that the host knows.
    told_bytes: AtomicU64,
    /// Whoever reads sends what was read before another one reads.
    turn: Mutex<()>,
}

impl Outlet {
    pub(super) fn new(pipe: Receiver, sender: LaneSender, link: Arc<Link>, process: Arc<dyn Process>) -> Outlet {
        Outlet { pipe, sender, link, process, told_bytes: AtomicU64::new(0), turn: Mutex::new(()) }
    }

    /// Sends what the function writes, until its end.
    pub(super) async fn run(&self) -> io::Result<()> {
        let mut buffer = vec![0; DATA_BYTES_MAX];
        loop {
            self.pipe.readable().await?;
            let _turn = self.turn.lock().await;
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.sender.send(Bytes::copy_from_slice(&buffer[..count])).await?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends what was written up to now, and what memory it took.
    pub(super) async fn flush(&self) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        let mut buffer = vec![0; DATA_BYTES_MAX];
        // Past the event loop, which may not have heard of the latest bytes yet.
        while let Ok(count @ 1..) = rustix::io::read(&self.pipe, &mut buffer) {
            self.sender.send(Bytes::copy_from_slice(&buffer[..count])).await?;
        }
        let bytes = self.process.max_memory_bytes();
        if self.told_bytes.swap(bytes, Ordering::Relaxed) != bytes {
            self.link.say(Message::Memory { bytes }).await?;
        }
        Ok(())
    }
}
