//! One execution environment: started, invoked one event at a time, frozen, stopped.

mod init;
mod shutdown;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::attendant::Attendant;
use crate::deadline;
use crate::driver::{Ended, Link, Process, Spawned};
use crate::error::{FunctionError, StartError};
use crate::exit::Exit;
use crate::extensions::ShutdownReason::{self, Failure as Failed, Timeout};
use crate::extensions::{Extensions, Failure};
use crate::output::Pump;
use crate::response::{ResponseSender, Sink, TooLarge};
use crate::session::{Channel, Reply, RuntimeApi, Session};
use crate::spec::{EnvironmentSpec, Invocation, Outcome, Output, Settled, StartMode, Usage};

/// How long the last words of processes that have ended may be under way.
const LAST_WORDS_MAX: Duration = Duration::from_millis(50);

/// How long a process may take to end after it closed its conversation, before it is killed.
const LEAVE_TIME: Duration = Duration::from_secs(2);
/// How long the kernel may take to end killed processes, before they are given up on.
const KILL_TIME: Duration = Duration::from_secs(5);

/// A running environment. Dropping the last clone kills it.
#[derive(Clone)]
pub struct Environment {
    inner: Arc<Inner>,
}

/// A reference that does not keep the environment alive.
pub(crate) struct WeakEnvironment(Weak<Inner>);

impl WeakEnvironment {
    pub(crate) fn upgrade(&self) -> Option<Environment> {
        Some(Environment { inner: self.0.upgrade()? })
    }
}

struct Inner {
    process: Box<dyn Process>,
    work: tokio::sync::Mutex<Work>,
    alive: AtomicBool,
    memory_mb: u32,
    init_duration: Duration,
    mode: StartMode,
    why_exec: Option<&'static str>,
    extensions: Arc<Extensions>,
    /// Serves the Extensions API where the session does not, and hears of external extensions.
    servants: Vec<JoinHandle<()>>,
    gateway: Option<Attendant>,
    /// Why it ends, once that is known.
    doom: OnceLock<ShutdownReason>,
    /// What it was forked from, and ends with.
    template: OnceLock<Environment>,
}

/// What a runtime is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be handed events.
    Events,
    /// To be forked after its init.
    Template,
}

/// What an invocation works with.
struct Work {
    session: Session,
    pump: Pump,
}

/// How a piece of work came to its end.
enum End<T> {
    Said(T),
    Died(Ended),
    OutOfMemory,
    Timeout,
    Extension(Failure),
}

impl Environment {
    /// Runs the init phase of what a driver started.
    pub(crate) async fn init(
        spawned: Spawned,
        spec: &EnvironmentSpec,
        output: Arc<dyn Output>,
        endpoint: Option<JoinHandle<()>>,
        started: Instant,
        purpose: Purpose,
    ) -> Result<Environment, StartError> {
        let extensions = Extensions::new(spec, spawned.crew, output.clone());
        let session = match spawned.link {
            Link::Channel(stream) => Session::Channel(Channel::new(stream)),
            Link::RuntimeApi(listener) => Session::RuntimeApi(RuntimeApi::serve(listener, extensions.clone())),
        };
        let work = Work { session, pump: Pump::new(spawned.output, spawned.extensions_output, output) };
        let api = spawned.extensions.map(|listener| extensions.serve(listener));
        let mut inner = Inner {
            process: spawned.process,
            work: tokio::sync::Mutex::new(work),
            alive: AtomicBool::new(true),
            memory_mb: spec.memory_mb,
            init_duration: Duration::ZERO,
            mode: spawned.mode,
            why_exec: spawned.why_exec,
            servants: extensions.attend().into_iter().chain(api).chain(endpoint).collect(),
            gateway: spawned.gateway,
            extensions,
            doom: OnceLock::new(),
            template: OnceLock::new(),
        };
        inner.run_init(spec.init_timeout, purpose).await?;
        inner.init_duration = started.elapsed();
        Ok(Environment { inner: Arc::new(inner) })
    }

    /// Keeps what it was forked from alive as long as itself.
    pub(crate) fn keep(&self, template: Environment) {
        let _ = self.inner.template.set(template);
    }

    pub(crate) fn downgrade(&self) -> WeakEnvironment {
        WeakEnvironment(Arc::downgrade(&self.inner))
    }

    /// How long the init phase took, from nothing to ready.
    pub fn init_duration(&self) -> Duration {
        self.inner.init_duration
    }

    /// How its runtime came to life.
    pub fn start_mode(&self) -> StartMode {
        self.inner.mode
    }

