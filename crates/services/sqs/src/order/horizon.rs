use crate::order::{Entry, Place};

/// Up to where the rows of heads are known in memory, and what changes beyond while further ones are being read.
#[derive(Default)]
pub(crate) struct Horizon {
    /// Rows after this place are only in the store; `None` where all are known.
    after: Option<Place>,
    /// What happened beyond the horizon while it is being moved: such a change may or may not be in what is read.
    changes: Option<Vec<Change>>,
    /// Counts the readings, so that one whose rows were all deleted meanwhile is not taken for another.
    number: u64,
}

/// A reading under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) after: Place,
    number: u64,
}

pub(crate) enum Change {
    Put(Entry),
    Removed(Place),
}

impl Horizon {
    /// Nothing is known: everything is to be read.
    pub(crate) fn unread(&mut self) {
        self.after = Some(Place::FIRST);
        self.changes = None;
        self.number += 1;
    }

    /// There is nothing in the store any more.
    pub(crate) fn clear(&mut self) {
        self.after = None;
        self.changes = None;
        self.number += 1;
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.after.is_none()
    }

    /// Whether a place lies beyond.
    pub(crate) fn hides(&self, place: Place) -> bool {
        self.after.is_some_and(|after| place > after)
    }

    /// Draws the horizon at a place: what lies beyond is only in the store from now on.
    pub(crate) fn draw(&mut self, after: Option<Place>) {
        self.after = after;
    }

    /// Takes note of a change beyond the horizon.
    pub(crate) fn note(&mut self, change: Change) {
        if let Some(changes) = &mut self.changes {
            changes.push(change);
        }
    }

    /// Begins to read on, unless that is under way or there is nothing more.
    pub(crate) fn begin(&mut self) -> Option<Reading> {
        let after = self.after?;
        if self.changes.is_some() {
            return None;
        }
        self.changes = Some(Vec::new());
        self.number += 1;
        Some(Reading { after, number: self.number })
    }

    /// Ends a reading that came to `last`, or to the end of all rows; the changes that came meanwhile. `None`
    /// for a reading that is no longer the one under way.
    pub(crate) fn end(&mut self, reading: Reading, last: Option<Place>, whole: bool) -> Option<Vec<Change>> {
        if reading.number != self.number {
            return None;
        }
        self.after = if whole { None } else { last.or(self.after) };
        Some(self.changes.take().unwrap_or_default())
    }

    /// A reading failed, or was given up; it may be begun again.
    pub(crate) fn abandon(&mut self, reading: Reading) {
        if reading.number == self.number {
            self.changes = None;
        }
    }
}
