//! The two ends of a stream of frames: lanes with windows, and messages.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, watch};

use super::frame::{Door, Frame, Message};

/// The conversation with a bootstrap.
pub(super) const CHANNEL_LANE: u32 = 0;
/// What the function writes.
pub(super) const OUTPUT_LANE: u32 = 1;
/// What is said about external extensions, a packet a frame.
pub(super) const CREW_LANE: u32 = 2;
/// What external extensions write.
pub(super) const EXTENSIONS_OUTPUT_LANE: u32 = 3;
/// The first lane of connections.
pub(super) const CONNECTION_LANES: u32 = 4;

/// Frames of data that one lane may have under way: 256 KiB.
const WINDOW_FRAMES: usize = 16;
/// Frames that wait to be written.
const QUEUE_FRAMES_MAX: usize = 32;
/// Lanes at a time, beyond the connections that a sandbox lets in.
const LANES_MAX: usize = 1024;
const READ_BYTES: usize = 32 * 1024;

/// What the other side said, apart from data.
pub(super) enum Heard {
    Message(Message),
    Opened(Lane, Door),
}

/// One end.
pub(super) struct Link {
    frames: mpsc::Sender<Frame>,
    lanes: Mutex<Lanes>,
    /// How many frames of output have been handed on. What came after one waits for it: an answer never
    /// overtakes the lines that were written before it.
    delivered: watch::Sender<u64>,
}

#[derive(Default)]
struct Lanes {
    open: HashMap<u32, Entry>,
    /// Frames of output that have come.
    output: u64,
    closed: bool,
}

struct Entry {
    incoming: mpsc::Sender<Incoming>,
    credit: Arc<Semaphore>,
}

struct Incoming {
    /// `None` at the end.
    bytes: Option<Bytes>,
    /// How many frames of output came before.
    after_output: u64,
}

/// One stream of bytes within the link.
pub(super) struct Lane {
    pub sender: LaneSender,
    pub receiver: LaneReceiver,
}

#[derive(Clone)]
pub(super) struct LaneSender {
    of: Arc<Membership>,
    credit: Arc<Semaphore>,
}

pub(super) struct LaneReceiver {
    of: Arc<Membership>,
    incoming: mpsc::Receiver<Incoming>,
}

/// Takes the lane out of the link when neither half of it is left.
struct Membership {
    id: u32,
    link: Arc<Link>,
}

/// The writing side of a link, to be driven by [`Outgoing::run`].
pub(super) struct Outgoing(mpsc::Receiver<Frame>);

impl Link {
    pub(super) fn new() -> (Arc<Link>, Outgoing) {
        let (frames, outgoing) = mpsc::channel(QUEUE_FRAMES_MAX);
        let link = Link { frames, lanes: Mutex::default(), delivered: watch::Sender::new(0) };
        (Arc::new(link), Outgoing(outgoing))
    }

    /// Adds a lane; `None` when the number is taken, there are too many, or the link is closed.
    pub(super) fn lane(self: &Arc<Link>, id: u32) -> Option<Lane> {
        let mut lanes = self.lock();
        if lanes.closed || lanes.open.len() >= LANES_MAX || lanes.open.contains_key(&id) {
            return None;
        }
        // One more than the window: the end needs no credit.
        let (sender, incoming) = mpsc::channel(WINDOW_FRAMES + 1);
        let credit = Arc::new(Semaphore::new(WINDOW_FRAMES));
        lanes.open.insert(id, Entry { incoming: sender, credit: credit.clone() });
        let of = Arc::new(Membership { id, link: self.clone() });
        Some(Lane { sender: LaneSender { of: of.clone(), credit }, receiver: LaneReceiver { of, incoming } })
    }

    /// Asks the other side to serve a connection as this lane.
    pub(super) async fn open(&self, lane: u32, door: Door) -> io::Result<()> {
        self.send(Frame::Open { lane, door }).await
    }

    pub(super) async fn say(&self, message: Message) -> io::Result<()> {
        self.send(Frame::Message(Box::new(message))).await
    }

