use std::collections::BTreeMap;

use base::Timestamp;

/// How many rows of a lane are known in memory; further ones are read when these have gone.
pub(crate) const WINDOW_MAX: usize = 1_024;
/// A row up to this size is kept in memory until it is delivered, a larger one is read again.
const ROW_KEPT_BYTES_MAX: usize = 4_096;

/// The waiting deliveries of one target: a window on the rows of the outbox, which stand in order of their due
/// times. Pure: it decides, the engine acts.
#[derive(Default)]
pub(crate) struct Lane {
    waiting: BTreeMap<Vec<u8>, Waiting>,
    /// Rows after this key are only in the store; `None` where all rows are known.
    horizon: Option<Vec<u8>>,
    /// Rows that came while the next rows were being read, which may or may not have been among those read.
    arrived_while_reading: Option<Vec<(Vec<u8>, Waiting)>>,
    pub(crate) running: usize,
}

/// A known row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) due: Timestamp,
    /// The row, unless it is large.
    pub(crate) row: Option<Vec<u8>>,
}

impl Waiting {
    pub(crate) fn new(due: Timestamp, row: Vec<u8>) -> Waiting {
        Waiting { due, row: (row.len() <= ROW_KEPT_BYTES_MAX).then_some(row) }
    }
}

impl Lane {
    /// Takes note of a row that is in the store.
    pub(crate) fn add(&mut self, key: Vec<u8>, waiting: Waiting) {
        if self.horizon.as_ref().is_some_and(|horizon| key > *horizon) {
            if let Some(arrived) = &mut self.arrived_while_reading {
                arrived.push((key, waiting));
            }
            return;
        }
        self.waiting.insert(key, waiting);
        if self.waiting.len() > WINDOW_MAX {
            self.waiting.pop_last();
            self.horizon = self.waiting.last_key_value().map(|(key, _)| key.clone());
        }
    }

    /// When the first waiting row is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|(_, waiting)| waiting.due)
    }

    /// Takes the first row if it is due, and counts it as running.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Vec<u8>, Waiting)> {
        let first = self.waiting.first_entry()?;
        if first.get().due > now {
            return None;
        }
        self.running += 1;
        Some(first.remove_entry())
    }

    /// Where to go on reading, if the window has room and there is more; the reading has then begun.
    pub(crate) fn begin_reading(&mut self) -> Option<Vec<u8>> {
        if self.arrived_while_reading.is_some() || self.waiting.len() > WINDOW_MAX / 2 {
            return None;
        }
        let horizon = self.horizon.clone()?;
        self.arrived_while_reading = Some(Vec::new());
        Some(horizon)
    }

    /// Takes what was read after the horizon, in order; `whole` if there is nothing after it.
    pub(crate) fn end_reading(&mut self, rows: Vec<(Vec<u8>, Waiting)>, whole: bool) {
        let arrived = self.arrived_while_reading.take().unwrap_or_default();
        self.horizon = if whole { None } else { rows.last().map(|(key, _)| key.clone()).or(self.horizon.take()) };
        self.waiting.extend(rows);
        for (key, waiting) in arrived {
            self.add(key, waiting);
        }
    }

    /// The reading failed; it may be begun again.
    pub(crate) fn abandon_reading(&mut self) {
        self.arrived_while_reading = None;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.running == 0 && self.horizon.is_none()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(due: i64) -> (Vec<u8>, Waiting) {
        let due = Timestamp::from_micros(due);
        (format!("{:016x}", due.micros()).into_bytes(), Waiting::new(due, b"row".to_vec()))
    }

    fn add(lane: &mut Lane, due: i64) {
        let (key, waiting) = row(due);
        lane.add(key, waiting);
    }

    fn take_all(lane: &mut Lane) -> Vec<i64> {
        std::iter::from_fn(|| lane.take_due(Timestamp::NEVER)).map(|(_, waiting)| waiting.due.micros()).collect()
    }

    #[test]
    fn rows_leave_in_order_once_due() {
        let mut lane = Lane::default();
        for due in [30, 10, 20] {
            add(&mut lane, due);
        }
        assert!(lane.take_due(Timestamp::from_micros(9)).is_none());
        assert_eq!(lane.next_due(), Some(Timestamp::from_micros(10)));
        assert_eq!(take_all(&mut lane), [10, 20, 30]);
        assert_eq!(lane.running, 3);
    }

    #[test]
    fn a_long_lane_is_read_piece_by_piece() {
        let mut lane = Lane::default();
        let all: i64 = WINDOW_MAX as i64 + 100;
        for due in 0..all {
            add(&mut lane, due);
        }
        let mut taken: Vec<i64> = take_all(&mut lane);
        assert_eq!(taken.len(), WINDOW_MAX);
        let horizon = lane.begin_reading().expect("there is more");
        assert_eq!(horizon, row(WINDOW_MAX as i64 - 1).0);
        // One row comes while reading and is among those read; one is not; each is taken once.
        add(&mut lane, all - 1);
        add(&mut lane, all + 5);
        lane.end_reading((WINDOW_MAX as i64..all).map(row).collect(), true);
        taken.extend(take_all(&mut lane));
        let expected: Vec<i64> = (0..all).chain([all + 5]).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn large_rows_are_not_kept() {
        assert!(Waiting::new(Timestamp::EPOCH, vec![0; ROW_KEPT_BYTES_MAX + 1]).row.is_none());
    }
}
