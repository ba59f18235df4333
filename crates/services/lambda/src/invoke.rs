//! The synchronous path: admission, an environment, the function, and what is told of it.
//!
//! Invariants: no disk and no lock across a wait; what was begun ends even if the caller goes away; a function's
//! fault is a result ([`Invoked::error_type`]), the service's own is an error ([`Refused`]).

mod execution;
mod measures;
mod notes;
mod resets;
mod snapshot;
mod specification;
mod standby;

use std::sync::Arc;

use base::Trace;
use bytes::Bytes;
use fabric::Fabric;
use sandbox::{ResponseReader, ResponseSender, StreamLimits, response_stream};
use tokio::sync::{oneshot, watch};

use crate::admission::{Admission, Limits, Throttle};
use crate::environment::{Environments, Unpack};
use crate::output::Logs;
use crate::pool::{Pool, Standby};
use crate::registry::{Registry, Resolved};
use crate::snapshot::Snapshots;
use execution::Execution;
pub(crate) use measures::Measures;
use resets::Resets;

/// How invocations run on this host.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where functions reach Kobel: the value of `AWS_ENDPOINT_URL`.
    pub endpoint: String,
    /// Concurrent executions of an account in a region.
    pub account_concurrency: u32,
    /// What environments that are kept idle may hold in memory, in MB.
    pub idle_memory_mb_max: u64,
    /// The sum of the memory sizes of environments that are started ahead, in MB; 0 starts none.
    pub standby_memory_mb_max: u64,
    /// Of responses that are streamed.
    pub stream: StreamLimits,
}

/// Runs functions. Cheap to clone.
#[derive(Clone)]
pub struct Invoker {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) fabric: Fabric,
    pub(crate) registry: Arc<Registry>,
    pub(crate) packages: Arc<dyn Unpack>,
    pub(crate) environments: Arc<dyn Environments>,
    pub(crate) admission: Admission,
    pub(crate) pool: Pool,
    pub(crate) standby: Standby,
    pub(crate) snapshots: Snapshots,
    pub(crate) resets: Resets,
    pub(crate) logs: Logs,
    pub(crate) config: Config,
    /// How many invocations run, spares that are being started counted.
    running: watch::Sender<usize>,
}

/// One invocation.
#[derive(Clone, Debug)]
pub struct Request {
    pub request_id: String,
    pub resolved: Resolved,
    /// JSON.
    pub payload: Bytes,
    /// What caused it.
    pub trace: Trace,
    /// The decoded client context, JSON.
    pub client_context: Option<String>,
}

/// How a function that ran has ended.
#[derive(Clone, Debug)]
pub struct Invoked {
    /// The handler's result, or the error as JSON.
    pub payload: Bytes,
    /// Set where the function failed.
    pub error_type: Option<String>,
    pub executed_version: String,
    /// The last 4 KB of its log.
    pub log_tail: Vec<u8>,
    /// The invocation itself, as the cause of what follows from it.
    pub trace: Trace,
}

/// An invocation whose response is read while it runs.
pub struct Streaming {
    pub response: ResponseReader,
    pub running: Running,
}

/// An invocation under way, which gives its answer; its extensions may work on.
pub type Running = oneshot::Receiver<Result<Invoked, Refused>>;

/// Why a function did not run.
#[derive(Clone, Debug)]
pub enum Refused {
    Throttled(Throttle),
    /// The service's fault; another attempt may succeed.
    System(wire::Error),
}

impl Refused {
    pub fn into_error(self) -> wire::Error {
        match self {
            Refused::Throttled(throttle) => throttle.into_error(),
            Refused::System(error) => error,
        }
    }
}

impl Invoker {
    pub fn new(
        fabric: Fabric,
        registry: Arc<Registry>,
        packages: Arc<dyn Unpack>,
        environments: Arc<dyn Environments>,
        logs: Logs,
        config: Config,
    ) -> Invoker {
        let pool = Pool::new(fabric.clock.clone(), config.idle_memory_mb_max);
        let standby = Standby::new(fabric.clone().clock, config.standby_memory_mb_max);
        let inner = Arc::new(Inner {
            fabric,
            registry,
            packages,
            environments,
            admission: Admission::default(),
            pool,
            standby,
            snapshots: Snapshots::default(),
            resets: Resets::default(),
            logs,
            config,
            running: watch::Sender::new(0),
        });
        tokio::spawn(retire_stale(Arc::downgrade(&inner), inner.registry.changes()));
        Invoker { inner }
    }

