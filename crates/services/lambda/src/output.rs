//! What functions say: their lines and the platform's go to CloudWatch Logs, to whoever follows, and into the
//! tail that an invocation may ask for.
//!
//! Invariants: nothing here makes an invocation wait; lines of an environment keep their order; what waits to be
//! written is bounded, and what does not fit is counted and said.

mod platform;
mod tail;
mod writer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{Scope, Timestamp};
use fabric::Fabric;
use sandbox::{Line, Record, Source, Subscribed, Telemetry, TelemetryEvent};
use tokio::sync::broadcast;

pub use platform::{Level, Platform, Report, RuntimeDone, Status};
use tail::Tail;
use writer::{Entry, Stream, Writer};

/// How far a follower may fall behind before it misses lines.
const FOLLOWER_BEHIND_MAX: usize = 4_096;

/// The output of all functions. Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    inner: Arc<Inner>,
}

struct Inner {
    fabric: Fabric,
    writer: Writer,
    followers: broadcast::Sender<Arc<LogLine>>,
}

/// One line, as a follower gets it.
#[derive(Clone, Debug)]
pub struct LogLine {
    pub scope: Scope,
    pub function: String,
    pub version: String,
    pub log_group: String,
    pub log_stream: String,
    pub at: Timestamp,
    /// The invocation during which it was written; `None` during init.
    pub request_id: Option<String>,
    /// Whether the platform wrote it, not the function.
    pub platform: bool,
    /// Without its final line break.
    pub message: String,
}

/// Whose output a stream is, and how it is written.
#[derive(Clone, Debug)]
pub struct StreamSpec {
    pub scope: Scope,
    pub function: String,
    pub version: String,
    pub log_group: String,
    pub log_stream: String,
    pub format: Format,
}

/// How a function's log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    /// One object a line, of at least these levels.
    Json {
        application: Level,
        system: Level,
    },
}

/// The output of one environment.
pub struct LogStream {
    logs: Logs,
    spec: StreamSpec,
    stream: Arc<Stream>,
    tail: Mutex<Tail>,
    telemetry: Telemetry,
    /// Init is a part of an invocation.
    repeats_init: AtomicBool,
}

impl Logs {
    pub fn new(fabric: Fabric) -> Logs {
        let writer = Writer::start(fabric.clone());
        Logs { inner: Arc::new(Inner { fabric, writer, followers: broadcast::channel(FOLLOWER_BEHIND_MAX).0 }) }
    }

    /// Lines as they come, of all functions.
    pub fn follow(&self) -> broadcast::Receiver<Arc<LogLine>> {
        self.inner.followers.subscribe()
    }

    /// Returns when all lines up to now are written.
    pub async fn flush(&self) {
        self.inner.writer.flush().await;
    }

    /// The output of a new environment, of which `telemetry` is told too.
    pub fn open(&self, spec: StreamSpec, telemetry: Telemetry) -> Arc<LogStream> {
        let stream = Stream::new(spec.scope.clone(), spec.log_group.clone(), spec.log_stream.clone());
        Arc::new(LogStream {
            logs: self.clone(),
            stream: Arc::new(stream),
            spec,
            tail: Mutex::default(),
            telemetry,
            repeats_init: AtomicBool::new(false),
        })
    }
}

impl LogStream {
    /// Whose output it is.
    pub fn spec(&self) -> &StreamSpec {
        &self.spec
    }

    /// Who else is told.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// From now on lines belong to the tail of a new invocation.
    pub fn begin_tail(&self) {
        self.tail().clear();
    }

    /// The end of what was written since [`LogStream::begin_tail`], at most 4 KB.
    pub fn take_tail(&self) -> Vec<u8> {
        self.tail().take()
    }

    /// What [`LogStream::take_tail`] would give now.
    pub fn copy_tail(&self) -> Vec<u8> {
        self.tail().copy()
    }

    pub fn platform(&self, request_id: Option<&str>, line: &Platform<'_>) {
        let now = self.logs.inner.fabric.now();
        if self.telemetry.is_listened() {
            self.tell(now, line.kind(), Record::Object(line.record()));
        }
        let message = match self.spec.format {
            Format::Text => line.text(),
            Format::Json { system, .. } => line.json(now, system),
        };
        if let Some(message) = message {
            self.emit(now, request_id, message, true);
        }
    }

