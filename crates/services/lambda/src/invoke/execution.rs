//! One invocation from the environment to the REPORT line.

mod telling;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{SpanId, Timestamp, Trace};
use bytes::Bytes;
use model_lambda::errors::{
    invalid_runtime_exception, service_exception, snap_start_exception, snap_start_timeout_exception,
};
use sandbox::{FunctionError, Outcome, ResponseSender, StartError, StartMode};
use tokio::sync::oneshot;

use super::snapshot::Origin;
use super::specification::Specification;
use super::{Inner, Invoked, Measures, Refused, Request, notes};
use crate::admission::Permit;
use crate::environment::{Environment, Event};
use crate::output::{LogStream, Platform, Status};
use crate::pool::{Instance, Key};
use crate::registry::Version;
use crate::snapshot::Snapshot;

/// How long the init phase may take on demand.
pub(super) const INIT_MAX: Duration = Duration::from_secs(10);

/// An invocation under way.
pub(super) struct Execution<'a> {
    inner: &'a Arc<Inner>,
    request: Request,
    /// Where the response goes while the function writes it.
    response: Option<ResponseSender>,
    span: SpanId,
    /// The invocation as the cause of what the function does.
    trace: Trace,
    began: Timestamp,
    /// Takes the answer, after which extensions may work on.
    answer: Option<oneshot::Sender<Result<Invoked, Refused>>>,
    /// Given back before the final answer: who has it may invoke again.
    permit: Option<Permit>,
    /// Whether its environment was started ahead of it.
    from_standby: bool,
}

/// An environment that is ready for the event.
struct Ready {
    instance: Instance,
    /// Set where it was made for this invocation.
    init: Option<Init>,
    /// What a repeated init has used up of the function's timeout.
    spent: Duration,
}

/// What came of getting an environment.
enum Prepared {
    Ready(Ready),
    /// Its init failed twice; the second failure is the invocation's.
    InitFailed {
        error: StartError,
        spent: Duration,
        specification: Box<Specification>,
    },
}

/// How it ended, for everybody who is told.
struct End {
    payload: Bytes,
    error: Option<(String, Status)>,
    duration: Duration,
    init: Option<Init>,
    /// The part of it after the response, in which only extensions worked.
    after_response: Duration,
    max_memory_mb: u32,
}

/// An init phase that went before the invocation.
#[derive(Clone, Copy)]
struct Init {
    duration: Duration,
    mode: StartMode,
    why_exec: Option<&'static str>,
}

impl Init {
    fn of(environment: &dyn Environment) -> Init {
        let (mode, why_exec) = environment.start_mode();
        Init { duration: environment.init_duration(), mode, why_exec }
    }

