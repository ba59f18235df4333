//! The lines that the platform itself writes to a function's log, as text and as JSON.

use std::time::Duration;

use base::Timestamp;
use serde_json::{Value, json};

/// What the platform has to say.
#[derive(Clone, Debug)]
pub enum Platform<'a> {
    InitStart {
        function: &'a str,
        version: &'a str,
        runtime: &'a str,
        runtime_arn: &'a str,
    },
    /// The runtime's part of init has ended.
    InitRuntimeDone {
        phase: &'static str,
        error_type: Option<&'a str>,
    },
    /// Init has ended: in its own phase (`init`), or when it was repeated as part of an invocation (`invoke`).
    InitReport {
        phase: &'static str,
        duration: Duration,
        /// Set where it failed: only then text logs have a line.
        error_type: Option<&'a str>,
    },
    /// An extension has subscribed to telemetry.
    Subscription {
        name: &'a str,
        types: &'a [String],
        /// By the Logs API.
        logs: bool,
    },
    /// An extension has come through init, or has failed there.
    Extension {
        name: &'a str,
        state: &'a str,
        events: &'a [&'static str],
        error_type: Option<&'a str>,
    },
    /// An environment is restored from a snapshot.
    RestoreStart {
        function: &'a str,
        version: &'a str,
        runtime: &'a str,
        runtime_arn: &'a str,
    },
    /// Restoring failed.
    RestoreReport {
        duration: Duration,
        error_type: &'a str,
    },
    Start {
        request_id: &'a str,
        version: &'a str,
        /// The `X-Amzn-Trace-Id`, which only telemetry tells.
        trace: &'a str,
    },
    /// The runtime is done with an invocation; extensions may not be.
    RuntimeDone(RuntimeDone<'a>),
    End {
        request_id: &'a str,
    },
    Report(Report<'a>),
}

/// What the runtime made of an invocation.
#[derive(Clone, Debug)]
pub struct RuntimeDone<'a> {
    pub request_id: &'a str,
    pub duration: Duration,
    pub produced_bytes: usize,
    pub status: Status,
    /// Set where it failed.
    pub error_type: Option<&'a str>,
    /// The `X-Amzn-Trace-Id`, which only telemetry tells.
    pub trace: &'a str,
}

/// How an invocation went.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    pub request_id: &'a str,
    pub duration: Duration,
    /// Set for the invocation for which the environment was made.
    pub init_duration: Option<Duration>,
    /// Set for the invocation for which the environment was restored from a snapshot.
    pub restore_duration: Option<Duration>,
    pub memory_mb: u32,
    pub max_memory_mb: u32,
    pub status: Status,
    /// Set where it failed.
    pub error_type: Option<&'a str>,
}

/// AWS's status of an invocation, as far as the REPORT line shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Success,
    /// The handler raised an error: only JSON logs show it.
    HandlerError,
    Timeout,
    /// The runtime ended, or the platform ended it.
    Failure,
}

/// How severe a line is; JSON logs are filtered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    /// Reads a level's name in any case.
    pub fn parse(name: &str) -> Option<Level> {
        Some(match name.to_ascii_uppercase().as_str() {
            "TRACE" => Level::Trace,
            "DEBUG" => Level::Debug,
            "INFO" => Level::Info,
            "WARN" => Level::Warn,
            "ERROR" => Level::Error,
            "FATAL" => Level::Fatal,
            _ => return None,
        })
    }
}

impl Report<'_> {
    /// What AWS bills, init counted, in whole milliseconds.
    pub fn billed_ms(&self) -> u128 {
        let total = self.duration + self.init_duration.unwrap_or_default();
        total.as_micros().div_ceil(1_000)
    }
}