    /// A line about an invocation that AWS writes between the function's own and END.
    pub fn note(&self, request_id: &str, message: String) {
        let now = self.logs.inner.fabric.now();
        if self.telemetry.is_listened() {
            self.tell(now, "platform.fault", Record::Line { text: message.trim_end().to_owned(), json: false });
        }
        if self.spec.format == Format::Text {
            self.emit(now, Some(request_id), message, true);
        }
    }

    /// From now on init phases are parts of an invocation.
    pub fn begin_repeated_init(&self) {
        self.repeats_init.store(true, Ordering::Relaxed);
    }

    fn tell(&self, at: Timestamp, kind: &'static str, record: Record) {
        self.telemetry.tell(TelemetryEvent { time: at.iso8601(), kind, record });
    }

    fn emit(&self, at: Timestamp, request_id: Option<&str>, message: String, platform: bool) {
        self.tail().push(message.as_bytes());
        let StreamSpec { scope, function, version, log_group, log_stream, .. } = &self.spec;
        if self.logs.inner.followers.receiver_count() > 0 {
            let line = LogLine {
                scope: scope.clone(),
                function: function.clone(),
                version: version.clone(),
                log_group: log_group.clone(),
                log_stream: log_stream.clone(),
                at,
                request_id: request_id.map(str::to_owned),
                platform,
                message: message.trim_end_matches('\n').to_owned(),
            };
            // The last follower may just have left.
            let _ = self.logs.inner.followers.send(Arc::new(line));
        }
        self.logs.inner.writer.write(Entry { stream: self.stream.clone(), at, message });
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl sandbox::Output for LogStream {
    fn line(&self, line: Line) {
        if self.telemetry.is_listened() {
            let kind = if line.source == Source::Function { "function" } else { "extension" };
            let json = self.spec.format != Format::Text;
            self.tell(self.logs.inner.fabric.now(), kind, Record::Line { text: line.text.clone(), json });
        }
        if let Format::Json { application, .. } = self.spec.format
            && level_of(&line.text) < application
        {
            return;
        }
        let now = self.logs.inner.fabric.now();
        self.emit(now, line.request_id.as_deref(), line.text + "\n", false);
    }

    fn extension(&self, status: sandbox::ExtensionStatus) {
        let sandbox::ExtensionStatus { name, state, events, error_type } = &status;
        let error_type = error_type.as_deref();
        self.platform(None, &Platform::Extension { name, state, events, error_type });
    }

    fn subscription(&self, subscribed: Subscribed) {
        let Subscribed { name, types, logs_api } = &subscribed;
        self.platform(None, &Platform::Subscription { name, types, logs: *logs_api });
    }

    fn runtime_initialised(&self, error_type: Option<&str>) {
        let phase = if self.repeats_init.load(Ordering::Relaxed) { "invoke" } else { "init" };
        self.platform(None, &Platform::InitRuntimeDone { phase, error_type });
    }
}

/// The level of a line in a JSON log: what its `level` says, `INFO` where it says none, or has a `timestamp` that is none.
fn level_of(line: &str) -> Level {
    let level = || {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
        if let Some(timestamp) = object.get("timestamp") {
            Timestamp::parse_iso8601(timestamp.as_str()?)?;
        }
        Level::parse(object.get("level")?.as_str()?)
    };
    level().unwrap_or(Level::Info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_a_level_is_information() {
        let cases = [
            ("plain", Level::Info),
            ("{\"level\":\"debug\"}", Level::Debug),
            ("{\"level\":\"ERROR\",\"message\":1}", Level::Error),
            ("{\"level\":\"loud\"}", Level::Info),
            ("{\"level\":3}", Level::Info),
            ("{\"level\":\"WARN\",\"timestamp\":\"2026-01-01T00:00:00Z\"}", Level::Warn),
            ("{\"level\":\"WARN\",\"timestamp\":\"2026-01-01T00:00:00.123+01:00\"}", Level::Warn),
            ("{\"level\":\"WARN\",\"timestamp\":\"yesterday\"}", Level::Info),
            ("{\"level\":\"WARN\",\"timestamp\":7}", Level::Info),
        ];
        for (line, expected) in cases {
            assert_eq!(level_of(line), expected, "{line}");
        }
    }
}