    async fn send(&self, frame: Frame) -> io::Result<()> {
        self.frames.send(frame).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// One more frame of output was handed on.
    pub(super) fn output_delivered(&self) {
        self.delivered.send_modify(|delivered| *delivered += 1);
    }

    /// How many frames of output have come up to now.
    pub(super) fn output_received(&self) -> u64 {
        self.lock().output
    }

    /// Waits until that many frames of output were handed on.
    pub(super) async fn wait_for_output(&self, frames: u64) {
        // The sender is of this very link.
        let _ = self.delivered.subscribe().wait_for(|delivered| *delivered >= frames).await;
    }

    /// Reads frames until the other side is gone or says what cannot be; then all lanes end.
    pub(super) async fn run(
        self: &Arc<Link>,
        reader: impl AsyncRead + Unpin,
        hear: impl FnMut(Heard),
    ) -> io::Result<()> {
        let result = self.read(reader, hear).await;
        let mut lanes = self.lock();
        lanes.closed = true;
        for entry in lanes.open.drain().map(|(_, entry)| entry) {
            entry.credit.close();
        }
        result
    }

    async fn read(self: &Arc<Link>, mut reader: impl AsyncRead + Unpin, mut hear: impl FnMut(Heard)) -> io::Result<()> {
        let mut incoming = BytesMut::with_capacity(READ_BYTES);
        loop {
            while let Some(frame) = Frame::decode(&mut incoming)? {
                if let Some(heard) = self.take(frame)? {
                    hear(heard);
                }
            }
            if reader.read_buf(&mut incoming).await? == 0 {
                return Ok(());
            }
        }
    }

    fn take(self: &Arc<Link>, frame: Frame) -> io::Result<Option<Heard>> {
        match frame {
            Frame::Message(message) => return Ok(Some(Heard::Message(*message))),
            Frame::Open { lane, door } => {
                let lane = self.lane(lane).ok_or_else(|| wrong("opens a lane that cannot be"))?;
                return Ok(Some(Heard::Opened(lane, door)));
            }
            Frame::Data { lane, bytes } => self.deliver(lane, Some(bytes))?,
            Frame::End { lane } => self.deliver(lane, None)?,
            Frame::Stop { lane } => {
                if let Some(entry) = self.lock().open.get(&lane) {
                    entry.credit.close();
                }
            }
            Frame::Credit { lane } => {
                if let Some(entry) = self.lock().open.get(&lane) {
                    if entry.credit.available_permits() >= WINDOW_FRAMES {
                        return Err(wrong("grants more than the window"));
                    }
                    entry.credit.add_permits(1);
                }
            }
        }
        Ok(None)
    }

    fn deliver(&self, lane: u32, bytes: Option<Bytes>) -> io::Result<()> {
        let mut lanes = self.lock();
        let after_output = lanes.output;
        // A lane whose local side is gone takes nothing more; the other side hears of it.
        let Some(entry) = lanes.open.get(&lane) else { return Ok(()) };
        let counts = lane == OUTPUT_LANE && bytes.is_some();
        if let Err(mpsc::error::TrySendError::Full(_)) = entry.incoming.try_send(Incoming { bytes, after_output }) {
            return Err(wrong("sends more than the window"));
        }
        lanes.output += u64::from(counts);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LaneSender {
    /// Sends at most [`super::frame::DATA_BYTES_MAX`] bytes, as soon as the window allows it.
    pub(super) async fn send(&self, bytes: Bytes) -> io::Result<()> {
        let credit = self.credit.acquire().await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        credit.forget();
        self.of.link.send(Frame::Data { lane: self.of.id, bytes }).await
    }

    /// Says that no more data comes.
    pub(super) async fn end(&self) -> io::Result<()> {
        self.of.link.send(Frame::End { lane: self.of.id }).await
    }
}

impl LaneReceiver {
    /// The next bytes; `None` at the end. What the function wrote before has been handed on by then.
    pub(super) async fn receive(&mut self) -> Option<Bytes> {
        let Incoming { bytes, after_output } = self.incoming.recv().await?;
        if self.of.id != OUTPUT_LANE {
            self.of.link.wait_for_output(after_output).await;
        }
        let bytes = bytes?;
        let _ = self.of.link.send(Frame::Credit { lane: self.of.id }).await;
        Some(bytes)
    }

    /// Says that no more data is taken.
    pub(super) async fn stop(&mut self) {
        self.incoming.close();
        let _ = self.of.link.send(Frame::Stop { lane: self.of.id }).await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.link.lock().open.remove(&self.id);
    }
}

impl Outgoing {
    /// Writes frames until the stream breaks or the link is dropped.
    pub(super) async fn run(mut self, mut writer: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        while let Some(frame) = self.0.recv().await {
            frame.encode(&mut bytes)?;
            while let Ok(frame) = self.0.try_recv() {
                frame.encode(&mut bytes)?;
            }
            writer.write_all_buf(&mut bytes).await?;
        }
        Ok(())
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the other side {what}"))
}

#[cfg(test)]
mod tests;
