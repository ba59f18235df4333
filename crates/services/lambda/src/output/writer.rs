use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base::{Scope, Timestamp};
use fabric::Fabric;
use model_logs::{CreateLogGroupRequest, CreateLogStreamRequest, InputLogEvent, PutLogEventsRequest};
use tokio::sync::{mpsc, oneshot};
use wire::Shaped;

/// How many lines wait to be written.
const WAITING_LINES_MAX: usize = 65_536;
/// How many bytes wait to be written.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// How many lines are looked at together.
const TAKEN_LINES_MAX: usize = 4_096;
/// The limits of one PutLogEvents: its events, and their bytes with what each is counted for besides.
const BATCH_EVENTS_MAX: usize = 10_000;
const BATCH_BYTES_MAX: usize = 1_048_576;
const EVENT_OVERHEAD_BYTES: usize = 26;

/// Writes lines to CloudWatch Logs in the background, in order.
pub(super) struct Writer {
    notes: mpsc::Sender<Note>,
    waiting_bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
}

enum Note {
    Entry(Entry),
    Flush(oneshot::Sender<()>),
}

pub(super) struct Entry {
    pub(super) stream: Arc<Stream>,
    pub(super) at: Timestamp,
    pub(super) message: String,
}

/// A log stream, which is made when something is first written to it.
pub(super) struct Stream {
    scope: Scope,
    group: String,
    name: String,
    made: AtomicBool,
}

impl Stream {
    pub(super) fn new(scope: Scope, group: String, name: String) -> Stream {
        Stream { scope, group, name, made: AtomicBool::new(false) }
    }
}

impl Writer {
    pub(super) fn start(fabric: Fabric) -> Writer {
        let (notes, waiting) = mpsc::channel(WAITING_LINES_MAX);
        let writer = Writer { notes, waiting_bytes: Arc::default(), lost: Arc::default() };
        tokio::spawn(run(fabric, waiting, writer.waiting_bytes.clone(), writer.lost.clone()));
        writer
    }

    /// Takes a line; counts it as lost where too much waits.
    pub(super) fn write(&self, entry: Entry) {
        let size = entry.message.len();
        let waiting = self.waiting_bytes.fetch_add(size, Ordering::Relaxed) + size;
        if waiting > WAITING_BYTES_MAX || self.notes.try_send(Note::Entry(entry)).is_err() {
            self.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.notes.send(Note::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

async fn run(
    fabric: Fabric,
    mut waiting: mpsc::Receiver<Note>,
    waiting_bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicUsize>,
) {
    let mut notes = Vec::new();
    while waiting.recv_many(&mut notes, TAKEN_LINES_MAX).await > 0 {
        let mut flushes = Vec::new();
        let mut entries = Vec::new();
        for note in notes.drain(..) {
            match note {
                Note::Entry(entry) => entries.push(entry),
                Note::Flush(done) => flushes.push(done),
            }
        }
        waiting_bytes.fetch_sub(entries.iter().map(|entry| entry.message.len()).sum(), Ordering::Relaxed);
        for (stream, events) in batches(entries) {
            if let Err(error) = put(&fabric, &stream, events).await {
                tracing::warn!(%error, group = stream.group, "failed to write lines to the log");
            }
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lines => tracing::warn!(lines, "functions wrote faster than the log takes it; lines were left out"),
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}

/// Groups lines by their stream, in order, within the limits of one call.
fn batches(entries: Vec<Entry>) -> Vec<(Arc<Stream>, Vec<InputLogEvent>)> {
    let mut batches: Vec<(Arc<Stream>, Vec<InputLogEvent>, usize)> = Vec::new();
    for Entry { stream, at, message } in entries {
        let size = message.len() + EVENT_OVERHEAD_BYTES;
        let event = InputLogEvent { timestamp: at.millis(), message };
        let last = batches.iter_mut().rev().find(|(of, ..)| Arc::ptr_eq(of, &stream));
        match last {
            Some((_, events, bytes)) if events.len() < BATCH_EVENTS_MAX && *bytes + size <= BATCH_BYTES_MAX => {
                events.push(event);
                *bytes += size;
            }
            _ => batches.push((stream, vec![event], size)),
        }
    }
    batches.into_iter().map(|(stream, events, _)| (stream, events)).collect()
}

/// Writes one batch, and makes group and stream where they are not there (any more).
async fn put(fabric: &Fabric, stream: &Stream, events: Vec<InputLogEvent>) -> Result<(), wire::Error> {
    if !stream.made.load(Ordering::Relaxed) {
        make(fabric, stream).await?;
    }
    match put_events(fabric, stream, events.clone()).await {
        Err(error) if error.code == "ResourceNotFoundException" => {
            make(fabric, stream).await?;
            put_events(fabric, stream, events).await
        }
        result => result,
    }
}

async fn put_events(fabric: &Fabric, stream: &Stream, log_events: Vec<InputLogEvent>) -> Result<(), wire::Error> {
    let request = PutLogEventsRequest {
        log_group_name: stream.group.clone(),
        log_stream_name: stream.name.clone(),
        log_events,
        ..PutLogEventsRequest::default()
    };
    call(fabric, stream, "PutLogEvents", request).await
}

async fn make(fabric: &Fabric, stream: &Stream) -> Result<(), wire::Error> {
    let group = CreateLogGroupRequest { log_group_name: stream.group.clone(), ..Default::default() };
    unless_there(call(fabric, stream, "CreateLogGroup", group).await)?;
    let request = CreateLogStreamRequest { log_group_name: stream.group.clone(), log_stream_name: stream.name.clone() };
    unless_there(call(fabric, stream, "CreateLogStream", request).await)?;
    stream.made.store(true, Ordering::Relaxed);
    Ok(())
}

fn unless_there(result: Result<(), wire::Error>) -> Result<(), wire::Error> {
    result.or_else(|error| if error.code == "ResourceAlreadyExistsException" { Ok(()) } else { Err(error) })
}

async fn call(fabric: &Fabric, stream: &Stream, operation: &str, request: impl Shaped) -> Result<(), wire::Error> {
    let Some(logs) = fabric.plugs.api("logs") else { return Ok(()) };
    let call = fabric.call_from("lambda", stream.scope.clone(), fabric.begin_trace());
    logs.call(operation, call, request.into_fields()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_order_and_limits() {
        let stream = |name: &str| Arc::new(Stream::new(Scope::default(), "g".into(), name.into()));
        let (a, b) = (stream("a"), stream("b"));
        let entry =
            |stream: &Arc<Stream>, message: String| Entry { stream: stream.clone(), at: Timestamp::EPOCH, message };
        let large = "x".repeat(BATCH_BYTES_MAX - EVENT_OVERHEAD_BYTES - 10);
        let entries = vec![
            entry(&a, "1".into()),
            entry(&b, "2".into()),
            entry(&a, large),
            entry(&a, "3".into()),
            entry(&b, "4".into()),
        ];
        let shown: Vec<(String, Vec<usize>)> = batches(entries)
            .into_iter()
            .map(|(stream, events)| (stream.name.clone(), events.iter().map(|e| e.message.len()).collect()))
            .collect();
        let large = BATCH_BYTES_MAX - EVENT_OVERHEAD_BYTES - 10;
        assert_eq!(
            shown,
            [("a".into(), vec![1]), ("b".into(), vec![1, 1]), ("a".into(), vec![large]), ("a".into(), vec![1])]
        );
    }
}