    /// Why its runtime was executed, where it was: a few words.
    pub fn why_exec(&self) -> Option<&'static str> {
        self.inner.why_exec
    }

    /// Hands over one event and waits for its end. Calls take turns.
    ///
    /// Dropping the future kills the environment: an event cannot be taken back.
    pub async fn invoke(&self, invocation: Invocation) -> Outcome {
        self.run(invocation, Sink::whole()).await
    }

    /// As [`Environment::invoke`], but the response goes into `response` as the function writes it: that of the
    /// outcome is empty. While nobody reads it the function is held back, under its deadline.
    pub async fn invoke_streaming(&self, invocation: Invocation, response: ResponseSender) -> Outcome {
        self.run(invocation, Sink::Stream(response)).await
    }

    async fn run(&self, invocation: Invocation, mut sink: Sink) -> Outcome {
        let inner = &self.inner;
        let mut work = inner.work.lock().await;
        let started = deadline::start();
        if !self.is_alive() {
            let exit = inner.runtime_ended().await.exit;
            return inner.outcome(Err(FunctionError::Exited { exit }), started.elapsed(), None);
        }
        let guard = Cancelled { inner, armed: true };
        work.pump.begin(&invocation.request_id);
        inner.extensions.begin(&invocation);
        let Work { session, pump } = &mut *work;
        let end = inner.watch(session.call(&invocation, &mut sink), pump, invocation.deadline).await;
        let duration = started.elapsed();
        let (result, ended) = inner.conclude(end, invocation.deadline).await;
        pump.drain();
        guard.disarm();
        inner.outcome(result, duration, ended)
    }

    /// Waits until extensions are done with the last invocation, which `limit` of its time is left for.
    ///
    /// Dropping the future kills the environment.
    pub async fn settle(&self, limit: Duration) -> Settled {
        let inner = &self.inner;
        let mut work = inner.work.lock().await;
        let started = deadline::start();
        let guard = Cancelled { inner, armed: true };
        let Work { pump, .. } = &mut *work;
        let result = match inner.watch(inner.extensions.settled(), pump, limit).await {
            End::Said(()) => Ok(()),
            end => Err(inner.give_up(end, limit).await.0),
        };
        let duration = started.elapsed();
        pump.drain();
        guard.disarm();
        let reusable = inner.alive.load(Ordering::Acquire);
        Settled { result, duration, max_memory_mb: inner.max_memory_mb(None), reusable }
    }

    /// Stops its processes from running, as Lambda does between invocations.
    pub async fn freeze(&self) {
        self.report("freeze", self.inner.process.freeze());
    }

    /// Lets them run again. Must be called before the next invocation.
    pub async fn thaw(&self) {
        self.report("thaw", self.inner.process.thaw());
    }

    /// Pages the memory of a frozen environment out, where the host has swap and allows it.
    pub async fn page_out(&self) {
        let inner = self.inner.clone();
        let paged = tokio::task::spawn_blocking(move || inner.process.page_out()).await;
        match paged.expect("paging out does not panic") {
            Ok(()) => {}
            // `kobel doctor` tells where it cannot be done.
            Err(error) => tracing::debug!(%error, "failed to page out an environment"),
        }
    }

    /// Ends it and waits until nothing of it runs: extensions and the runtime may finish if there are any extensions,
    /// else all is killed.
    pub async fn stop(&self) {
        self.inner.stop().await;
    }

    /// Waits until its processes have ended, by themselves or by [`Environment::stop`].
    pub async fn ended(&self) {
        self.inner.process.ended().await;
    }

    /// What it has used up to now.
    pub fn usage(&self) -> Usage {
        Usage { max_memory_mb: self.inner.max_memory_mb(None) }
    }

    /// Whether it can take an invocation: it may also have died by itself since the last one.
    pub fn is_alive(&self) -> bool {
        let inner = &self.inner;
        inner.alive.load(Ordering::Acquire) && !inner.process.has_ended() && !inner.extensions.are_broken()
    }

    fn report(&self, action: &str, result: std::io::Result<()>) {
        if let Err(error) = result
            && self.is_alive()
        {
            tracing::warn!(%error, "failed to {action} an environment");
        }
    }
}

impl Inner {
    /// Waits for what the runtime says, for its end or for a limit, reading output meanwhile.
    async fn watch<T>(&self, said: impl Future<Output = T>, pump: &mut Pump, limit: Duration) -> End<T> {
        let mut said = std::pin::pin!(said);
        let ended = tokio::select! {
            biased;
            said = &mut said => return End::Said(said),
            ended = self.process.ended() => ended,
            () = self.process.memory_exceeded() => return End::OutOfMemory,
            ended = self.runtime_ended() => ended,
            () = deadline::after(limit) => return End::Timeout,
            failure = self.extensions.failed() => return End::Extension(failure),
            never = pump.run() => match never {},
        };
        // The news of its end may overtake what it said last.
        tokio::select! {
            biased;
            said = said => End::Said(said),
            () = deadline::after(LAST_WORDS_MAX) => End::Died(ended),
        }
    }

