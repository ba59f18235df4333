use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use http::HeaderMap;
use http::header::EXPECT;

use crate::Error;

/// How much of a refused body is read and thrown away. A client that sends more finds its connection closed.
const DISCARDED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A request's body, of which a part may be left when the reply is ready.
///
/// Many clients send their whole body before they look for a reply. If the connection were closed under them, they
/// would report a broken pipe in place of the error that the reply tells.
#[derive(Clone)]
pub(in crate::handle) struct Rest(Arc<Mutex<Inner>>);

struct Inner {
    pieces: BoxStream<'static, Result<Bytes, Error>>,
    begun: bool,
    ended: bool,
}

impl Rest {
    pub(super) fn new(pieces: BoxStream<'static, Result<Bytes, Error>>) -> Rest {
        Rest(Arc::new(Mutex::new(Inner { pieces, begun: false, ended: false })))
    }

    /// Reads what is left and throws it away. A client that waits to be told to send its body sends none.
    pub(in crate::handle) async fn discard(mut self, headers: &HeaderMap) {
        if headers.contains_key(EXPECT) && !self.lock().begun {
            return;
        }
        let mut discarded_bytes = 0;
        while let Some(Ok(piece)) = self.next().await {
            discarded_bytes += piece.len();
            if discarded_bytes > DISCARDED_BYTES_MAX {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Rest {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut inner = self.lock();
        if inner.ended {
            return Poll::Ready(None);
        }
        inner.begun = true;
        let piece = std::task::ready!(inner.pieces.poll_next_unpin(context));
        inner.ended = !matches!(piece, Some(Ok(_)));
        Poll::Ready(piece)
    }
}
