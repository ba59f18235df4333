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
    /// Init failed: in its own phase (`init`), or when it was repeated as part of an invocation (`invoke`).
    InitReport {
        phase: &'static str,
        duration: Duration,
        error_type: &'a str,
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
    },
    End {
        request_id: &'a str,
    },
    Report(Report<'a>),
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
    /// The line of a text log, with its line break.
    pub fn text(&self) -> String {
        match self {
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
                let status = failure(error_type);
                format!("INIT_REPORT Init Duration: {} ms\tPhase: {phase}\tStatus: {status}\n", ms(*duration))
            }
            Platform::Extension { name, state, events, error_type } => {
                let error = error_type.map(|error_type| format!("\tError Type: {error_type}")).unwrap_or_default();
                format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{}]{error}\n", events.join(", "))
            }
            Platform::Start { request_id, version } => format!("START RequestId: {request_id} Version: {version}\n"),
            Platform::End { request_id } => format!("END RequestId: {request_id}\n"),
            Platform::Report(report) => report.text(),
        }
    }

    /// The line of a JSON log, unless it is less severe than `least` or has no such form.
    pub fn json(&self, now: Timestamp, least: Level) -> Option<String> {
        let (level, kind, record) = match self {
            Platform::InitStart { function, version, runtime, runtime_arn } => (
                Level::Info,
                "platform.initStart",
                json!({"initializationType": "on-demand", "phase": "init", "runtimeVersion": runtime,
                    "runtimeVersionArn": runtime_arn, "functionName": function, "functionVersion": version}),
            ),
            Platform::RestoreStart { function, version, runtime, runtime_arn } => (
                Level::Info,
                "platform.restoreStart",
                json!({"runtimeVersion": runtime, "runtimeVersionArn": runtime_arn, "functionName": function,
                    "functionVersion": version}),
            ),
            Platform::RestoreReport { duration, error_type } => {
                let status = if *error_type == "Sandbox.Timedout" { "timeout" } else { "error" };
                let metrics = json!({"durationMs": rounded_ms(*duration)});
                let record = json!({"status": status, "errorType": error_type, "metrics": metrics});
                (Level::Warn, "platform.restoreReport", record)
            }
            Platform::InitReport { phase, duration, error_type } => {
                let status = if *error_type == "Sandbox.Timedout" { "timeout" } else { "error" };
                let record = json!({"initializationType": "on-demand", "phase": phase, "status": status,
                    "errorType": error_type, "metrics": {"durationMs": rounded_ms(*duration)}});
                (Level::Warn, "platform.initReport", record)
            }
            Platform::Extension { name, state, events, error_type } => {
                let level = if error_type.is_none() { Level::Info } else { Level::Warn };
                let mut record = json!({"name": name, "state": state, "events": events});
                if let Some(error_type) = error_type {
                    record["errorType"] = (*error_type).into();
                }
                (level, "platform.extension", record)
            }
            Platform::Start { request_id, version } => {
                (Level::Info, "platform.start", json!({"requestId": request_id, "version": version}))
            }
            Platform::End { .. } => return None,
            Platform::Report(report) => {
                let level = if report.status == Status::Success { Level::Info } else { Level::Warn };
                (level, "platform.report", report.record())
            }
        };
        (level >= least).then(|| format!("{}\n", json!({"time": now.iso8601(), "type": kind, "record": record})))
    }
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
        let status = match self.status {
            Status::Success => "success",
            Status::HandlerError => "error",
            Status::Timeout => "timeout",
            Status::Failure => "failure",
        };
        let mut metrics = json!({"durationMs": rounded_ms(self.duration),
            "billedDurationMs": u64::try_from(self.billed_ms()).unwrap_or(u64::MAX),
            "memorySizeMB": self.memory_mb, "maxMemoryUsedMB": self.max_memory_mb});
        if let Some(init) = self.init_duration {
            metrics["initDurationMs"] = rounded_ms(init).into();
        }
        if let Some(restore) = self.restore_duration {
            metrics["restoreDurationMs"] = rounded_ms(restore).into();
        }
        let mut record = json!({"requestId": self.request_id, "metrics": metrics, "status": status});
        if let Some(error_type) = self.error_type {
            record["errorType"] = error_type.into();
        }
        record
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
