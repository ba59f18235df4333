//! Purging and deleting a queue.

use std::time::Duration;

use cell::Tx;

use crate::error;
use crate::queue::{Queue, Refusal};

/// How long a queue that was purged can't be purged again.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);

impl Queue {
    /// Deletes all messages. What was sent lately is still recognised when it is repeated.
    pub(crate) fn purge(&mut self, tx: &mut Tx<'_>, name: &str) -> Result<(), Refusal> {
        self.begin(tx.now())?;
        if self.counters.purged.is_some_and(|purged| purged + PURGE_INTERVAL > tx.now()) {
            return Err(error::purge_in_progress(name).into());
        }
        tx.delete_prefix("a/");
        tx.delete_prefix("m/");
        self.order.clear();
        self.flight.clear();
        self.attempts.clear();
        self.delayed.clear();
        self.count = 0;
        self.counters.count = 0;
        self.counters.purged = Some(tx.now());
        self.put_counters(tx);
        self.end(tx);
        Ok(())
    }

    /// Deletes all rows; no command runs any more.
    pub(crate) fn close(&mut self, tx: &mut Tx<'_>) {
        tx.delete_prefix("");
        self.order.clear();
        self.flight.clear();
        self.closed = true;
        self.wake.all();
    }
}