impl Platform<'_> {
    /// The line of a text log, with its line break, if it has one.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Platform::InitStart { runtime, runtime_arn, .. } => {
                format!("INIT_START Runtime Version: {runtime}\tRuntime Version ARN: {runtime_arn}\n")
            }
            Platform::RestoreStart { runtime, runtime_arn, .. } => {
                format!("RESTORE_START Runtime Version: {runtime}\tRuntime Version ARN: {runtime_arn}\n")
            }
            Platform::RestoreReport { duration, error_type } => {
                format!("RESTORE_REPORT Restore Duration: {} ms\tStatus: {}\n", ms(*duration), failure(error_type))
            }
            Platform::InitReport { phase, duration, error_type } => {
                let status = failure((*error_type)?);
                format!("INIT_REPORT Init Duration: {} ms\tPhase: {phase}\tStatus: {status}\n", ms(*duration))
            }
            Platform::Extension { name, state, events, error_type } => {
                let error = error_type.map(|error_type| format!("\tError Type: {error_type}")).unwrap_or_default();
                format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{}]{error}\n", events.join(", "))
            }
            Platform::Subscription { name, types, logs } => {
                let head = if *logs { "LOGS" } else { "TELEMETRY" };
                let types: Vec<String> = types.iter().map(|name| capitalised(name)).collect();
                format!("{head}\tName: {name}\tState: Subscribed\tTypes: [{}]\n", types.join(", "))
            }
            Platform::Start { request_id, version, .. } => {
                format!("START RequestId: {request_id} Version: {version}\n")
            }
            Platform::End { request_id } => format!("END RequestId: {request_id}\n"),
            Platform::Report(report) => report.text(),
            Platform::InitRuntimeDone { .. } | Platform::RuntimeDone(_) => return None,
        })
    }

    /// The line of a JSON log, unless it is less severe than `least` or has no such form.
    pub fn json(&self, now: Timestamp, least: Level) -> Option<String> {
        if matches!(self, Platform::End { .. }) {
            return None;
        }
        let mut record = self.record();
        if let Some(members) = record.as_object_mut() {
            members.shift_remove("tracing");
        }
        let line = || json!({"time": now.iso8601(), "type": self.kind(), "record": record});
        (self.level() >= least).then(|| format!("{}\n", line()))
    }

    /// The event's type, as JSON logs and telemetry name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Platform::InitStart { .. } => "platform.initStart",
            Platform::InitRuntimeDone { .. } => "platform.initRuntimeDone",
            Platform::InitReport { .. } => "platform.initReport",
            Platform::RestoreStart { .. } => "platform.restoreStart",
            Platform::RestoreReport { .. } => "platform.restoreReport",
            Platform::Extension { .. } => "platform.extension",
            Platform::Subscription { logs: false, .. } => "platform.telemetrySubscription",
            Platform::Subscription { logs: true, .. } => "platform.logsSubscription",
            Platform::Start { .. } => "platform.start",
            Platform::RuntimeDone(_) => "platform.runtimeDone",
            Platform::End { .. } => "platform.end",
            Platform::Report(_) => "platform.report",
        }
    }

    fn level(&self) -> Level {
        let graver = |failed: bool, than: Level| if failed { Level::Warn } else { than };
        match self {
            Platform::InitStart { .. }
            | Platform::RestoreStart { .. }
            | Platform::Subscription { .. }
            | Platform::Start { .. }
            | Platform::End { .. } => Level::Info,
            Platform::InitRuntimeDone { error_type, .. } | Platform::InitReport { error_type, .. } => {
                graver(error_type.is_some(), Level::Debug)
            }
            Platform::RestoreReport { .. } => Level::Warn,
            Platform::Extension { error_type, .. } => graver(error_type.is_some(), Level::Info),
            Platform::RuntimeDone(done) => graver(done.status != Status::Success, Level::Debug),
            Platform::Report(report) => graver(report.status != Status::Success, Level::Info),
        }
    }

    /// What the event says, as JSON logs and telemetry have it.
    pub fn record(&self) -> Value {
        let (mut record, error_type) = match self {
            Platform::InitStart { function, version, runtime, runtime_arn } => (
                json!({"initializationType": "on-demand", "phase": "init", "runtimeVersion": runtime,
                    "runtimeVersionArn": runtime_arn, "functionName": function, "functionVersion": version}),
                None,
            ),
            Platform::InitRuntimeDone { phase, error_type } => (
                json!({"initializationType": "on-demand", "phase": phase, "status": init_status(*error_type)}),
                *error_type,
            ),
            Platform::InitReport { phase, duration, error_type } => (
                json!({"initializationType": "on-demand", "phase": phase, "status": init_status(*error_type),
                    "metrics": {"durationMs": rounded_ms(*duration)}}),
                *error_type,
            ),
            Platform::RestoreStart { function, version, runtime, runtime_arn } => (
                json!({"runtimeVersion": runtime, "runtimeVersionArn": runtime_arn, "functionName": function,
                    "functionVersion": version}),
                None,
            ),
            Platform::RestoreReport { duration, error_type } => (
                json!({"status": init_status(Some(error_type)), "metrics": {"durationMs": rounded_ms(*duration)}}),
                Some(*error_type),
            ),
            Platform::Extension { name, state, events, error_type } => {
                (json!({"name": name, "state": state, "events": events}), *error_type)
            }
            Platform::Subscription { name, types, .. } => {
                (json!({"name": name, "state": "Subscribed", "types": types}), None)
            }
            Platform::Start { request_id, version, trace } => {
                (json!({"requestId": request_id, "version": version, "tracing": tracing(trace)}), None)
            }
            Platform::RuntimeDone(done) => (done.record(), done.error_type),
            Platform::End { request_id } => (json!({"requestId": request_id}), None),
            Platform::Report(report) => (report.record(), report.error_type),
        };
        if let Some(error_type) = error_type {
            record["errorType"] = error_type.into();
        }
        record
    }
}

