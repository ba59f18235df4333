//! The response of an invocation while the function writes it.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::deadline;
use crate::error::RESPONSE_BYTES_MAX;

/// The content type of a streamed response whose function names none.
pub(crate) const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";
/// The content type of a response that is not streamed: the JSON of the handler's result.
const BUFFERED_CONTENT_TYPE: &str = "application/json";
/// How many parts wait for a reader before the function is held back.
const PARTS_MAX: usize = 16;
/// The largest chunk; what the function writes at once may become several.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

const MIB: u64 = 1024 * 1024;

/// How much a streamed response may have, and how fast it goes.
///
/// The default is what Lambda's developer guide says since 2025: 200 MB (before, it was 20 MB, which could be raised),
/// of which the first 6 MB go as fast as they can and the rest with 2 MB/s. These megabytes are of 1,024 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// The most bytes of a response.
    pub bytes_max: u64,
    /// The bytes at the beginning whose bandwidth is not limited.
    pub burst_bytes: u64,
    /// The bandwidth after these.
    pub bytes_per_second: u64,
}

impl Default for StreamLimits {
    fn default() -> StreamLimits {
        StreamLimits { bytes_max: 200 * MIB, burst_bytes: 6 * MIB, bytes_per_second: 2 * MIB }
    }
}

impl StreamLimits {
    /// How long after the burst that many bytes may have gone.
    fn due(&self, sent: u64) -> Duration {
        let limited = sent.saturating_sub(self.burst_bytes);
        Duration::from_secs_f64(limited as f64 / self.bytes_per_second.max(1) as f64)
    }
}

/// A piece of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponsePart {
    /// The response begins; before all chunks. A function that fails early gives no part at all.
    Begin { content_type: String },
    /// Never empty.
    Chunk(Bytes),
}

/// Where the parts of a response go. While its reader does not keep up, the function is held back.
///
/// After the reader is gone the parts are dropped: the function goes on to its end, as on AWS.
#[derive(Debug)]
pub struct ResponseSender {
    parts: mpsc::Sender<ResponsePart>,
    limits: StreamLimits,
    sent: u64,
    /// Since when the bandwidth is limited.
    limited: Option<Instant>,
}

/// Where the parts come out, in order. No more come when the invocation has ended, however it did.
#[derive(Debug)]
pub struct ResponseReader {
    parts: mpsc::Receiver<ResponsePart>,
}

/// A pipe for the response of one invocation.
pub fn response_stream(limits: StreamLimits) -> (ResponseSender, ResponseReader) {
    let (sender, receiver) = mpsc::channel(PARTS_MAX);
    (ResponseSender { parts: sender, limits, sent: 0, limited: None }, ResponseReader { parts: receiver })
}

impl ResponseReader {
    /// The next part; `None` at the end.
    pub async fn next(&mut self) -> Option<ResponsePart> {
        self.parts.recv().await
    }
}

impl ResponseSender {
    async fn begin(&mut self, content_type: String) {
        self.put(ResponsePart::Begin { content_type }).await;
    }

    async fn chunks(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(CHUNK_BYTES_MAX));
            self.keep_pace(chunk.len() as u64).await;
            self.put(ResponsePart::Chunk(chunk)).await;
        }
    }

    async fn keep_pace(&mut self, bytes: u64) {
        self.sent += bytes;
        let due = self.limits.due(self.sent);
        if due.is_zero() {
            return;
        }
        let since = *self.limited.get_or_insert_with(deadline::start);
        if let Some(early) = due.checked_sub(since.elapsed()) {
            deadline::after(early).await;
        }
    }

    async fn put(&mut self, part: ResponsePart) {
        // Nobody reads any more: the function goes on all the same.
        let _ = self.parts.send(part).await;
    }
}

/// Takes what the runtime answers to one event: as a whole, or as it comes.
pub(crate) enum Sink {
    Whole(BytesMut),
    Stream(ResponseSender),
}

/// The response has more than this many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge(pub(crate) u64);

/// Drops what exceeds `room`, and tells whether something did.
pub(crate) fn cut(bytes: &mut Bytes, room: u64) -> bool {
    let fits = usize::try_from(room).unwrap_or(usize::MAX);
    let exceeds = fits < bytes.len();
    bytes.truncate(fits);
    exceeds
}

impl Sink {
    pub(crate) fn whole() -> Sink {
        Sink::Whole(BytesMut::new())
    }

    /// The most bytes that a function may stream.
    pub(crate) fn bytes_max(&self) -> u64 {
        match self {
            Sink::Whole(_) => RESPONSE_BYTES_MAX as u64,
            Sink::Stream(sender) => sender.limits.bytes_max,
        }
    }

    /// A streamed response begins.
    pub(crate) async fn begin(&mut self, content_type: &str) {
        if let Sink::Stream(sender) = self {
            let content_type = if content_type.is_empty() { DEFAULT_CONTENT_TYPE } else { content_type };
            sender.begin(content_type.to_owned()).await;
        }
    }

    /// Takes a chunk. What exceeds the limit is dropped.
    pub(crate) async fn chunk(&mut self, mut bytes: Bytes) -> Result<(), TooLarge> {
        let bytes_max = self.bytes_max();
        let taken = match self {
            Sink::Whole(whole) => whole.len() as u64,
            Sink::Stream(sender) => sender.sent,
        };
        let exceeds = cut(&mut bytes, bytes_max - taken);
        match self {
            Sink::Whole(whole) => whole.extend_from_slice(&bytes),
            Sink::Stream(sender) => sender.chunks(bytes).await,
        }
        if exceeds { Err(TooLarge(bytes_max)) } else { Ok(()) }
    }

    /// The end of a streamed response: what is left to give as a whole.
    pub(crate) fn end(&mut self) -> Bytes {
        match self {
            Sink::Whole(whole) => std::mem::take(whole).freeze(),
            Sink::Stream(_) => Bytes::new(),
        }
    }

    /// Takes a response that is not streamed, whose limit is that of synchronous invocations.
    pub(crate) async fn response(&mut self, body: Bytes) -> Result<Bytes, TooLarge> {
        if body.len() > RESPONSE_BYTES_MAX {
            return Err(TooLarge(RESPONSE_BYTES_MAX as u64));
        }
        match self {
            Sink::Whole(_) => Ok(body),
            Sink::Stream(sender) => {
                sender.begin(BUFFERED_CONTENT_TYPE.to_owned()).await;
                sender.chunks(body).await;
                Ok(Bytes::new())
            }
        }
    }
}

#[cfg(test)]
mod tests;
