use std::collections::BTreeMap;

use base::Timestamp;

use crate::message::Head;
use crate::order::horizon::Change;
use crate::order::{Entry, Horizon, Place, Reading};

/// How many heads of a standard queue are known in memory.
pub(crate) const WINDOW_MAX: usize = 2_000;
/// How far a receive looks for messages of quiet groups before it takes those of noisy ones.
const LOOK_MAX: usize = 64;

/// The messages of a standard queue by when they are visible: a window on its rows. Those in flight stand
/// among them, at the moment when their visibility timeout ends.
#[derive(Default)]
pub(crate) struct Window {
    known: BTreeMap<Place, Entry>,
    pub(crate) horizon: Horizon,
}

impl Window {
    pub(crate) fn put(&mut self, entry: Entry) {
        let place = Place { at: entry.head.visible.micros(), sequence: entry.head.sequence };
        if self.horizon.hides(place) {
            self.horizon.note(Change::Put(entry));
            return;
        }
        self.known.insert(place, entry);
        if self.known.len() > WINDOW_MAX
            && let Some((_, last)) = self.known.pop_last()
        {
            // It is in the store, and is read again in time.
            self.horizon.note(Change::Put(last));
            self.horizon.draw(self.known.last_key_value().map(|(place, _)| *place));
        }
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<Entry> {
        if self.horizon.hides(place) {
            self.horizon.note(Change::Removed(place));
            return None;
        }
        self.known.remove(&place)
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Head> {
        self.known.get(&place).map(|entry| &entry.head)
    }

    /// Takes what is visible, oldest first; messages of noisy groups after others, so that one tenant's backlog
    /// does not keep the rest waiting.
    pub(crate) fn take(&mut self, now: Timestamp, max: usize, noisy: &dyn Fn(&str) -> bool) -> Vec<Entry> {
        let visible = self.known.range(..=last_visible(now)).take(LOOK_MAX.max(max));
        let is_noisy = |entry: &Entry| entry.head.group.as_deref().is_some_and(noisy);
        let (loud, quiet): (Vec<_>, Vec<_>) =
            visible.map(|(place, entry)| (*place, is_noisy(entry))).partition(|(_, noisy)| *noisy);
        let places: Vec<Place> = quiet.into_iter().chain(loud).map(|(place, _)| place).take(max).collect();
        places.iter().filter_map(|place| self.known.remove(place)).collect()
    }

    pub(crate) fn first_visible(&self, now: Timestamp) -> Option<&Head> {
        let (place, entry) = self.known.first_key_value()?;
        (place.at <= now.micros()).then_some(&entry.head)
    }

    pub(crate) fn has_visible(&self, now: Timestamp) -> bool {
        self.first_visible(now).is_some()
    }

    pub(crate) fn soonest(&self, now: Timestamp) -> Timestamp {
        let after = self.known.range(last_visible(now)..).find(|(place, _)| place.at > now.micros());
        after.map_or(Timestamp::NEVER, |(place, _)| Timestamp::from_micros(place.at))
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.known.len() <= WINDOW_MAX / 2
    }

    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.horizon.clear();
    }

    /// Takes what was read beyond the horizon, in order; `whole` if nothing follows.
    pub(crate) fn end_reading(&mut self, reading: Reading, heads: Vec<Head>, whole: bool) {
        let place = |head: &Head| Place { at: head.visible.micros(), sequence: head.sequence };
        let last = heads.last().map(place);
        let Some(changes) = self.horizon.end(reading, last, whole) else { return };
        self.known.extend(heads.into_iter().map(|head| (place(&head), Entry::bare(head))));
        for change in changes {
            match change {
                Change::Put(entry) => self.put(entry),
                Change::Removed(place) => drop(self.remove(place)),
            }
        }
    }
}

fn last_visible(now: Timestamp) -> Place {
    Place { at: now.micros(), sequence: u64::MAX }
}
