use base::Timestamp;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};

/// How waiting receivers learn that there may be something for them.
pub(crate) struct Wake {
    arrival: Notify,
    soonest: watch::Sender<Timestamp>,
}

impl Wake {
    pub(crate) fn new() -> Wake {
        Wake { arrival: Notify::new(), soonest: watch::channel(Timestamp::NEVER).0 }
    }

    /// There is a message: wakes one waiter, or the next one that comes.
    pub(crate) fn one(&self) {
        self.arrival.notify_one();
    }

    /// The queue is no longer what it was: all waiters look again.
    pub(crate) fn all(&self) {
        self.arrival.notify_waiters();
    }

    /// The next message that is not yet visible becomes so at `soonest`.
    pub(crate) fn at(&self, soonest: Timestamp) {
        self.soonest.send_if_modified(|known| std::mem::replace(known, soonest) != soonest);
    }

    pub(crate) fn arrival(&self) -> Notified<'_> {
        self.arrival.notified()
    }

    pub(crate) fn soonest(&self) -> watch::Receiver<Timestamp> {
        self.soonest.subscribe()
    }
}
