//! In which order waiting messages are received.
//!
//! Only a bounded window of heads is in memory; further ones are read from the store when these have gone.

mod fifo;
mod horizon;
mod standard;

use base::Timestamp;

use crate::message::{CONTENT_KEPT_BYTES_MAX, Content, Head};

pub(crate) use fifo::Groups;
pub(crate) use horizon::{Horizon, Reading};
pub(crate) use standard::Window;

/// How many rows of heads are read at once.
pub(crate) const PAGE_ROWS: usize = 1_000;

/// Where the row of a head stands: in a standard queue by when the message is visible, in a FIFO queue by its
/// sequence alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) at: i64,
    pub(crate) sequence: u64,
}

/// A waiting message that is known in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) head: Head,
    /// Kept while it waits if it is small and was just sent.
    pub(crate) content: Option<Box<Content>>,
}

/// The waiting messages of a queue.
pub(crate) enum Order {
    Standard(Window),
    Fifo(Groups),
}

impl Place {
    /// What the rows of heads begin with.
    pub(crate) const ROWS: &'static str = "a/";
    /// Before every row.
    pub(crate) const FIRST: Place = Place { at: 0, sequence: 0 };

    pub(crate) fn row(&self) -> String {
        format!("{}{:016x}{:016x}", Place::ROWS, self.at.max(0), self.sequence)
    }
}

impl Entry {
    pub(crate) fn new(head: Head, content: Content) -> Entry {
        let small = content.size() <= CONTENT_KEPT_BYTES_MAX;
        Entry { head, content: small.then(|| Box::new(content)) }
    }

    pub(crate) fn bare(head: Head) -> Entry {
        Entry { head, content: None }
    }
}

impl Order {
    pub(crate) fn new(fifo: bool) -> Order {
        if fifo { Order::Fifo(Groups::default()) } else { Order::Standard(Window::default()) }
    }

    pub(crate) fn place(&self, head: &Head) -> Place {
        match self {
            Order::Standard(_) => Place { at: head.visible.micros(), sequence: head.sequence },
            Order::Fifo(_) => Place { at: 0, sequence: head.sequence },
        }
    }

    /// Takes in a message that was sent.
    pub(crate) fn add(&mut self, entry: Entry) {
        match self {
            Order::Standard(window) => window.put(entry),
            Order::Fifo(groups) => groups.add(entry),
        }
    }

    /// Takes up to `max` messages out that are visible, in order. In a FIFO queue they keep their groups locked.
    pub(crate) fn take(&mut self, now: Timestamp, max: usize, noisy: &dyn Fn(&str) -> bool) -> Vec<Entry> {
        match self {
            Order::Standard(window) => window.take(now, max, noisy),
            Order::Fifo(groups) => groups.take(now, max),
        }
    }

    /// A message that was taken out is in flight from now on.
    pub(crate) fn hide(&mut self, head: Head) {
        match self {
            Order::Standard(window) => window.put(Entry::bare(head)),
            Order::Fifo(_) => {}
        }
    }

    /// A message in flight is visible at another moment.
    pub(crate) fn replace(&mut self, old: Place, head: Head) {
        if let Order::Standard(window) = self {
            window.remove(old);
            window.put(Entry::bare(head));
        }
    }

    /// The visibility of a message in flight is over; a standard queue needs not be told, for there it is by
    /// the order of its moments.
    pub(crate) fn show(&mut self, head: Head) {
        if let Order::Fifo(groups) = self {
            groups.show(head);
        }
    }

    /// A message that was taken out, or is in flight, is gone.
    pub(crate) fn forget(&mut self, head: &Head) {
        let place = self.place(head);
        match self {
            Order::Standard(window) => drop(window.remove(place)),
            Order::Fifo(groups) => groups.lift(head),
        }
    }

    /// A message that waits, at this place, is gone.
    pub(crate) fn remove(&mut self, place: Place) {
        match self {
            Order::Standard(window) => drop(window.remove(place)),
            Order::Fifo(groups) => groups.remove(place.sequence),
        }
    }

    /// The head at a place, if it waits there.
    pub(crate) fn get(&self, place: Place) -> Option<&Head> {
        match self {
            Order::Standard(window) => window.get(place),
            Order::Fifo(groups) => groups.get(place.sequence),
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Order::Standard(window) => window.clear(),
            Order::Fifo(groups) => groups.clear(),
        }
    }

    /// When a message that is not yet visible becomes so, as far as the order knows.
    pub(crate) fn soonest(&self, now: Timestamp) -> Timestamp {
        match self {
            Order::Standard(window) => window.soonest(now),
            Order::Fifo(groups) => groups.soonest(now),
        }
    }

    /// The head that would be taken first.
    pub(crate) fn first_visible(&self, now: Timestamp) -> Option<&Head> {
        match self {
            Order::Standard(window) => window.first_visible(now),
            Order::Fifo(groups) => groups.first_visible(now),
        }
    }

    pub(crate) fn has_visible(&self, now: Timestamp) -> bool {
        match self {
            Order::Standard(window) => window.has_visible(now),
            Order::Fifo(groups) => groups.has_visible(now),
        }
    }

    pub(crate) fn horizon(&mut self) -> &mut Horizon {
        match self {
            Order::Standard(window) => &mut window.horizon,
            Order::Fifo(groups) => &mut groups.horizon,
        }
    }

    /// Whether all waiting messages are known.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Order::Standard(window) => window.horizon.is_whole(),
            Order::Fifo(groups) => groups.horizon.is_whole(),
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        match self {
            Order::Standard(window) => window.has_room(),
            Order::Fifo(groups) => groups.has_room(),
        }
    }
}
