use std::sync::Arc;

use base::Timestamp;
use cell::{Rows, Tx};

use crate::flight::Flight;
use crate::message::Head;
use crate::move_task::MoveTasks;
use crate::order::{Order, Reading};
use crate::queue::{Attempts, Counters, Queue, Refusal};
use crate::recent::Recent;
use crate::wake::Wake;

/// The rows that are read as needed.
pub(crate) const PAGED: &[&str] = &["a/", "m/"];

impl Queue {
    /// The state from the rows that are loaded whole. The heads are read by [`Queue::take_in_flight`] and
    /// [`Queue::end_reading`] before the first command.
    pub(crate) fn load(rows: &Rows, fifo: bool, wake: Arc<Wake>) -> Result<Queue, String> {
        let counters: Counters = rows.get("counters").map(cell::json::read).transpose()?.unwrap_or_default();
        let mut order = Order::new(fifo);
        order.horizon().unread();
        Ok(Queue {
            order,
            flight: Flight::default(),
            recent: Recent::load(rows)?,
            attempts: Attempts::default(),
            tasks: MoveTasks::load(rows)?,
            next: counters.reserved.max(1),
            count: counters.count,
            counters,
            delayed: Default::default(),
            loaded: false,
            closed: false,
            wake,
        })
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded || self.closed
    }

    /// Takes in what is not visible at `now`, of a standard queue that is being loaded.
    pub(crate) fn take_in_flight(&mut self, heads: Vec<Head>, now: Timestamp) {
        for head in heads.into_iter().filter(|head| head.visible > now) {
            if head.received > 0 {
                self.flight.add(head);
            } else {
                self.count_delayed(head.visible);
            }
        }
    }

    /// Begins to read further heads, unless that is under way, or there is nothing more or no room.
    pub(crate) fn begin_reading(&mut self) -> Option<Reading> {
        if self.closed || !self.order.has_room() { None } else { self.order.horizon().begin() }
    }

    /// Takes in heads that were read beyond the horizon; `whole` if nothing follows.
    pub(crate) fn end_reading(&mut self, tx: &mut Tx<'_>, reading: Reading, heads: Vec<Head>, whole: bool) {
        let now = tx.now();
        match &mut self.order {
            Order::Standard(window) => window.end_reading(reading, heads, whole),
            Order::Fifo(groups) => {
                let flight = &self.flight;
                let in_flight = groups.end_reading(reading, heads, whole, now, &|sequence| flight.hides(sequence));
                for head in in_flight {
                    self.flight.add(head);
                }
            }
        }
        self.wake.at(self.soonest(now));
    }

    pub(crate) fn abandon_reading(&mut self, reading: Reading) {
        self.order.horizon().abandon(reading);
    }

    /// The first heads are read: commands may run.
    pub(crate) fn end_loading(&mut self) {
        self.loaded = true;
        if self.order.is_whole() {
            self.count = self.count();
        }
    }

    /// Whether a waiter may find a message only once further heads are read.
    pub(crate) fn needs_page(&mut self, now: Timestamp) -> Result<bool, Refusal> {
        self.begin(now)?;
        Ok(self.wants_page() && !self.order.has_visible(now))
    }
}
