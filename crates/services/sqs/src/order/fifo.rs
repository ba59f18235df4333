use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::Timestamp;

use crate::message::Head;
use crate::order::horizon::Change;
use crate::order::{Entry, Horizon, PAGE_ROWS, Place, Reading};

/// How many waiting heads of a FIFO queue are known in memory: SQS looks through as many for a group that is
/// not locked.
pub(crate) const WINDOW_MAX: usize = 120_000;

/// The messages of a FIFO queue by their groups. A group with messages in flight is locked.
#[derive(Default)]
pub(crate) struct Groups {
    groups: HashMap<Arc<str>, Group>,
    /// The groups that are not locked and whose first message is visible, by that message.
    ready: BTreeMap<u64, Arc<str>>,
    /// The groups that are not locked and whose first message is delayed.
    delayed: BTreeMap<(Timestamp, u64), Arc<str>>,
    /// How many messages wait.
    waiting: usize,
    /// The newest message that was ever known.
    newest: u64,
    pub(crate) horizon: Horizon,
}

#[derive(Default)]
struct Group {
    waiting: BTreeMap<u64, Entry>,
    /// How many are in flight.
    hidden: usize,
    stand: Stand,
}

/// Where a group stands.
#[derive(Clone, Copy, Default)]
enum Stand {
    #[default]
    Locked,
    Ready(u64),
    Delayed(Timestamp, u64),
}

impl Groups {
    pub(crate) fn add(&mut self, entry: Entry) {
        let place = Place { at: 0, sequence: entry.head.sequence };
        if self.horizon.is_whole() && self.waiting >= WINDOW_MAX {
            self.horizon.draw(Some(Place { at: 0, sequence: self.newest }));
        }
        if self.horizon.hides(place) {
            self.horizon.note(Change::Put(entry));
            return;
        }
        self.newest = self.newest.max(place.sequence);
        self.wait(entry);
    }

