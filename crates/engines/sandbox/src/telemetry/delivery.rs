//! Brings batches to a subscriber, inside the environment.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::buffer::{Buffer, Dropped, Limits};
use super::subscription::{Destination, Subscription};
use super::{Record, TelemetryEvent};
use crate::deadline;
use crate::extensions::Extensions;

/// How often a batch is brought before it is given up.
const ATTEMPTS_MAX: u32 = 5;
/// The rest after the first attempt that failed; each further one is twice as long.
const REST: Duration = Duration::from_millis(50);
/// Why a subscriber missed something.
const BEHIND: &str = "The subscriber did not take its events in time.";

/// The events that wait for one subscriber.
#[derive(Debug)]
pub(super) struct Queue {
    buffer: Mutex<Buffer>,
    changes: watch::Sender<()>,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Queue {
        Queue { buffer: Mutex::new(Buffer::new(limits)), changes: watch::Sender::new(()) }
    }

    pub(super) fn push(&self, event: Bytes, time: &str) {
        self.buffer().push(event, time, deadline::start());
        self.changes.send_replace(());
    }

    /// From now on nothing waits longer than its delivery takes.
    pub(super) fn hurry(&self) {
        self.buffer().urgent = true;
        self.changes.send_replace(());
    }

    /// Waits until nothing waits.
    pub(super) async fn emptied(&self) {
        let mut changes = self.changes.subscribe();
        while !self.buffer().is_empty() {
            let _ = changes.changed().await;
        }
    }

    /// Waits for a batch to be due, and takes it.
    async fn next(&self) -> Vec<Bytes> {
        let mut changes = self.changes.subscribe();
        loop {
            let due_in = {
                let mut buffer = self.buffer();
                let now = deadline::start();
                let due_in = buffer.due_in(now);
                if due_in == Some(Duration::ZERO) {
                    buffer.in_delivery = true;
                    return buffer.take(now);
                }
                due_in
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = deadline::after(due_in.unwrap_or_default()), if due_in.is_some() => {}
            }
        }
    }

    /// A batch has come to its end; `lost` did not arrive.
    fn delivered(&self, lost: &[Bytes]) -> Option<Dropped> {
        let mut buffer = self.buffer();
        buffer.in_delivery = false;
        for event in lost {
            let time = serde_json::from_slice::<serde_json::Value>(event).ok();
            let time = time.as_ref().and_then(|event| event["time"].as_str()).unwrap_or_default();
            buffer.drop_event(event.len(), time);
        }
        let dropped = if lost.is_empty() { buffer.take_dropped() } else { None };
        drop(buffer);
        self.changes.send_replace(());
        dropped
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers until aborted, or until the environment is gone.
pub(super) async fn run(queue: Arc<Queue>, subscription: Subscription, through: Weak<Extensions>) {
    let mut line = Line { destination: subscription.destination.clone(), through, connection: None };
    loop {
        let batch = queue.next().await;
        let arrived = line.bring(&batch).await;
        let lost = if arrived { &[][..] } else { &batch };
        if let Some(dropped) = queue.delivered(lost)
            && let Some(event) = subscription.render(&logs_dropped(&dropped))
        {
            queue.push(event, &dropped.since);
        }
    }
}

fn logs_dropped(dropped: &Dropped) -> TelemetryEvent {
    let record = json!({"reason": BEHIND, "droppedRecords": dropped.records, "droppedBytes": dropped.bytes});
    TelemetryEvent { time: dropped.since.clone(), kind: "platform.logsDropped", record: Record::Object(record) }
}

/// The way to a subscriber.
struct Line {
    destination: Destination,
    through: Weak<Extensions>,
    /// Kept for TCP, which is one stream.
    connection: Option<TcpStream>,
}

impl Line {
    /// Tries until it arrives, or has failed too often.
    async fn bring(&mut self, batch: &[Bytes]) -> bool {
        let mut rest = REST;
        for attempt in 1..=ATTEMPTS_MAX {
            match self.attempt(batch).await {
                Ok(()) => return true,
                Err(error) => tracing::debug!(%error, attempt, "an extension did not take telemetry"),
            }
            deadline::after(rest).await;
            rest *= 2;
        }
        false
    }

    async fn attempt(&mut self, batch: &[Bytes]) -> io::Result<()> {
        match &self.destination {
            Destination::Http { method, authority, port, path } => {
                let stream = self.connect(*port).await?;
                let mut body = vec![b'['];
                body.extend_from_slice(&batch.join(&b","[..]));
                body.push(b']');
                let request = hyper::Request::builder()
                    .method(method.as_str())
                    .uri(path.as_str())
                    .header(HOST, authority.as_str())
                    .header(CONTENT_TYPE, "application/json")
                    .body(Full::new(Bytes::from(body)))
                    .map_err(io::Error::other)?;
                post(stream, request).await
            }
            Destination::Tcp { port } => {
                let mut stream = match self.connection.take() {
                    Some(stream) => stream,
                    None => self.connect(*port).await?,
                };
                for event in batch {
                    stream.write_all(event).await?;
                    stream.write_all(b"\n").await?;
                }
                self.connection = Some(stream);
                Ok(())
            }
        }
    }

    async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let extensions = self.through.upgrade().ok_or_else(|| io::Error::other("the environment is gone"))?;
        extensions.connect(port).await
    }
}

/// Sends one request, on a connection of its own: what has thawed need not trust an old one. Of the answer only the
/// status counts; the rest, which may have no end, is not read.
async fn post(stream: TcpStream, request: hyper::Request<Full<Bytes>>) -> io::Result<()> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It may have ended with an answer.
        _ = connection => answer.await,
    };
    match answer.map_err(io::Error::other)?.status() {
        status if status.is_success() => Ok(()),
        status => Err(io::Error::other(format!("it answered {status}"))),
    }
}
