//! The state of one queue's cell: who waits, who is in flight, what was sent lately.
//!
//! Rows: `a/<place>` the head of each message, in the order in which they are received; `m/<sequence>` its
//! content; `d/…` what was sent lately; `t/…` move tasks; `counters`.

mod lifecycle;
mod load;
mod receive;
mod send;
mod settle;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use cell::Tx;
use serde::{Deserialize, Serialize};

use crate::error;
use crate::flight::Flight;
use crate::message::Head;
use crate::move_task::MoveTasks;
use crate::order::{Order, Place};
use crate::recent::Recent;
use crate::settings::Settings;
use crate::wake::Wake;

pub(crate) use load::PAGED;
pub(crate) use receive::{Attempts, RELOCATION_MAX, Want};
pub(crate) use send::{Outgoing, Sent};
pub(crate) use settle::Relocation;

/// Sequence numbers are reserved in the store by this many at a time.
const SEQUENCES_RESERVED: u64 = 1_024;
/// By how many messages the count in the store may be wrong after a crash, for a queue of more messages than are
/// known in memory.
const COUNT_DRIFT_MAX: u64 = 256;
/// How finely delayed messages are counted, in microseconds: at most 9,000 counts for the longest delay.
const DELAYED_STEP_US: i64 = 100_000;
/// How many messages past their retention a command deletes.
const SWEPT_MAX: usize = 2;

pub(crate) struct Queue {
    order: Order,
    flight: Flight,
    recent: Recent,
    attempts: Attempts,
    pub(crate) tasks: MoveTasks,
    counters: Counters,
    /// The number of the next message.
    next: u64,
    /// How many messages there are, as far as known; see [`Queue::count`].
    count: u64,
    /// The messages that are delayed, by the moment when they become visible, for their number.
    delayed: BTreeMap<Timestamp, u64>,
    /// False until the messages in flight and the first waiting ones are read.
    loaded: bool,
    closed: bool,
    wake: Arc<Wake>,
}

/// What the row `counters` keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counters {
    /// Numbers below this may be in use.
    reserved: u64,
    count: u64,
    purged: Option<Timestamp>,
}

/// How many messages a queue has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visible: u64,
    pub(crate) in_flight: u64,
    pub(crate) delayed: u64,
}

/// Why a command did not run.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Heads must be read first: [`crate::queue_handle::QueueHandle`] does.
    Unloaded,
    /// The queue is deleted.
    Gone,
    /// Whether there is a message at this place only the store knows.
    Look(Place),
    Answer(wire::Error),
    Cell(cell::Error),
}

impl From<cell::Error> for Refusal {
    fn from(error: cell::Error) -> Refusal {
        Refusal::Cell(error)
    }
}

impl From<wire::Error> for Refusal {
    fn from(error: wire::Error) -> Refusal {
        Refusal::Answer(error)
    }
}

impl From<Refusal> for wire::Error {
    fn from(refusal: Refusal) -> wire::Error {
        match refusal {
            Refusal::Gone => error::no_queue(),
            Refusal::Answer(error) => error,
            Refusal::Cell(error) => error::internal(error),
            Refusal::Unloaded | Refusal::Look(_) => error::internal("a queue's rows were not read in time"),
        }
    }
}

impl Queue {
    /// What every command begins with: what time has brought about.
    fn begin(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.ready()?;
        let standard = matches!(self.order, Order::Standard(_));
        for head in self.flight.lapse(now, standard) {
            self.order.show(head);
        }
        while self.delayed.first_key_value().is_some_and(|(at, _)| *at <= now) {
            self.delayed.pop_first();
        }
        Ok(())
    }

    /// What every command that changed something ends with.
    fn end(&mut self, tx: &mut Tx<'_>) {
        let now = tx.now();
        if self.next > self.counters.reserved || self.count.abs_diff(self.counters.count) > COUNT_DRIFT_MAX {
            self.counters.reserved = self.counters.reserved.max(self.next + SEQUENCES_RESERVED);
            self.counters.count = self.count;
            self.put_counters(tx);
        }
        self.wake.at(self.soonest(now));
        if self.order.has_visible(now) {
            self.wake.one();
        }
    }

    fn put_counters(&self, tx: &mut Tx<'_>) {
        cell::json::put(tx, "counters", &self.counters);
    }

    /// When a message becomes visible that is not yet.
    fn soonest(&self, now: Timestamp) -> Timestamp {
        self.order.soonest(now).min(self.flight.soonest())
    }

    /// Whether commands may run; what a command checks before it takes its arguments.
    pub(crate) fn ready(&self) -> Result<(), Refusal> {
        match (self.closed, self.loaded) {
            (true, _) => Err(Refusal::Gone),
            (false, false) => Err(Refusal::Unloaded),
            (false, true) => Ok(()),
        }
    }

    /// Counts a message that is delayed until `visible`.
    fn count_delayed(&mut self, visible: Timestamp) {
        let at = Timestamp::from_micros(visible.micros() - visible.micros().rem_euclid(DELAYED_STEP_US));
        *self.delayed.entry(at).or_default() += 1;
    }

    /// Whether waiting messages should be read before the known ones run out.
    pub(crate) fn wants_page(&self) -> bool {
        !self.order.is_whole() && self.order.has_room()
    }

    pub(crate) fn counts(&mut self, now: Timestamp) -> Result<Counts, Refusal> {
        self.begin(now)?;
        let in_flight = self.flight.len() as u64;
        let delayed: u64 = self.delayed.values().sum();
        let hidden = in_flight + delayed;
        Ok(Counts { visible: self.count().saturating_sub(hidden), in_flight, delayed })
    }

    /// Exact where all heads are known.
    fn count(&self) -> u64 {
        let known = match &self.order {
            Order::Standard(window) => window.len(),
            Order::Fifo(groups) => groups.len() + self.flight.len(),
        } as u64;
        if self.order.is_whole() { known } else { self.count.max(known) }
    }

    /// Deletes messages past their retention that nobody asks for, a few at a time.
    fn sweep(&mut self, tx: &mut Tx<'_>, settings: &Settings) {
        for _ in 0..SWEPT_MAX {
            let now = tx.now();
            let first = self.order.first_visible(now);
            if first.is_none_or(|head| !is_over(head, settings.retention, now)) {
                return;
            }
            for entry in self.order.take(now, 1, &|_| false) {
                self.erase(tx, &entry.head);
            }
        }
    }

    /// Deletes the rows of a message that waits.
    fn erase_waiting(&mut self, tx: &mut Tx<'_>, head: &Head) {
        let place = self.order.place(head);
        tx.delete(place.row());
        tx.delete(content_row(head.sequence));
        self.order.remove(place);
        self.count = self.count.saturating_sub(1);
    }

    /// Deletes the rows of a message that was taken out of the order, or is in flight.
    fn erase(&mut self, tx: &mut Tx<'_>, head: &Head) {
        tx.delete(self.order.place(head).row());
        tx.delete(content_row(head.sequence));
        self.order.forget(head);
        self.count = self.count.saturating_sub(1);
    }
}

/// Whether a message is past its retention.
fn is_over(head: &Head, retention: Duration, now: Timestamp) -> bool {
    head.kept_from + retention <= now
}

/// The row of a message's content.
pub(crate) fn content_row(sequence: u64) -> String {
    format!("m/{sequence:016x}")
}

/// The requests of FIFO receives whose answer may be repeated, by their attempt ids.
type AttemptsById = HashMap<String, receive::Attempt>;
