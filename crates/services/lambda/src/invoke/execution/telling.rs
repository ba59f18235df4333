//! What is told of an invocation: the platform's lines in the function's log, and the journal's event.

use std::time::Duration;

use fabric::EventKind;
use sandbox::FunctionError;

use super::{End, Execution, Init};
use crate::output::{LogStream, Platform, Report, RuntimeDone, Status};

impl Execution<'_> {
    /// The type and status of an error, of which the log is told where AWS does so.
    pub(super) fn error_of(&self, error: &FunctionError, payload: &[u8], log: &LogStream) -> (String, Status) {
        let error_type = error.error_type().to_owned();
        let status = match error {
            FunctionError::Timeout { .. } => Status::Timeout,
            FunctionError::Handler { .. } | FunctionError::ResponseTooLarge { .. } => Status::HandlerError,
            FunctionError::Exited { .. }
            | FunctionError::Extension { .. }
            | FunctionError::OutOfMemory
            | FunctionError::TruncatedResponse
            | FunctionError::InvalidResponse { .. } => Status::Failure,
        };
        self.note(status, &error_type, payload, log);
        (error_type, status)
    }

    pub(super) fn say_start(&self, log: &LogStream) {
        let request_id = &self.request.request_id;
        let (version, trace) = (&self.version().version, &self.trace.to_string());
        log.platform(Some(request_id), &Platform::Start { request_id, version, trace });
    }

    pub(super) fn say_runtime_done(&self, log: &LogStream, end: &End) {
        let request_id = &self.request.request_id;
        let done = RuntimeDone {
            request_id,
            duration: end.duration,
            produced_bytes: if end.error.is_none() { end.payload.len() } else { 0 },
            status: end.error.as_ref().map_or(Status::Success, |(_, status)| *status),
            error_type: end.error.as_ref().map(|(error_type, _)| error_type.as_str()),
            trace: &self.trace.to_string(),
        };
        log.platform(Some(request_id), &Platform::RuntimeDone(done));
    }

    pub(super) fn say_end(&self, log: &LogStream, end: &End) {
        let request_id = &self.request.request_id;
        log.platform(Some(request_id), &Platform::End { request_id });
        let report = Report {
            request_id,
            duration: end.duration,
            init_duration: end.init.filter(|init| !init.is_restore()).map(|init| init.duration),
            restore_duration: end.init.filter(Init::is_restore).map(|init| init.duration),
            memory_mb: self.version().memory_mb,
            max_memory_mb: end.max_memory_mb,
            status: end.error.as_ref().map_or(Status::Success, |(_, status)| *status),
            error_type: end.error.as_ref().map(|(error_type, _)| error_type.as_str()),
        };
        log.platform(Some(request_id), &Platform::Report(report));
    }

    pub(super) fn tell_journal(&self, outcome: &str, detail: &str, took: Duration) {
        let mut event = fabric::Event::new(&self.request.trace, self.span, EventKind::Invocation, self.began)
            .with_payload(&self.request.payload);
        event.duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        event.service = "lambda".to_owned();
        event.action = "invoke".to_owned();
        event.resource = self.request.resolved.invoked_arn.clone();
        event.outcome = outcome.to_owned();
        event.detail = format!("{detail}; request {}", self.request.request_id);
        self.inner.fabric.journal.record(event);
    }
}
