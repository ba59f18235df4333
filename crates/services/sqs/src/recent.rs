use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use base::Timestamp;
use cell::{Rows, Tx};

use crate::row::{Reader, Writer};

/// For how long a repetition is recognised.
pub(crate) const WINDOW: Duration = Duration::from_secs(5 * 60);
/// How many entries that are over are deleted along with one that is added.
const SWEPT_MAX: usize = 16;

/// What was sent within the deduplication window, so that a repetition is recognised.
#[derive(Default)]
pub(crate) struct Recent {
    known: HashMap<u128, Seen>,
    /// In the order of their end.
    ends: VecDeque<(Timestamp, u128)>,
}

/// The message that a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: u128,
    pub(crate) sequence: u64,
    until: Timestamp,
}

impl Recent {
    pub(crate) const ROWS: &'static str = "d/";

    pub(crate) fn load(rows: &Rows) -> Result<Recent, String> {
        let mut recent = Recent::default();
        for (key, value) in rows.under(Recent::ROWS) {
            let (until, key) = read_key(key).ok_or("a deduplication row has a damaged key")?;
            let mut row = Reader::new(value);
            let (Some(id), Some(sequence)) = (row.u128(), row.u64()) else {
                return Err("a deduplication row is damaged".to_owned());
            };
            recent.known.insert(key, Seen { id, sequence, until });
            recent.ends.push_back((until, key));
        }
        Ok(recent)
    }

    pub(crate) fn get(&self, key: u128, now: Timestamp) -> Option<Seen> {
        self.known.get(&key).copied().filter(|seen| seen.until > now)
    }

    pub(crate) fn add(&mut self, tx: &mut Tx<'_>, key: u128, id: u128, sequence: u64) {
        self.sweep(tx);
        let until = tx.now() + WINDOW;
        let mut value = Writer::with_capacity(24);
        value.u128(id);
        value.u64(sequence);
        tx.put(row(until, key), value.finish());
        self.known.insert(key, Seen { id, sequence, until });
        self.ends.push_back((until, key));
    }

    fn sweep(&mut self, tx: &mut Tx<'_>) {
        for _ in 0..SWEPT_MAX {
            let Some((until, key)) = self.ends.pop_front_if(|(until, _)| *until <= tx.now()) else { break };
            tx.delete(row(until, key));
            if self.known.get(&key).is_some_and(|seen| seen.until == until) {
                self.known.remove(&key);
            }
        }
    }
}

fn row(until: Timestamp, key: u128) -> String {
    format!("{}{:016x}{key:032x}", Recent::ROWS, until.micros().max(0))
}

fn read_key(key: &[u8]) -> Option<(Timestamp, u128)> {
    let (until, key) = std::str::from_utf8(key).ok()?.split_at_checked(16)?;
    let until = Timestamp::from_micros(i64::from_str_radix(until, 16).ok()?);
    Some((until, u128::from_str_radix(key, 16).ok()?))
}
