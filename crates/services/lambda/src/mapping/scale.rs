//! How many batches of one mapping may be in flight: AWS's scaling of an SQS poller.

use base::Timestamp;

/// Batches at once when a mapping begins, or begins again after errors.
const START: u32 = 5;
/// What is added in a minute in which all were in use.
const GROWTH_PER_MINUTE: u32 = 300;
/// The most that AWS goes to.
const MOST: u32 = 1_250;

/// The bound on batches in flight. Pure: it is told the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    now: u32,
    most: u32,
    /// Since when all places are in use.
    saturated: Option<Timestamp>,
}

impl Scale {
    pub(super) fn new(maximum_concurrency: Option<u32>) -> Scale {
        let most = maximum_concurrency.unwrap_or(MOST).clamp(1, MOST);
        Scale { now: START.min(most), most, saturated: None }
    }

    /// Whether another batch may begin while `in_flight` are.
    pub(super) fn admits(&mut self, in_flight: u32, at: Timestamp) -> bool {
        if in_flight < self.now {
            self.saturated = None;
            return true;
        }
        let since = *self.saturated.get_or_insert(at);
        let grown = at.since(since).as_millis() * u128::from(GROWTH_PER_MINUTE) / 60_000;
        let grown = u32::try_from(grown).unwrap_or(MOST).min(self.most - self.now);
        if grown == 0 {
            return false;
        }
        self.now += grown;
        self.saturated = Some(at);
        true
    }

    /// When a place comes by growth, if no batch ends before.
    pub(super) fn next_place(&self) -> Option<Timestamp> {
        let since = self.saturated.filter(|_| self.now < self.most)?;
        Some(since + std::time::Duration::from_millis(u64::from(60_000 / GROWTH_PER_MINUTE)))
    }

    /// A batch failed or was throttled: begins again at the start.
    pub(super) fn fall_back(&mut self) {
        self.now = START.min(self.most);
        self.saturated = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_three_hundred_a_minute_while_all_is_in_use() {
        let at = |millis| Timestamp::from_millis(millis);
        let mut scale = Scale::new(None);
        assert!(scale.admits(4, at(0)));
        assert!(!scale.admits(5, at(0)));
        assert_eq!(scale.next_place(), Some(at(200)));
        assert!(!scale.admits(5, at(199)));
        assert!(scale.admits(5, at(200)));
        assert!(!scale.admits(6, at(300)));
        assert!(scale.admits(6, at(60_200)));
        assert!(scale.admits(304, at(60_200)) && !scale.admits(306, at(60_200)));
        scale.fall_back();
        assert!(!scale.admits(5, at(60_200)));
    }

    #[test]
    fn never_goes_past_the_maximum_concurrency() {
        let mut scale = Scale::new(Some(2));
        assert!(scale.admits(1, Timestamp::EPOCH));
        assert!(!scale.admits(2, Timestamp::EPOCH));
        assert!(!scale.admits(2, Timestamp::from_secs(3_600)));
        assert_eq!(scale.next_place(), None);
    }
}
