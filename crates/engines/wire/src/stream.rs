use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use crate::{Error, Verified};

/// A body that is not held in memory: the object of a PutObject, of a GetObject, a streamed response.
pub struct ByteStream {
    /// The lock is never contended: it only makes the stream shareable, as the circumstances of a call must be.
    chunks: Mutex<BoxStream<'static, Result<Bytes, Error>>>,
    length: Option<u64>,
    verified: Verified,
}

impl ByteStream {
    /// `length` is the number of bytes where it is known ahead.
    pub fn new(chunks: impl Stream<Item = Result<Bytes, Error>> + Send + 'static, length: Option<u64>) -> ByteStream {
        ByteStream { chunks: Mutex::new(chunks.boxed()), length, verified: Verified::default() }
    }

    pub fn empty() -> ByteStream {
        ByteStream::from(Bytes::new())
    }

    /// The number of bytes, where it is known ahead.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The checksums that the caller gave of the body and that it was found to have. Take it before the body is
    /// read; it is filled at the end.
    pub fn verified(&self) -> Verified {
        self.verified.clone()
    }

    pub(crate) fn with_verified(mut self, verified: Verified) -> ByteStream {
        self.verified = verified;
        self
    }

    /// The next chunk; `None` at the end.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        self.chunks.get_mut().unwrap_or_else(PoisonError::into_inner).next().await
    }

    /// The whole body if it has at most `bytes_max` bytes; `None` if it has more.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Option<Bytes>, Error> {
        if self.length.is_some_and(|length| length > bytes_max as u64) {
            return Ok(None);
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await {
            let chunk = chunk?;
            if whole.len() + chunk.len() > bytes_max {
                return Ok(None);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(Some(whole.freeze()))
    }
}

impl From<Bytes> for ByteStream {
    fn from(bytes: Bytes) -> ByteStream {
        let length = Some(bytes.len() as u64);
        let chunks = (!bytes.is_empty()).then_some(Ok(bytes));
        ByteStream::new(stream::iter(chunks), length)
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.get_mut().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
    }
}

impl std::fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteStream").field("length", &self.length).finish_non_exhaustive()
    }
}
