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

/// The life of one environment. What it does leaves the subscribers of a later one alone, which goes on with the same log
/// while this one still ends.
#[derive(Debug)]
pub(crate) struct Life {
    telemetry: Telemetry,
    number: u64,
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
    /// Which environment's life it is, where one goes on after another.
    life: u64,
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
    life: u64,
    extension: String,
    subscription: Subscription,
    queue: Arc<Queue>,
    delivery: JoinHandle<()>,
}

impl Telemetry {
    /// For an environment that may have subscribers; the default is for one that has none.
    pub fn new() -> Telemetry {
        let state = State { life: 0, backlog: Some(Backlog::default()), subscribers: Vec::new() };
        Telemetry { inner: Some(Arc::new(Inner { listened: AtomicBool::new(true), state: Mutex::new(state) })) }
    }

    /// Whether anybody wants to know.
    pub fn is_listened(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.listened.load(Ordering::Relaxed))
    }

    /// Puts an event before all subscribers, those too that come before the end of init.
    pub fn tell(&self, event: TelemetryEvent) {
        let Some(mut state) = self.state() else { return };
        for subscriber in state.of_life(state.life) {
            if let Some(rendered) = subscriber.subscription.render(&event) {
                subscriber.queue.push(rendered, &event.time);
            }
        }
        if let Some(backlog) = &mut state.backlog {
            backlog.push(event);
        }
    }

    /// An environment begins its life: nobody has subscribed to it.
    pub(crate) fn begin(&self) -> Life {
        let mut number = 0;
        if let (Some(inner), Some(mut state)) = (&self.inner, self.state()) {
            state.life += 1;
            state.backlog.get_or_insert_default();
            inner.listened.store(true, Ordering::Relaxed);
            number = state.life;
        }
        Life { telemetry: self.clone(), number }
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        Some(self.inner.as_ref()?.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Life {
    /// Nobody can subscribe any more.
    pub(crate) fn close(&self) {
        if let (Some(inner), Some(mut state)) = (&self.telemetry.inner, self.state()) {
            state.backlog = None;
            let listened = state.subscribers.iter().any(|subscriber| subscriber.life == self.number);
            inner.listened.store(listened, Ordering::Relaxed);
        }
    }

    /// Delivers what waits, for as long as `limit`.
    pub(crate) async fn flush(&self, limit: Duration) {
        let queues: Vec<Arc<Queue>> = match self.telemetry.state() {
            Some(state) => state.of_life(self.number).map(|subscriber| subscriber.queue.clone()).collect(),
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
        if let Some(mut state) = self.telemetry.state() {
            state.subscribers.retain(|subscriber| subscriber.life != self.number);
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
        let (life, extension) = (self.number, extension.to_owned());
        let is_same = |one: &Subscriber| {
            one.life == life && one.extension == extension && one.subscription.api == subscription.api
        };
        state.subscribers.retain(|subscriber| !is_same(subscriber));
        state.subscribers.push(Subscriber { life, extension, subscription, queue, delivery });
        true
    }

    /// As long as no later life has begun.
    fn state(&self) -> Option<MutexGuard<'_, State>> {
        self.telemetry.state().filter(|state| state.life == self.number)
    }
}

impl State {
    fn of_life(&self, number: u64) -> impl Iterator<Item = &Subscriber> {
        self.subscribers.iter().filter(move |subscriber| subscriber.life == number)
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
        let first = telemetry.begin();
        assert!(telemetry.is_listened());
        first.close();
        assert!(!telemetry.is_listened());
        assert!(!Telemetry::default().is_listened());
    }

    #[tokio::test]
    async fn an_environment_that_ends_leaves_its_successor_alone() {
        let asked =
            br#"{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"TCP","port":4243}}"#;
        let subscription = Subscription::parse(subscription::Api::Telemetry, asked).expect("valid");
        let telemetry = Telemetry::new();
        let first = telemetry.begin();
        assert!(first.subscribe("a", subscription.clone(), Weak::new()));
        let second = telemetry.begin();
        assert!(!first.subscribe("b", subscription.clone(), Weak::new()));
        assert!(second.subscribe("a", subscription, Weak::new()));
        first.close();
        first.stop();
        second.close();
        assert!(telemetry.is_listened());
        second.stop();
        assert!(telemetry.state().expect("a state").subscribers.is_empty());
    }
}
