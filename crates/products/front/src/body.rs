use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// The body of every answer.
pub type Body = wire::Body;

/// How many lines wait for a slow reader before its sender has to wait.
const LINES_WAITING_MAX: usize = 256;

/// Sends lines of JSON to whoever reads the answer, as they come. Sending fails once the reader has gone.
#[derive(Clone)]
pub struct Lines {
    sender: mpsc::Sender<Bytes>,
}

impl Lines {
    /// A sender and the body that carries its lines.
    pub fn channel() -> (Lines, Body) {
        let (sender, receiver) = mpsc::channel(LINES_WAITING_MAX);
        (Lines { sender }, StreamBody::new(Frames { receiver }).boxed())
    }

    /// False when nobody reads any more.
    pub async fn send(&self, line: &serde_json::Value) -> bool {
        let mut text = line.to_string();
        text.push('\n');
        self.sender.send(Bytes::from(text)).await.is_ok()
    }

    /// Resolves when nobody reads any more.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

struct Frames {
    receiver: mpsc::Receiver<Bytes>,
}

impl futures_util::Stream for Frames {
    type Item = Result<Frame<Bytes>, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}
