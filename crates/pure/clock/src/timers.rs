use std::collections::BTreeMap;
use std::task::Waker;

use base::Timestamp;

/// Names a waiting timer: its moment and a number that keeps equal moments in order of arrival.
pub(crate) type TimerId = (Timestamp, u64);

/// The waiting timers, in the order in which they fire.
#[derive(Default)]
pub(crate) struct Timers {
    waiting: BTreeMap<TimerId, Timer>,
    pulling: BTreeMap<TimerId, ()>,
    arrivals: u64,
}

struct Timer {
    waker: Waker,
    pulls: bool,
}

impl Timers {
    pub(crate) fn add(&mut self, at: Timestamp, pulls: bool, waker: Waker) -> TimerId {
        self.arrivals += 1;
        let id = (at, self.arrivals);
        self.waiting.insert(id, Timer { waker, pulls });
        if pulls {
            self.pulling.insert(id, ());
        }
        id
    }

    /// Puts a newer waker; false if the timer has fired.
    pub(crate) fn renew(&mut self, id: TimerId, waker: &Waker) -> bool {
        match self.waiting.get_mut(&id) {
            Some(timer) => {
                timer.waker.clone_from(waker);
                true
            }
            None => false,
        }
    }

    /// False if the timer has fired.
    pub(crate) fn remove(&mut self, id: TimerId) -> bool {
        self.pulling.remove(&id);
        self.waiting.remove(&id).is_some()
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next timer for which virtual time jumps.
    pub(crate) fn next_pulling(&self) -> Option<Timestamp> {
        self.pulling.first_key_value().map(|((at, _), ())| *at)
    }

    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (id, timer) = entry.remove_entry();
            if timer.pulls {
                self.pulling.remove(&id);
            }
            due.push(timer.waker);
        }
        due
    }
}
