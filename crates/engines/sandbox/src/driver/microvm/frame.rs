//! What Kobel and a guest send each other over their one stream of bytes.
//!
//! A frame is `length: u32` (of what follows), `kind: u8`, `lane: u32` and a payload; numbers are big endian.
//! Lanes carry bytes side by side, each with a window of its own, so that one that is not read holds back no other.

use std::collections::BTreeMap;
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::driver::Conversation;

/// The most bytes of one frame of data.
pub(super) const DATA_BYTES_MAX: usize = 16 * 1024;
/// The largest message; variables and arguments fit many times.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
const PREFIX_BYTES: usize = 9;

const MESSAGE: u8 = b'M';
const OPEN: u8 = b'O';
const DATA: u8 = b'D';
const CREDIT: u8 = b'C';
const END: u8 = b'E';
const STOP: u8 = b'S';

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Message(Box<Message>),
    /// A connection from inside, as a lane of its own.
    Open {
        lane: u32,
        door: Door,
    },
    Data {
        lane: u32,
        bytes: Bytes,
    },
    /// One more frame of data may come.
    Credit {
        lane: u32,
    },
    /// No more data comes.
    End {
        lane: u32,
    },
    /// No more data is taken.
    Stop {
        lane: u32,
    },
}

/// What a connection from inside is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Endpoint,
    RuntimeApi,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Message {
    /// To the guest, once: what to run.
    Begin(Begin),
    /// To the guest: the runtime is to end.
    Terminate,
    /// The runtime runs.
    Started,
    /// It could not be started.
    Failed { reason: String },
    /// The high-water mark of the function's memory.
    Memory { bytes: u64 },
    /// The function uses more memory than it may.
    MemoryExceeded,
    /// Nothing of the function runs any more.
    Ended { exit: [u8; 5], out_of_memory: bool, max_memory_bytes: Option<u64> },
}

/// What a guest runs, with the paths that it sees.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    /// The host's time, since the epoch.
    pub seconds: i64,
    pub nanoseconds: u32,
    pub conversation: Conversation,
    pub endpoint_port: u16,
    pub arguments: Vec<String>,
    pub variables: BTreeMap<String, String>,
    pub working_dir: String,
    pub memory_mb: u32,
    pub ephemeral_storage_mb: u32,
    /// Where the code is, if not in the image.
    pub code: Option<String>,
    pub layers: Option<String>,
    pub lang: Option<String>,
    pub image_root: Option<String>,
}

impl Frame {
    pub(super) fn encode(&self, out: &mut BytesMut) -> io::Result<()> {
        let (kind, lane, payload) = match self {
            Frame::Message(message) => (MESSAGE, 0, Bytes::from(serde_json::to_vec(message)?)),
            Frame::Open { lane, door } => (OPEN, *lane, Bytes::from_static(door.letter())),
            Frame::Data { lane, bytes } => (DATA, *lane, bytes.clone()),
            Frame::Credit { lane } => (CREDIT, *lane, Bytes::new()),
            Frame::End { lane } => (END, *lane, Bytes::new()),
            Frame::Stop { lane } => (STOP, *lane, Bytes::new()),
        };
        if payload.len() > MESSAGE_BYTES_MAX {
            return Err(io::Error::other(format!("a message of {} bytes", payload.len())));
        }
        out.reserve(PREFIX_BYTES + payload.len());
        out.put_u32(payload.len() as u32 + 5);
        out.put_u8(kind);
        out.put_u32(lane);
        out.extend_from_slice(&payload);
        Ok(())
    }

    /// Takes the next whole frame out of what was received; `None` while it is incomplete.
    pub(super) fn decode(incoming: &mut BytesMut) -> io::Result<Option<Frame>> {
        let Some(mut prefix) = incoming.get(..PREFIX_BYTES) else { return Ok(None) };
        let length = prefix.get_u32() as usize;
        let kind = prefix.get_u8();
        let lane = prefix.get_u32();
        let limit = if kind == MESSAGE { MESSAGE_BYTES_MAX } else { DATA_BYTES_MAX };
        if !(5..=limit + 5).contains(&length) {
            return Err(nonsense("its length"));
        }
        if incoming.len() < 4 + length {
            incoming.reserve(4 + length - incoming.len());
            return Ok(None);
        }
        let mut bytes = incoming.split_to(4 + length).freeze();
        bytes.advance(PREFIX_BYTES);
        let frame = match kind {
            MESSAGE => Frame::Message(serde_json::from_slice(&bytes).map_err(|_| nonsense("its message"))?),
            OPEN => Frame::Open { lane, door: Door::of_letter(&bytes).ok_or_else(|| nonsense("its door"))? },
            DATA => Frame::Data { lane, bytes },
            CREDIT => Frame::Credit { lane },
            END => Frame::End { lane },
            STOP => Frame::Stop { lane },
            _ => return Err(nonsense("its kind")),
        };
        Ok(Some(frame))
    }
}

impl Door {
    fn letter(self) -> &'static [u8] {
        match self {
            Door::Endpoint => b"e",
            Door::RuntimeApi => b"r",
        }
    }

    fn of_letter(letter: &[u8]) -> Option<Door> {
        [Door::Endpoint, Door::RuntimeApi].into_iter().find(|door| door.letter() == letter)
    }
}

fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a frame is wrong in {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_whole_from_any_pieces() {
        let frames = [
            Frame::Message(Box::new(Message::Failed { reason: "why".to_owned() })),
            Frame::Open { lane: 7, door: Door::RuntimeApi },
            Frame::Data { lane: 7, bytes: Bytes::from_static(b"text") },
            Frame::Credit { lane: 1 },
            Frame::End { lane: 7 },
            Frame::Stop { lane: u32::MAX },
        ];
        let mut sent = BytesMut::new();
        frames.iter().for_each(|frame| frame.encode(&mut sent).unwrap());
        let (mut incoming, mut received) = (BytesMut::new(), Vec::new());
        for byte in sent {
            incoming.put_u8(byte);
            received.extend(Frame::decode(&mut incoming).unwrap());
        }
        assert_eq!(received, frames);
    }

    #[test]
    fn refuses_what_is_no_frame() {
        let of = |length: u32, kind: u8, payload: &[u8]| {
            let mut bytes = BytesMut::new();
            bytes.put_u32(length);
            bytes.put_u8(kind);
            bytes.put_u32(0);
            bytes.extend_from_slice(payload);
            Frame::decode(&mut bytes)
        };
        assert!(of(4, DATA, b"").is_err());
        assert!(of(DATA_BYTES_MAX as u32 + 6, DATA, b"").is_err(), "before its bytes have come");
        assert!(of(u32::MAX, MESSAGE, b"").is_err());
        assert!(of(6, OPEN, b"x").is_err());
        assert!(of(6, MESSAGE, b"{").is_err());
        assert!(of(5, b'?', b"").is_err());
    }
}
