//! Starts spares: environments ahead of their first invocation, in the background.

use std::sync::Arc;
use std::time::Duration;

use base::{Timestamp, Trace};
use fabric::{Event, EventKind};

use super::execution::now;
use super::specification::Specification;
use super::{Ended, Inner};
use crate::pool::{Demand, Instance, Key, Place};
use crate::registry::{Resolved, Version};

/// After an invocation of a version that ran: sees whether the next one that finds no idle environment should find a
/// spare, and starts it.
pub(super) async fn replenish(inner: &Arc<Inner>, resolved: &Resolved, cause: &Trace) {
    let version = &resolved.version;
    // A snapshot is there for quick starts already.
    if !inner.is_current(version) || version.has_snap_start() {
        return;
    }
    let limits = inner.limits(resolved);
    let demand = Demand {
        idle: inner.pool.idle_of(&Key::of(version)),
        running: inner.admission.running(&version.scope, &version.function_name),
        concurrency_max: limits.reserved.unwrap_or(limits.account.saturating_sub(limits.reserved_total)),
    };
    if let Some(place) = inner.standby.used(version, demand).await {
        inner.running.send_modify(|running| *running += 1);
        let ended = Ended(inner.clone());
        let start = Start { inner: inner.clone(), version: version.clone(), cause: cause.clone() };
        tokio::spawn(async move {
            start.run(place).await;
            drop(ended);
        });
    }
    // What was used goes before what may never be.
    let idle_mb = inner.pool.status().idle_memory_mb;
    inner.standby.shrink(inner.config.idle_memory_mb_max.saturating_sub(idle_mb)).await;
}

/// The start of one spare.
struct Start {
    inner: Arc<Inner>,
    version: Arc<Version>,
    /// The invocation after which it is started.
    cause: Trace,
}

impl Start {
    /// Starts it and keeps it in its place, unless the version is replaced or the server stops meanwhile.
    async fn run(&self, place: Place) {
        let inner = &self.inner;
        let made = tokio::select! {
            made = self.make() => made,
            () = inner.standby.closed() => None,
        };
        let Some(instance) = made else { return };
        let (began, took) = (instance.started, instance.environment.init_duration());
        place.fill(instance).await;
        if !inner.is_current(&self.version) {
            inner.standby.retire(|version| inner.is_current(version)).await;
        }
        inner.forget_code_of(&self.version).await;
        self.tell_journal(began, took, "ok");
    }

    /// An environment after its init phase; where that fails, the function's log tells.
    async fn make(&self) -> Option<Instance> {
        let (inner, version) = (&self.inner, &self.version);
        let folders = match inner.packages.folders(version).await {
            Ok(folders) => folders,
            Err(error) => {
                tracing::debug!(function = version.function_name, %error, "no code for a spare environment");
                return None;
            }
        };
        let made = Specification::make(inner, version, folders, None);
        made.say_init_start(version);
        let (began, clock) = (inner.fabric.now(), now());
        match inner.environments.start(made.spec.clone(), made.log.clone()).await {
            Ok(environment) => {
                made.say_init_report("init", environment.init_duration(), None);
                Some(made.into_instance(environment, version.clone(), began))
            }
            Err(error) if error.is_service_fault() => {
                tracing::debug!(function = version.function_name, %error, "a spare environment could not be started");
                None
            }
            Err(error) => {
                let (error_type, duration) = (error.error_type(), clock.elapsed());
                made.say_init_report("init", duration, Some(error_type));
                self.tell_journal(began, duration, error_type);
                None
            }
        }
    }

    fn tell_journal(&self, began: Timestamp, took: Duration, outcome: &str) {
        let fabric = &self.inner.fabric;
        let mut event = Event::new(&self.cause, fabric.new_span(), EventKind::Init, began);
        event.duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        event.service = "lambda".to_owned();
        event.action = "init".to_owned();
        event.resource = self.version.qualified_arn();
        event.outcome = outcome.to_owned();
        event.detail = "standby".to_owned();
        fabric.journal.record(event);
    }
}