    /// The result of an invocation; kills what cannot go on.
    async fn conclude(&self, end: End<Reply>, limit: Duration) -> (Result<bytes::Bytes, FunctionError>, Option<Ended>) {
        let error = match end {
            End::Said(Reply::Response(body)) => return (Ok(body), None),
            End::Said(Reply::TooLarge(TooLarge(bytes_max))) => {
                return (Err(FunctionError::ResponseTooLarge { bytes_max }), None);
            }
            End::Said(Reply::Truncated) => return self.truncated().await,
            End::Said(Reply::Error { error_type, body, fatal: false }) => {
                return (Err(FunctionError::Handler { error_type, body }), None);
            }
            End::Said(Reply::Error { error_type, body, fatal: true }) => FunctionError::Handler { error_type, body },
            End::Said(Reply::Broken(reason)) => FunctionError::InvalidResponse { reason },
            End::Said(Reply::Closed) => {
                let ended = self.leave().await;
                return (Err(death(ended)), Some(ended));
            }
            end => {
                let (error, ended) = self.give_up(end, limit).await;
                return (Err(error), ended);
            }
        };
        let ended = self.condemn(Failed).await;
        (Err(error), ended)
    }

    /// What a work's failure is called; ends what cannot go on.
    async fn give_up<T>(&self, end: End<T>, limit: Duration) -> (FunctionError, Option<Ended>) {
        let (error, reason) = match end {
            End::Died(ended) => {
                self.doom(Failed);
                return (death(ended), Some(ended));
            }
            End::Extension(Failure { error_type, message }) => {
                (FunctionError::Extension { error_type, message }, Failed)
            }
            End::OutOfMemory => (FunctionError::OutOfMemory, Failed),
            End::Said(_) | End::Timeout => (FunctionError::Timeout { after: limit }, Timeout),
        };
        let ended = self.condemn(reason).await;
        (error, ended)
    }

    /// Nothing more will run: kills it, unless there are extensions, which hear of it from [`Environment::stop`].
    async fn condemn(&self, reason: ShutdownReason) -> Option<Ended> {
        if !self.extensions.are_there() {
            return self.kill().await;
        }
        self.doom(reason);
        None
    }

    fn doom(&self, reason: ShutdownReason) {
        self.alive.store(false, Ordering::Release);
        self.doom.get_or_init(|| reason);
    }

    /// Waits for the end of the runtime, which external extensions outlive.
    async fn runtime_ended(&self) -> Ended {
        tokio::select! {
            biased;
            ended = self.process.ended() => ended,
            exit = self.extensions.runtime_ended() => Ended { exit, out_of_memory: false, max_memory_bytes: None },
        }
    }

    /// The connection of a response broke: perhaps because the process is ending.
    async fn truncated(&self) -> (Result<bytes::Bytes, FunctionError>, Option<Ended>) {
        let Some(ended) = deadline::within(LAST_WORDS_MAX, self.runtime_ended()).await else {
            return (Err(FunctionError::TruncatedResponse), None);
        };
        self.doom(Failed);
        (Err(death(ended)), Some(ended))
    }

    fn outcome(
        &self,
        result: Result<bytes::Bytes, FunctionError>,
        duration: Duration,
        ended: Option<Ended>,
    ) -> Outcome {
        let alive = self.alive.load(Ordering::Acquire);
        let extensions_work = alive && self.extensions.are_working();
        let exceeded = matches!(result, Err(FunctionError::OutOfMemory));
        let max_memory_mb = if exceeded { self.memory_mb } else { self.max_memory_mb(ended) };
        Outcome { result, duration, max_memory_mb, reusable: alive, extensions_work }
    }

    fn max_memory_mb(&self, ended: Option<Ended>) -> u32 {
        let known = ended.and_then(|ended| ended.max_memory_bytes);
        let bytes = known.unwrap_or_else(|| self.process.max_memory_bytes());
        // The control group also counts files in /tmp; Lambda never reports more than the limit.
        u32::try_from(bytes.div_ceil(1024 * 1024)).unwrap_or(u32::MAX).min(self.memory_mb)
    }

    /// The runtime closed its conversation: lets it end by itself for a while.
    async fn leave(&self) -> Ended {
        self.doom(Failed);
        match deadline::within(LEAVE_TIME, self.runtime_ended()).await {
            Some(ended) => ended,
            None => self.kill().await.unwrap_or(KILLED),
        }
    }

    async fn kill(&self) -> Option<Ended> {
        self.alive.store(false, Ordering::Release);
        self.process.kill();
        let ended = deadline::within(KILL_TIME, self.process.ended()).await;
        if ended.is_none() {
            tracing::error!("an environment was killed but has not ended");
        }
        self.servants.iter().for_each(JoinHandle::abort);
        self.extensions.telemetry.stop();
        self.gateway.iter().for_each(Attendant::end);
        ended
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.process.kill();
        self.servants.iter().for_each(JoinHandle::abort);
        self.extensions.telemetry.stop();
    }
}

/// Kills the environment when an invocation is given up half way.
struct Cancelled<'a> {
    inner: &'a Inner,
    armed: bool,
}

impl Cancelled<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.inner.alive.store(false, Ordering::Release);
            self.inner.process.kill();
        }
    }
}

const KILLED: Ended = Ended { exit: Exit::Signal(9), out_of_memory: false, max_memory_bytes: None };

fn death(ended: Ended) -> FunctionError {
    if ended.out_of_memory { FunctionError::OutOfMemory } else { FunctionError::Exited { exit: ended.exit } }
}