    fn wait(&mut self, entry: Entry) {
        let name = name_of(&entry.head);
        let group = self.groups.entry(name.clone()).or_default();
        if group.waiting.insert(entry.head.sequence, entry).is_none() {
            self.waiting += 1;
        }
        self.settle(&name);
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&Head> {
        self.groups.values().find_map(|group| group.waiting.get(&sequence)).map(|entry| &entry.head)
    }

    /// Takes visible messages: of the group whose first message is the oldest, then of the next. The groups are
    /// locked by what is taken.
    pub(crate) fn take(&mut self, now: Timestamp, max: usize) -> Vec<Entry> {
        self.wake_delayed(now);
        let mut taken = Vec::new();
        while taken.len() < max {
            let Some((_, name)) = self.ready.first_key_value() else { break };
            let name = name.clone();
            let group = self.groups.get_mut(&name).expect("a ready group is known");
            let before = taken.len();
            while taken.len() < max {
                let Some(first) = group.waiting.first_entry() else { break };
                if first.get().head.visible > now {
                    break;
                }
                taken.push(first.remove());
                group.hidden += 1;
                self.waiting -= 1;
            }
            match group.waiting.first_key_value() {
                // Time went back: what was visible is so again later.
                Some((sequence, first)) if taken.len() == before => {
                    let (at, sequence) = (first.head.visible, *sequence);
                    group.stand = Stand::Delayed(at, sequence);
                    self.ready.remove(&sequence);
                    self.delayed.insert((at, sequence), name);
                }
                _ => self.settle(&name),
            }
        }
        taken
    }

    /// A message in flight waits again, before the later ones of its group.
    pub(crate) fn show(&mut self, head: Head) {
        self.lift(&head);
        if !self.horizon.hides(Place { at: 0, sequence: head.sequence }) {
            self.wait(Entry::bare(head));
        }
    }

    /// A message in flight is gone.
    pub(crate) fn lift(&mut self, head: &Head) {
        let name = name_of(head);
        if let Some(group) = self.groups.get_mut(&name) {
            group.hidden = group.hidden.saturating_sub(1);
            self.settle(&name);
        }
    }

    /// A waiting message is gone.
    pub(crate) fn remove(&mut self, sequence: u64) {
        let place = Place { at: 0, sequence };
        if self.horizon.hides(place) {
            self.horizon.note(Change::Removed(place));
            return;
        }
        let holder = self.groups.iter_mut().find(|(_, group)| group.waiting.contains_key(&sequence));
        if let Some((name, group)) = holder {
            group.waiting.remove(&sequence);
            self.waiting -= 1;
            let name = name.clone();
            self.settle(&name);
        }
    }

    pub(crate) fn first_visible(&self, now: Timestamp) -> Option<&Head> {
        let (sequence, name) = self.ready.first_key_value()?;
        let entry = self.groups.get(name)?.waiting.get(sequence)?;
        (entry.head.visible <= now).then_some(&entry.head)
    }

    pub(crate) fn has_visible(&self, now: Timestamp) -> bool {
        !self.ready.is_empty() || self.delayed.first_key_value().is_some_and(|((at, _), _)| *at <= now)
    }

    pub(crate) fn soonest(&self, now: Timestamp) -> Timestamp {
        let after = self.delayed.range((now, u64::MAX)..).find(|((at, _), _)| *at > now);
        after.map_or(Timestamp::NEVER, |((at, _), _)| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn has_room(&self) -> bool {
        self.waiting + PAGE_ROWS <= WINDOW_MAX
    }

    pub(crate) fn clear(&mut self) {
        let newest = self.newest;
        let mut horizon = std::mem::take(&mut self.horizon);
        horizon.clear();
        *self = Groups { newest, horizon, ..Groups::default() };
    }

    /// Takes what was read beyond the horizon; gives the heads that are in flight, whose groups they lock.
    pub(crate) fn end_reading(
        &mut self,
        reading: Reading,
        heads: Vec<Head>,
        whole: bool,
        now: Timestamp,
        is_in_flight: &dyn Fn(u64) -> bool,
    ) -> Vec<Head> {
        let last = heads.last().map(|head| Place { at: 0, sequence: head.sequence });
        let Some(changes) = self.horizon.end(reading, last, whole) else { return Vec::new() };
        self.newest = self.newest.max(last.map_or(0, |last| last.sequence));
        let mut in_flight = Vec::new();
        for head in heads.into_iter().filter(|head| !is_in_flight(head.sequence)) {
            if head.received > 0 && head.visible > now {
                self.groups.entry(name_of(&head)).or_default().hidden += 1;
                in_flight.push(head);
            } else {
                self.wait(Entry::bare(head));
            }
        }
        for head in &in_flight {
            self.settle(&name_of(head));
        }
        for change in changes {
            match change {
                Change::Put(entry) => self.add(entry),
                Change::Removed(place) => self.remove(place.sequence),
            }
        }
        in_flight
    }

    fn wake_delayed(&mut self, now: Timestamp) {
        while let Some(((at, sequence), name)) = self.delayed.first_key_value()
            && *at <= now
        {
            let (at, sequence, name) = (*at, *sequence, name.clone());
            self.delayed.remove(&(at, sequence));
            if let Some(group) = self.groups.get_mut(&name) {
                group.stand = Stand::Ready(sequence);
                self.ready.insert(sequence, name);
            }
        }
    }

    /// Puts a group where it belongs after a change.
    fn settle(&mut self, name: &Arc<str>) {
        let Some(group) = self.groups.get_mut(name) else { return };
        match group.stand {
            Stand::Locked => {}
            Stand::Ready(sequence) => drop(self.ready.remove(&sequence)),
            Stand::Delayed(at, sequence) => drop(self.delayed.remove(&(at, sequence))),
        }
        group.stand = Stand::Locked;
        if group.hidden > 0 {
            return;
        }
        let Some((sequence, first)) = group.waiting.first_key_value() else {
            self.groups.remove(name);
            return;
        };
        // Whether the moment has passed is seen when messages are taken.
        if first.head.received == 0 && first.head.visible > first.head.kept_from {
            group.stand = Stand::Delayed(first.head.visible, *sequence);
            self.delayed.insert((first.head.visible, *sequence), name.clone());
        } else {
            group.stand = Stand::Ready(*sequence);
            self.ready.insert(*sequence, name.clone());
        }
    }
}

/// Every message of a FIFO queue has a group.
fn name_of(head: &Head) -> Arc<str> {
    head.group.clone().unwrap_or_else(|| "".into())
}
