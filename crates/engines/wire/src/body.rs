use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::StreamExt;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};

use crate::ByteStream;

/// The body of every reply.
pub type Body = BoxBody<Bytes, io::Error>;

/// A body that is at hand.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body that comes as it is read. An error ends the connection, so that the client sees the body is not whole.
pub(crate) fn streamed(stream: ByteStream) -> Body {
    Streamed { left: stream.length(), stream }.boxed()
}

struct Streamed {
    stream: ByteStream,
    left: Option<u64>,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = std::task::ready!(self.stream.poll_next_unpin(context));
        Poll::Ready(next.map(|chunk| {
            let chunk = chunk.map_err(io::Error::other)?;
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(chunk.len() as u64);
            }
            Ok(Frame::data(chunk))
        }))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}
