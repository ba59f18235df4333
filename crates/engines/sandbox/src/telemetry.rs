//! The Telemetry API, 2022-07-01, and its predecessor, the Logs API, 2020-08-15: what external extensions are told of
//! the environment's life and of its log lines.
//!
//! Whoever knows of an event tells [`Telemetry`], which puts it before each subscriber's queue; a task for each
//! subscription delivers batches into the environment's own network. Telling never waits: what does not fit into a
//! queue is counted, and the subscriber is told how much it missed.

mod api;
mod buffer;
mod delivery;
mod subscription;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::extensions::Extensions;
pub(crate) use api::{is_path, route};
use delivery::Queue;
use subscription::Subscription;

/// The most events from before a subscription that its subscriber still gets.
const BACKLOG_EVENTS_MAX: usize = 1_000;
/// The most bytes of log lines among them.
const BACKLOG_BYTES_MAX: usize = 1024 * 1024;

/// What happens in one environment, for those that subscribe to it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    inner: Option<Arc<Inner>>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct TelemetryEvent {
    /// ISO 8601, in milliseconds, UTC.
    pub time: String,
    /// `platform.…`, `function` or `extension`
    pub kind: &'static str,
    pub record: Record,
}

/// What an event says.
#[derive(Clone, Debug)]
pub enum Record {
    /// Of the platform.
    Object(serde_json::Value),
    /// A log line.
    Line {
        text: String,
        /// It is in JSON, as the function's log format says, and is told as an object by newer schemas.
        json: bool,
    },
}

#[derive(Debug)]
struct Inner {
    /// Nobody needs to tell anything otherwise.
    listened: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What was told during init; `None` afterwards.
    backlog: Option<Backlog>,
    subscribers: Vec<Subscriber>,
}

#[derive(Debug, Default)]
struct Backlog {
    events: Vec<TelemetryEvent>,
    bytes: usize,
}

#[derive(Debug)]
struct Subscriber {
    extension: String,
    subscription: Subscription,
    queue: Arc<Queue>,
    delivery: JoinHandle<()>,
}

impl Telemetry {
    /// For an environment that may have subscribers; the default is for one that has none.
    pub fn new() -> Telemetry {
        let state = State { backlog: Some(Backlog::default()), subscribers: Vec::new() };
        Telemetry { inner: Some(Arc::new(Inner { listened: AtomicBool::new(true), state: Mutex::new(state) })) }
    }

    /// Whether anybody wants to know.
    pub fn is_listened(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.listened.load(Ordering::Relaxed))
    }

    /// Puts an event before all subscribers, those too that come before the end of init.
    pub fn tell(&self, event: TelemetryEvent) {
        let Some(mut state) = self.state() else { return };
        for subscriber in &state.subscribers {
            if let Some(rendered) = subscriber.subscription.render(&event) {
                subscriber.queue.push(rendered, &event.time);
            }
        }
        if let Some(backlog) = &mut state.backlog {
            backlog.push(event);
        }
    }

    /// Another init phase begins: nobody has subscribed.
    pub(crate) fn restart(&self) {
        self.stop();
        if let (Some(inner), Some(mut state)) = (&self.inner, self.state()) {
            state.backlog.get_or_insert_default();
            inner.listened.store(true, Ordering::Relaxed);
        }
    }

    /// Nobody can subscribe any more.
    pub(crate) fn close(&self) {
        if let (Some(inner), Some(mut state)) = (&self.inner, self.state()) {
            state.backlog = None;
            inner.listened.store(!state.subscribers.is_empty(), Ordering::Relaxed);
        }
    }

    /// Delivers what waits, for as long as `limit`.
    pub(crate) async fn flush(&self, limit: Duration) {
        let queues: Vec<Arc<Queue>> = match self.state() {
            Some(state) => state.subscribers.iter().map(|subscriber| subscriber.queue.clone()).collect(),
            None => return,
        };
        let all = async {
            queues.iter().for_each(|queue| queue.hurry());
            for queue in &queues {
                queue.emptied().await;
            }
        };
        crate::deadline::within(limit, all).await;
    }

    /// Delivers no more.
    pub(crate) fn stop(&self) {
        if let Some(mut state) = self.state() {
            state.subscribers.clear();
        }
    }

    /// Begins to deliver; tells whether that can be. An extension has one subscription for each API.
    fn subscribe(&self, extension: &str, subscription: Subscription, through: Weak<Extensions>) -> bool {
        let Some(mut state) = self.state() else { return false };
        let Some(backlog) = &state.backlog else { return false };
        let queue = Arc::new(Queue::new(subscription.limits));
        for event in &backlog.events {
            if let Some(rendered) = subscription.render(event) {
                queue.push(rendered, &event.time);
            }
        }
        let delivery = tokio::spawn(delivery::run(queue.clone(), subscription.clone(), through));
        let is_same = |one: &Subscriber| one.extension == extension && one.subscription.api == subscription.api;
        state.subscribers.retain(|subscriber| !is_same(subscriber));
        state.subscribers.push(Subscriber { extension: extension.to_owned(), subscription, queue, delivery });
        true
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        Some(self.inner.as_ref()?.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Backlog {
    /// Keeps an event, unless there are too many already.
    fn push(&mut self, event: TelemetryEvent) {
        let bytes = match &event.record {
            Record::Object(_) => 0,
            Record::Line { text, .. } => text.len(),
        };
        if self.events.len() < BACKLOG_EVENTS_MAX && self.bytes + bytes <= BACKLOG_BYTES_MAX {
            self.bytes += bytes;
            self.events.push(event);
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_before_a_subscription_is_bounded() {
        let line = |bytes: usize| TelemetryEvent {
            time: String::new(),
            kind: "function",
            record: Record::Line { text: "x".repeat(bytes), json: false },
        };
        let mut backlog = Backlog::default();
        for _ in 0..8 {
            backlog.push(line(BACKLOG_BYTES_MAX / 4));
        }
        assert_eq!(backlog.events.len(), 4);
        let mut backlog = Backlog::default();
        for _ in 0..2 * BACKLOG_EVENTS_MAX {
            backlog.push(line(1));
        }
        assert_eq!(backlog.events.len(), BACKLOG_EVENTS_MAX);
    }

    #[test]
    fn nobody_listens_after_an_init_without_subscribers() {
        let telemetry = Telemetry::new();
        assert!(telemetry.is_listened());
        telemetry.close();
        assert!(!telemetry.is_listened());
        telemetry.restart();
        assert!(telemetry.is_listened());
        assert!(!Telemetry::default().is_listened());
    }
}
