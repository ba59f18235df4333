use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use base::Timestamp;

use crate::message::Head;

/// How many messages of a queue may be in flight.
pub(crate) const IN_FLIGHT_MAX: usize = 120_000;
/// How many messages are remembered whose visibility timeout is over but which nobody received again, so that
/// their old handles find them.
const LAPSED_KEPT_MAX: usize = 50_000;
/// From how many messages in flight on a group can be noisy, if it has more than a tenth of all.
const NOISY_MIN: u32 = 10;

/// The messages in flight, and those whose visibility timeout is over.
#[derive(Default)]
pub(crate) struct Flight {
    known: HashMap<u64, Head>,
    /// Those in flight, by when their visibility timeout ends.
    hidden: BTreeSet<(Timestamp, u64)>,
    /// Those whose timeout is over, in the order in which it ended; some may have been received since.
    lapsed: VecDeque<u64>,
    groups: HashMap<Arc<str>, u32>,
}

impl Flight {
    /// A message was received.
    pub(crate) fn add(&mut self, head: Head) {
        self.remove(head.sequence);
        self.hidden.insert((head.visible, head.sequence));
        if let Some(group) = &head.group {
            *self.groups.entry(group.clone()).or_default() += 1;
        }
        self.known.insert(head.sequence, head);
    }

    pub(crate) fn remove(&mut self, sequence: u64) -> Option<Head> {
        let head = self.known.remove(&sequence)?;
        if self.hidden.remove(&(head.visible, sequence)) {
            self.count_down(&head);
        }
        Some(head)
    }

    pub(crate) fn get(&self, sequence: u64) -> Option<&Head> {
        self.known.get(&sequence)
    }

    /// Whether the message is in flight: received, and its visibility timeout is not over.
    pub(crate) fn hides(&self, sequence: u64) -> bool {
        self.known.get(&sequence).is_some_and(|head| self.hidden.contains(&(head.visible, sequence)))
    }

    /// Those whose visibility timeout has ended by `now`, in the order of its end. They stay known if `keep`.
    pub(crate) fn lapse(&mut self, now: Timestamp, keep: bool) -> Vec<Head> {
        let mut ended = Vec::new();
        while let Some(&(at, sequence)) = self.hidden.first()
            && at <= now
        {
            self.hidden.pop_first();
            let head = if keep { self.known.get(&sequence).cloned() } else { self.known.remove(&sequence) };
            let Some(head) = head else { continue };
            self.count_down(&head);
            if keep {
                self.lapsed.push_back(sequence);
            }
            ended.push(head);
        }
        while self.lapsed.len() > LAPSED_KEPT_MAX {
            let oldest = self.lapsed.pop_front().expect("it has more than its maximum");
            if !self.hides(oldest) {
                self.known.remove(&oldest);
            }
        }
        ended
    }

    pub(crate) fn soonest(&self) -> Timestamp {
        self.hidden.first().map_or(Timestamp::NEVER, |(at, _)| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.hidden.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.hidden.len() >= IN_FLIGHT_MAX
    }

    /// Whether a group has so many messages in flight that others come first.
    pub(crate) fn is_noisy(&self, group: &str) -> bool {
        let count = self.groups.get(group).copied().unwrap_or_default();
        count > NOISY_MIN && count as usize * 10 > self.hidden.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Flight::default();
    }

    fn count_down(&mut self, head: &Head) {
        let Some(group) = &head.group else { return };
        if let Some(count) = self.groups.get_mut(group) {
            *count -= 1;
            if *count == 0 {
                self.groups.remove(group);
            }
        }
    }
}
