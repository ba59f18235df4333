//! What becomes of an environment that nobody needs: it runs on for a moment, is frozen, is paged out, and ends.
//!
//! A pause between two invocations of a burst is shorter than the first of these times, so that a burst never pays for
//! a freeze and a thaw.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::environment::Environment;

/// How long an idle environment runs on before it is frozen. AWS promises no time: it freezes as soon as the
/// runtime asks for its next event. Freezing and thawing cost 0.1 to 0.3 ms, which this keeps out of bursts.
pub(crate) const FREEZE_AFTER: Duration = Duration::from_millis(100);
/// How long a frozen environment keeps its memory.
pub(crate) const PAGE_OUT_AFTER: Duration = Duration::from_secs(60);
/// How long an environment is kept without an invocation.
pub(crate) const END_AFTER: Duration = Duration::from_secs(15 * 60);

/// A step of an idle environment towards its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Freeze,
    PageOut,
    End,
}

impl Step {
    pub(super) const ALL: [Step; 3] = [Step::Freeze, Step::PageOut, Step::End];

    /// How long an environment is idle before it is taken.
    pub(super) fn after(self) -> Duration {
        match self {
            Step::Freeze => FREEZE_AFTER,
            Step::PageOut => PAGE_OUT_AFTER,
            Step::End => END_AFTER,
        }
    }
}

/// The rest of one environment between two invocations. Its steps and its being called up exclude each other.
pub(super) struct Rest {
    environment: Arc<dyn Environment>,
    depth: Mutex<Depth>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Running,
    Frozen,
    PagedOut,
    /// It is used again, or ends: no step is taken any more.
    Over,
}

impl Rest {
    pub(super) fn of(environment: Arc<dyn Environment>) -> Arc<Rest> {
        Arc::new(Rest { environment, depth: Mutex::new(Depth::Running) })
    }

    pub(super) async fn take(&self, step: Step) {
        let mut depth = self.depth.lock().await;
        match (*depth, step) {
            (Depth::Running, Step::Freeze) => {
                self.environment.freeze().await;
                *depth = Depth::Frozen;
            }
            (Depth::Frozen, Step::PageOut) => {
                self.environment.page_out().await;
                *depth = Depth::PagedOut;
            }
            _ => {}
        }
    }

    /// Lets it run for an invocation.
    pub(super) async fn wake(&self) {
        if matches!(self.over().await, Depth::Frozen | Depth::PagedOut) {
            self.environment.thaw().await;
        }
    }

    /// Ends it for good. A step that is being taken comes to its end first: what is frozen while it is killed stays.
    pub(super) async fn end(&self) {
        self.over().await;
        self.environment.stop().await;
    }

    async fn over(&self) -> Depth {
        std::mem::replace(&mut *self.depth.lock().await, Depth::Over)
    }
}