    /// Whether it was that of an environment restored from a snapshot.
    fn is_restore(&self) -> bool {
        self.mode == StartMode::Template
    }
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        inner: &'a Arc<Inner>,
        request: Request,
        response: Option<ResponseSender>,
        answer: oneshot::Sender<Result<Invoked, Refused>>,
        permit: Permit,
    ) -> Execution<'a> {
        let span = inner.fabric.new_span();
        let trace = request.trace.under(span);
        let began = inner.fabric.now();
        let (answer, permit) = (Some(answer), Some(permit));
        Execution { inner, request, response, span, trace, began, answer, permit, from_standby: false }
    }

    /// Tells whoever waits for the answer. Returns the invocation as the cause of what follows from it, unless the
    /// function did not run.
    pub(super) async fn run(mut self, measures: &Measures) -> Option<Trace> {
        let prepared = match self.find_environment().await {
            Some(instance) => {
                instance.log.begin_tail();
                self.say_start(&instance.log);
                Ok(Prepared::Ready(Ready { instance, init: None, spent: Duration::ZERO }))
            }
            None => self.make_environment().await,
        };
        let ran = matches!(prepared, Ok(Prepared::Ready(_)));
        let (end, log_tail) = match prepared {
            Ok(Prepared::Ready(ready)) => self.invoke(ready).await,
            Ok(Prepared::InitFailed { error, spent, specification }) => {
                let end = self.init_failed(&error, spent, &specification.log);
                self.say_end(&specification.log, &end);
                let tail = specification.log.take_tail();
                self.reset(specification.log);
                drop(specification.code);
                self.inner.forget_code_of(self.version()).await;
                (end, tail)
            }
            Err(error) => {
                self.tell_journal(error.code.as_ref(), &error.message, Duration::ZERO);
                self.answer(Err(Refused::System(error)));
                return None;
            }
        };
        measures.invoked(end.duration, end.error.is_some());
        if !end.after_response.is_zero() {
            measures.extensions_after_response(end.after_response);
        }
        let took = end.duration + end.init.map_or(Duration::ZERO, |init| init.duration);
        let error_type = end.error.as_ref().map(|(error_type, _)| error_type.clone());
        let detail = match end.init {
            Some(init) => format!("{:.2} ms, {init}", ms(end.duration)),
            None if self.from_standby => format!("{:.2} ms, from standby", ms(end.duration)),
            None => format!("{:.2} ms", ms(end.duration)),
        };
        self.tell_journal(error_type.as_deref().unwrap_or("ok"), &detail, took);
        let invoked = self.invoked(&end, log_tail);
        self.answer(Ok(invoked));
        ran.then_some(self.trace)
    }

    fn invoked(&self, end: &End, log_tail: Vec<u8>) -> Invoked {
        Invoked {
            payload: end.payload.clone(),
            error_type: end.error.as_ref().map(|(error_type, _)| error_type.clone()),
            executed_version: self.version().version.clone(),
            log_tail,
            trace: self.trace.clone(),
        }
    }

    fn version(&self) -> &Version {
        &self.request.resolved.version
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.version().timeout_s))
    }

    /// An idle environment, else the one that stands by.
    async fn find_environment(&mut self) -> Option<Instance> {
        let key = Key::of(self.version());
        if let Some(used) = self.inner.pool.take(&key).await {
            return Some(used);
        }
        let spare = self.inner.standby.take(&key).await?;
        self.from_standby = true;
        Some(spare)
    }

    /// A cold start.
    async fn make_environment(&self) -> Result<Prepared, wire::Error> {
        if let Origin::Snapshot(snapshot) = self.inner.origin(&self.request.resolved.version)?
            && let Some(prepared) = self.restore(&snapshot).await?
        {
            return Ok(prepared);
        }
        match self.inner.resets.take(&Key::of(self.version()), self.inner.fabric.now()) {
            Some(log) => self.start_again(self.specify(Some(log)).await?).await,
            None => self.start(self.specify(None).await?).await,
        }
    }

    /// Runs the init of an environment whose processes have ended, as part of the invocation.
    async fn start_again(&self, made: Specification) -> Result<Prepared, wire::Error> {
        made.log.begin_tail();
        self.say_start(&made.log);
        self.repeat_init(made).await
    }

    /// What a new environment is made with.
    async fn specify(&self, reset: Option<Arc<LogStream>>) -> Result<Specification, wire::Error> {
        let folders = self.inner.packages.folders(self.version()).await?;
        let made = Specification::make(self.inner, self.version(), folders, reset);
        made.credentials.session.set_current(Some(self.trace.clone()));
        Ok(made)
    }

    /// A cold start from a snapshot; `None` where it is of no use any more.
    async fn restore(&self, snapshot: &Arc<Snapshot>) -> Result<Option<Prepared>, wire::Error> {
        let made = self.specify(None).await?.restored(snapshot);
        let (version, log) = (self.version(), made.log.clone());
        log.begin_tail();
        made.say_restore_start(version);
        let started = now();
        let error = match snapshot.template.fork(made.spec.clone(), log.clone()).await {
            Ok(environment) => {
                self.say_start(&log);
                let init = Some(Init::of(&*environment));
                return Ok(Some(Prepared::Ready(self.ready(made, environment, init, Duration::ZERO))));
            }
            Err(error) => error,
        };
        if error.is_service_fault() {
            tracing::warn!(%error, function = version.qualified_arn(), "a snapshot was lost; it is taken again");
            self.inner.snapshots.forget(snapshot);
            return Ok(None);
        }
        let report = Platform::RestoreReport { duration: started.elapsed(), error_type: error.error_type() };
        log.platform(None, &report);
        Err(restore_fault(&error))
    }

    /// A cold start without a snapshot. An init that fails is repeated as part of the invocation, under the function's
    /// timeout.
    async fn start(&self, made: Specification) -> Result<Prepared, wire::Error> {
        let version = self.version();
        let log = made.log.clone();
        log.begin_tail();
        made.say_init_start(version);
        let started = now();
        let first = match self.inner.environments.start(made.spec.clone(), log.clone()).await {
            Ok(environment) => {
                made.say_init_report("init", environment.init_duration(), None);
                self.say_start(&log);
                let init = Some(Init::of(&*environment));
                return Ok(Prepared::Ready(self.ready(made, environment, init, Duration::ZERO)));
            }
            Err(error) if error.is_service_fault() => return Err(service_fault(&error)),
            Err(error) => error,
        };
        made.say_init_report("init", started.elapsed(), Some(first.error_type()));
        self.say_start(&log);
        self.repeat_init(made).await
    }

    async fn repeat_init(&self, mut made: Specification) -> Result<Prepared, wire::Error> {
        made.spec.init_timeout = self.timeout();
        made.log.begin_repeated_init();
        let started = now();
        match self.inner.environments.start(made.spec.clone(), made.log.clone()).await {
            Ok(environment) => {
                made.say_init_report("invoke", environment.init_duration(), None);
                Ok(Prepared::Ready(self.ready(made, environment, None, started.elapsed())))
            }
            Err(error) if error.is_service_fault() => Err(service_fault(&error)),
            Err(error) => {
                let spent = started.elapsed();
                made.say_init_report("invoke", spent, Some(error.error_type()));
                Ok(Prepared::InitFailed { error, spent, specification: Box::new(made) })
            }
        }
    }

    fn ready(
        &self,
        made: Specification,
        environment: Arc<dyn Environment>,
        init: Option<Init>,
        spent: Duration,
    ) -> Ready {
        let version = self.request.resolved.version.clone();
        let instance = made.into_instance(environment, version, self.inner.fabric.now());
        Ready { instance, init, spent }
    }

    /// Hands the event over, waits for its end and gives the environment back.
    async fn invoke(&mut self, ready: Ready) -> (End, Vec<u8>) {
        let Ready { mut instance, init, spent } = ready;
        // A call of the function's without a trace header is still known as its doing.
        instance.credentials.session.set_current(Some(self.trace.clone()));
        let event = Event {
            request_id: self.request.request_id.clone(),
            payload: self.request.payload.clone(),
            function_arn: self.request.resolved.invoked_arn.clone(),
            timeout: self.timeout().saturating_sub(spent),
            trace_id: self.trace.to_string(),
            client_context: self.request.client_context.clone(),
        };
        let outcome = match self.response.take() {
            Some(response) => instance.environment.invoke_streaming(event, response).await,
            None => instance.environment.invoke(event).await,
        };
        instance.credentials.session.set_current(None);
        instance.used_mb = outcome.max_memory_mb;
        let (mut reusable, extensions_work) = (outcome.reusable, outcome.extensions_work);
        let mut end = self.end_of(outcome, init, spent, &instance.log);
        self.say_runtime_done(&instance.log, &end);
        if extensions_work {
            // The caller need not wait for what extensions still do.
            let early = self.invoked(&end, instance.log.copy_tail());
            self.answer_early(Ok(early));
            reusable = self.settle(&mut end, &instance).await;
            instance.used_mb = end.max_memory_mb;
        }
        self.say_end(&instance.log, &end);
        let tail = instance.log.take_tail();
        let current = self.inner.is_current(self.version());
        if !reusable {
            self.reset(instance.log.clone());
        }
        if !reusable || !current {
            // Nor need it wait for how extensions end, or until old code is deleted.
            let invoked = self.invoked(&end, tail.clone());
            self.answer(Ok(invoked));
        }
        match reusable {
            true => self.inner.pool.give(instance, current).await,
            false => instance.end().await,
        }
        if current && !self.inner.is_current(self.version()) {
            // It became old while it was given back, perhaps after the idle ones were looked through.
            self.inner.pool.retire(|version| self.inner.is_current(version)).await;
        }
        self.inner.forget_code_of(self.version()).await;
        (end, tail)
    }

    /// Lets a later invocation go on where the processes of an environment have ended.
    fn reset(&self, log: Arc<LogStream>) {
        self.inner.resets.give(Key::of(self.version()), self.inner.fabric.now(), log);
    }

    /// Tells the caller, unless that was done; nothing of the function runs any more.
    fn answer(&mut self, answer: Result<Invoked, Refused>) {
        self.permit = None;
        self.answer_early(answer);
    }

    /// Tells the caller while the environment is still at work.
    fn answer_early(&mut self, answer: Result<Invoked, Refused>) {
        if let Some(sender) = self.answer.take() {
            // The caller may be gone.
            let _ = sender.send(answer);
        }
    }

    /// Waits for extensions, whose work belongs to the invocation; tells whether the environment can go on.
    async fn settle(&self, end: &mut End, instance: &Instance) -> bool {
        let settled = instance.environment.settle(self.timeout().saturating_sub(end.duration)).await;
        end.after_response = settled.duration;
        end.duration += settled.duration;
        end.max_memory_mb = end.max_memory_mb.max(settled.max_memory_mb);
        if let Err(error) = settled.result {
            let payload = error.payload(&self.request.request_id);
            end.error = Some(self.error_of(&error, &payload, &instance.log));
        }
        settled.reusable
    }

    fn end_of(&self, outcome: Outcome, init: Option<Init>, spent: Duration, log: &LogStream) -> End {
        let (duration, max_memory_mb) = (outcome.duration + spent, outcome.max_memory_mb);
        let error = match outcome.result {
            Ok(payload) => {
                return End { payload, error: None, duration, init, after_response: Duration::ZERO, max_memory_mb };
            }
            // The text names the whole timeout, also where a repeated init has used up a part.
            Err(FunctionError::Timeout { .. }) => FunctionError::Timeout { after: self.timeout() },
            Err(error) => error,
        };
        let payload = error.payload(&self.request.request_id);
        let error = Some(self.error_of(&error, &payload, log));
        End { payload, error, duration, init, after_response: Duration::ZERO, max_memory_mb }
    }

    fn note(&self, status: Status, error_type: &str, payload: &[u8], log: &LogStream) {
        let request_id = &self.request.request_id;
        match status {
            Status::Success | Status::HandlerError => {}
            Status::Timeout => {
                log.note(request_id, notes::timed_out(self.inner.fabric.now(), request_id, self.timeout()));
            }
            Status::Failure => log.note(request_id, notes::broke_down(payload, error_type)),
        }
    }

    fn init_failed(&self, error: &StartError, spent: Duration, log: &LogStream) -> End {
        let status = if matches!(error, StartError::Timeout { .. }) { Status::Timeout } else { Status::Failure };
        let payload = error.payload(&self.request.request_id);
        // What the runtime reports itself, it has also logged itself.
        if !matches!(error, StartError::Reported { .. }) {
            self.note(status, error.error_type(), &payload, log);
        }
        End {
            payload,
            error: Some((error.error_type().to_owned(), status)),
            duration: spent,
            init: None,
            after_response: Duration::ZERO,
            max_memory_mb: 0,
        }
    }
}

impl std::fmt::Display for Init {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "init {:.2} ms by {}", ms(self.duration), self.mode)?;
        self.why_exec.map_or(Ok(()), |reason| write!(f, " ({reason})"))
    }
}

fn service_fault(error: &StartError) -> wire::Error {
    match error {
        StartError::Engine(error) => invalid_runtime_exception(error.to_string()).with("Type", "User"),
        error => service_exception(error.to_string()).with("Type", "Service"),
    }
}

/// What the caller is told where a snapshot could not be restored.
fn restore_fault(error: &StartError) -> wire::Error {
    match error {
        StartError::Timeout { .. } => {
            snap_start_timeout_exception("Lambda couldn't restore the snapshot within the timeout limit.")
        }
        _ => snap_start_exception(
            "The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch \
             logs.",
        ),
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[expect(clippy::disallowed_methods, reason = "measures a duration")]
pub(super) fn now() -> Instant {
    Instant::now()
}
