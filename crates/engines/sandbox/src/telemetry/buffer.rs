//! Events that wait for their delivery.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// How many times what a batch may hold can wait.
const BATCHES_WAITING_MAX: usize = 2;

/// When a batch is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) items_max: usize,
    pub(super) bytes_max: usize,
    pub(super) timeout: Duration,
}

/// Events in order, at most twice as many as a batch has.
#[derive(Debug)]
pub(super) struct Buffer {
    limits: Limits,
    events: VecDeque<Bytes>,
    bytes: usize,
    /// Since when the first one waits.
    since: Option<Instant>,
    /// A batch of it is under way.
    pub(super) in_delivery: bool,
    /// What waits is due now.
    pub(super) urgent: bool,
    dropped: Option<Dropped>,
}

/// What the subscriber missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// The time of the first one.
    pub(super) since: String,
}

impl Buffer {
    pub(super) fn new(limits: Limits) -> Buffer {
        let (events, bytes, since) = (VecDeque::new(), 0, None);
        Buffer { limits, events, bytes, since, in_delivery: false, urgent: false, dropped: None }
    }

    pub(super) fn push(&mut self, event: Bytes, time: &str, now: Instant) {
        let fits = self.bytes + event.len() <= BATCHES_WAITING_MAX * self.limits.bytes_max
            && self.events.len() < BATCHES_WAITING_MAX * self.limits.items_max;
        if !fits {
            return self.drop_event(event.len(), time);
        }
        self.bytes += event.len();
        self.events.push_back(event);
        self.since.get_or_insert(now);
    }

    /// An event is lost.
    pub(super) fn drop_event(&mut self, bytes: usize, time: &str) {
        let none = || Dropped { records: 0, bytes: 0, since: time.to_owned() };
        let dropped = self.dropped.get_or_insert_with(none);
        dropped.records += 1;
        dropped.bytes += bytes as u64;
    }

    pub(super) fn take_dropped(&mut self) -> Option<Dropped> {
        self.dropped.take()
    }

    /// How long until a batch is due; `None` while nothing waits.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let since = self.since?;
        let full = self.events.len() >= self.limits.items_max || self.bytes >= self.limits.bytes_max;
        let waited = now.saturating_duration_since(since);
        Some(if full || self.urgent { Duration::ZERO } else { self.limits.timeout.saturating_sub(waited) })
    }

    /// A batch within the limits; one event may exceed them.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Bytes> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.events.front() {
            let full = batch.len() >= self.limits.items_max || bytes + next.len() > self.limits.bytes_max;
            if full && !batch.is_empty() {
                break;
            }
            bytes += next.len();
            batch.extend(self.events.pop_front());
        }
        self.bytes -= bytes;
        self.since = (!self.events.is_empty()).then_some(now);
        batch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && !self.in_delivery
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { items_max: 3, bytes_max: 10, timeout: Duration::from_millis(100) };

    fn filled(events: &[&'static str], now: Instant) -> Buffer {
        let mut buffer = Buffer::new(LIMITS);
        events.iter().for_each(|event| buffer.push(Bytes::from_static(event.as_bytes()), "t", now));
        buffer
    }

    #[test]
    fn a_batch_is_due_by_time_number_or_size() {
        let now = crate::deadline::start();
        assert_eq!(filled(&[], now).due_in(now), None);
        assert_eq!(filled(&["a"], now).due_in(now), Some(LIMITS.timeout));
        assert_eq!(filled(&["a"], now).due_in(now + Duration::from_millis(60)), Some(Duration::from_millis(40)));
        assert_eq!(filled(&["a", "b", "c"], now).due_in(now), Some(Duration::ZERO));
        assert_eq!(filled(&["0123456789"], now).due_in(now), Some(Duration::ZERO));
        let mut urgent = filled(&["a"], now);
        urgent.urgent = true;
        assert_eq!(urgent.due_in(now), Some(Duration::ZERO));
    }

    #[test]
    fn batches_keep_order_and_limits() {
        let now = crate::deadline::start();
        let mut buffer = filled(&["0123456", "78", "9012", "3"], now);
        assert_eq!(buffer.take(now), ["0123456", "78"]);
        assert_eq!(buffer.take(now), ["9012", "3"]);
        assert!(buffer.take(now).is_empty() && buffer.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let now = crate::deadline::start();
        let mut buffer = filled(&["a", "b", "c", "d", "e", "f", "gg", "h"], now);
        let dropped = Dropped { records: 2, bytes: 3, since: "t".to_owned() };
        assert_eq!(buffer.take_dropped(), Some(dropped));
        assert_eq!(buffer.take_dropped(), None);
    }
}