    /// Runs a function and waits for its response: its extensions may work on. It runs to its end even if this future
    /// is dropped.
    pub async fn invoke(&self, request: Request) -> Result<Invoked, Refused> {
        self.begin(request, None)?.await.unwrap_or_else(|panic| Err(Refused::System(wire::Error::internal(panic))))
    }

    /// Runs a function whose response can be read while it runs. It runs to its end even if nobody reads.
    pub fn invoke_streaming(&self, request: Request) -> Result<Streaming, Refused> {
        let (sender, response) = response_stream(self.inner.config.stream);
        Ok(Streaming { response, running: self.begin(request, Some(sender))? })
    }

    /// Admits the invocation and runs it in a task of its own.
    fn begin(&self, request: Request, response: Option<ResponseSender>) -> Result<Running, Refused> {
        let inner = self.inner.clone();
        let version = &request.resolved.version;
        let limits = inner.limits(&request.resolved);
        let measures = Measures::of(&inner.fabric, &request.resolved);
        let permit = match inner.admission.admit(&version.scope, &version.function_name, limits) {
            Ok(permit) => permit,
            Err(throttle) => {
                measures.throttled();
                return Err(Refused::Throttled(throttle));
            }
        };
        measures.concurrent(permit.concurrent);
        let busy = inner.fabric.clock.busy();
        inner.running.send_modify(|running| *running += 1);
        let (answer, running) = oneshot::channel();
        tokio::spawn(async move {
            let ended = Ended(inner.clone());
            let resolved = request.resolved.clone();
            let ran = Execution::new(&inner, request, response, answer, permit).run(&measures).await;
            drop(busy);
            if let Some(cause) = ran {
                standby::replenish(&inner, &resolved, &cause).await;
            }
            drop(ended);
        });
        Ok(running)
    }

    /// Waits until nothing runs, then ends all environments. New invocations must not come any more.
    pub async fn drain(&self) {
        self.inner.standby.close().await;
        // The sender is alive, so that waiting can't fail.
        let _ = self.inner.running.subscribe().wait_for(|running| *running == 0).await;
        self.inner.pool.close().await;
        self.inner.snapshots.clear();
        self.inner.logs.flush().await;
    }

    pub fn snapshots(&self) -> &Snapshots {
        &self.inner.snapshots
    }

    pub fn logs(&self) -> &Logs {
        &self.inner.logs
    }

    pub fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    #[cfg(test)]
    pub(crate) fn standby(&self) -> &Standby {
        &self.inner.standby
    }

    /// Waits until no spare is being started and nothing runs.
    #[cfg(test)]
    pub(crate) async fn spares_settled(&self) {
        let _ = self.inner.running.subscribe().wait_for(|running| *running == 0).await;
    }

    pub(crate) fn fabric(&self) -> &Fabric {
        &self.inner.fabric
    }
}

/// Counts an invocation as ended, also where its task panics.
struct Ended(Arc<Inner>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

impl Inner {
    fn limits(&self, resolved: &Resolved) -> Limits {
        Limits {
            account: self.config.account_concurrency,
            reserved: resolved.function.reserved_concurrency,
            reserved_total: self.registry.reserved_total(&resolved.version.scope),
        }
    }

    /// Deletes the code that only environments of this version had, if it is an old one.
    async fn forget_code_of(&self, version: &crate::registry::Version) {
        if !self.is_current(version) {
            self.packages.keep_only(&self.registry).await;
        }
    }

    /// Whether a version is still the one that its name means.
    pub(crate) fn is_current(&self, version: &crate::registry::Version) -> bool {
        self.registry.current(version).is_some_and(|current| current.revision == version.revision)
    }
}

/// Ends idle environments of old code as soon as there is newer, and lets go of the code that only they used.
async fn retire_stale(inner: std::sync::Weak<Inner>, mut changes: watch::Receiver<u64>) {
    while changes.changed().await.is_ok() {
        let Some(inner) = inner.upgrade() else { return };
        inner.pool.retire(|version| inner.is_current(version)).await;
        inner.standby.retire(|version| inner.is_current(version)).await;
        inner.snapshots.retain(|version| inner.is_current(version));
        inner.packages.keep_only(&inner.registry).await;
    }
}

#[cfg(test)]
mod tests;
