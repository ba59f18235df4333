//! Environments whose processes ended in an invocation. On AWS they are no new ones afterwards: the next invocation runs
//! their init again as a part of itself, without INIT_START, and goes on with their log stream.
//!
//! What is left here of such an environment is its log; its processes and its `/tmp` are gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::Timestamp;

use crate::output::LogStream;
use crate::pool::Key;

/// How many wait for an invocation at most; the oldest makes room.
const RESETS_MAX: usize = 256;
/// How long one waits: as long as an idle environment.
const HOLD: Duration = Duration::from_secs(15 * 60);

#[derive(Default)]
pub(crate) struct Resets {
    waiting: Mutex<VecDeque<Reset>>,
}

struct Reset {
    key: Key,
    since: Timestamp,
    log: Arc<LogStream>,
}

impl Resets {
    pub(super) fn give(&self, key: Key, since: Timestamp, log: Arc<LogStream>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == RESETS_MAX {
            waiting.pop_front();
        }
        waiting.push_back(Reset { key, since, log });
    }

    /// The log of one that was used last.
    pub(super) fn take(&self, key: &Key, now: Timestamp) -> Option<Arc<LogStream>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|reset| now < reset.since + HOLD);
        let place = waiting.iter().rposition(|reset| reset.key == *key)?;
        waiting.remove(place).map(|reset| reset.log)
    }
}