impl RuntimeDone<'_> {
    fn record(&self) -> Value {
        let metrics = json!({"durationMs": rounded_ms(self.duration), "producedBytes": self.produced_bytes});
        json!({"requestId": self.request_id, "status": self.status.name(), "metrics": metrics,
            "tracing": tracing(self.trace)})
    }
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Success => "success",
            Status::HandlerError => "error",
            Status::Timeout => "timeout",
            Status::Failure => "failure",
        }
    }
}

fn init_status(error_type: Option<&str>) -> &'static str {
    match error_type {
        None => "success",
        Some("Sandbox.Timedout") => "timeout",
        Some(_) => "error",
    }
}

fn tracing(trace: &str) -> Value {
    json!({"type": "X-Amzn-Trace-Id", "value": trace})
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(name.len().min(1));
    first.to_ascii_uppercase() + rest
}

impl Report<'_> {
    fn text(&self) -> String {
        let Report { request_id, duration, memory_mb, max_memory_mb, .. } = self;
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {memory_mb} MB\t\
             Max Memory Used: {max_memory_mb} MB\t",
            ms(*duration),
            self.billed_ms(),
        );
        if let Some(init) = self.init_duration {
            line += &format!("Init Duration: {} ms\t", ms(init));
        }
        if let Some(restore) = self.restore_duration {
            let billed = restore.as_secs_f64() * 1_000.0;
            line +=
                &format!("Restore Duration: {} ms\tBilled Restore Duration: {:.0} ms\t", ms(restore), billed.ceil());
        }
        match self.status {
            Status::Success | Status::HandlerError => {}
            Status::Timeout => line += "Status: timeout",
            Status::Failure => {
                line += &format!("Status: error\tError Type: {}", self.error_type.unwrap_or("Runtime.Unknown"));
            }
        }
        line.push('\n');
        line
    }

    fn record(&self) -> Value {
        let mut metrics = json!({"durationMs": rounded_ms(self.duration),
            "billedDurationMs": u64::try_from(self.billed_ms()).unwrap_or(u64::MAX),
            "memorySizeMB": self.memory_mb, "maxMemoryUsedMB": self.max_memory_mb});
        if let Some(init) = self.init_duration {
            metrics["initDurationMs"] = rounded_ms(init).into();
        }
        json!({"requestId": self.request_id, "metrics": metrics, "status": self.status.name()})
    }
}

/// What INIT_REPORT and RESTORE_REPORT say of a failure.
fn failure(error_type: &str) -> String {
    match error_type {
        "Sandbox.Timedout" => "timeout".to_owned(),
        other => format!("error\tError Type: {other}"),
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}

fn rounded_ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests;
