use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Error;

/// Learns what became of a batch; see [`crate::Store::commit_then`].
pub type Then = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// Sees to it that who handed a batch over learns its outcome, also where the engine ends before the batch.
pub(crate) struct Answer(Option<Then>);

impl Answer {
    pub(crate) fn new(then: Then) -> Answer {
        Answer(Some(then))
    }

    pub(crate) fn give(mut self, outcome: Result<(), Error>) {
        self.call(outcome);
    }

    fn call(&mut self, outcome: Result<(), Error>) {
        let Some(then) = self.0.take() else { return };
        // A bug of one caller must not stop the engine, on which all others rest.
        if catch_unwind(AssertUnwindSafe(|| then(outcome))).is_err() {
            tracing::error!("who handed over a batch panicked at its outcome");
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.call(Err(Error::Closed));
    }
}
