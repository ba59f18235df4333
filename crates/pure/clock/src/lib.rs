//! Time as a dependency: the only place from which Kobel learns what time it is and how it waits.
//!
//! A [`Clock`] is real, scaled, or virtual. Virtual time stands still while work is under way (somebody holds a
//! [`Busy`]) and jumps to the next timer when nothing runs and nothing is due, so that a retry after two minutes
//! happens at once, yet in order. Waiting is not work: whoever waits for a timer must not hold a `Busy`.
//!
//! Invariants: no async runtime; one thread per clock, which sleeps until the next timer and is woken by an
//! earlier one; nothing polls.

#![expect(clippy::disallowed_methods, reason = "the clock itself asks the operating system")]

mod mode;
mod timers;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use base::Timestamp;

pub use mode::{Mode, ModeError};
use timers::{TimerId, Timers};

/// How long virtual time waits, in real time, after the last work ended before it jumps: a client that got an
/// answer may ask again, and a task that was just woken must get to run.
const SETTLE: Duration = Duration::from_millis(4);

/// The source of time. Cheap to clone; clones share one time.
#[derive(Clone)]
pub struct Clock {
    inner: Arc<Inner>,
    /// Ends the thread with the last handle.
    _life: Arc<Life>,
}

struct Life(Arc<Inner>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

struct Inner {
    mode: Mode,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The reading at `anchor`, in real time, from which `now` is computed.
    reading: Timestamp,
    anchor: Instant,
    timers: Timers,
    busy: usize,
    /// When the last work ended, in real time.
    idle_since: Instant,
    closed: bool,
}

/// What `kobel time` shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub mode: Mode,
    pub now: Timestamp,
    /// The next timer that would fire, if any waits.
    pub next: Option<Timestamp>,
    /// How many pieces of work are under way.
    pub busy: usize,
}

impl Clock {
    /// A clock that starts at the system's time.
    pub fn new(mode: Mode) -> Clock {
        Clock::starting_at(mode, system_time())
    }

    /// A clock that starts at `start`.
    pub fn starting_at(mode: Mode, start: Timestamp) -> Clock {
        let now = Instant::now();
        let state =
            State { reading: start, anchor: now, timers: Timers::default(), busy: 0, idle_since: now, closed: false };
        let inner = Arc::new(Inner { mode, state: Mutex::new(state), changed: Condvar::new() });
        let runner = inner.clone();
        std::thread::Builder::new()
            .name("clock".into())
            .spawn(move || while runner.turn() {})
            .expect("a thread can be started");
        Clock { _life: Arc::new(Life(inner.clone())), inner }
    }

    pub fn real() -> Clock {
        Clock::new(Mode::Real)
    }

    /// Virtual time from `start`.
    pub fn virtual_from(start: Timestamp) -> Clock {
        Clock::starting_at(Mode::Virtual, start)
    }

    pub fn mode(&self) -> Mode {
        self.inner.mode
    }

    pub fn now(&self) -> Timestamp {
        self.inner.lock().now(self.inner.mode)
    }

    /// Resolves when the clock has reached `at`. Virtual time jumps to it.
    pub fn sleep_until(&self, at: Timestamp) -> Sleep {
        Sleep { inner: self.inner.clone(), at, pulls: true, id: None, over: false }
    }

    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Like [`Clock::sleep_until`] for housekeeping (expiry, retention, recycling): it fires once time has got
    /// there, but virtual time does not jump for its sake.
    pub fn passed(&self, at: Timestamp) -> Sleep {
        Sleep { inner: self.inner.clone(), at, pulls: false, id: None, over: false }
    }

    /// Says that work is under way until the guard is dropped: virtual time stands still.
    pub fn busy(&self) -> Busy {
        self.inner.lock().busy += 1;
        Busy { inner: self.inner.clone() }
    }

    /// Moves time forward by `duration`, in any mode; timers that become due fire in order.
    pub fn advance(&self, duration: Duration) -> Timestamp {
        let mut state = self.inner.lock();
        let to = state.now(self.inner.mode) + duration;
        state.set(to);
        self.inner.changed.notify_all();
        to
    }

    /// Moves time to the next timer, if there is one.
    pub fn jump(&self) -> Option<Timestamp> {
        let mut state = self.inner.lock();
        let next = state.timers.next()?;
        if next > state.now(self.inner.mode) {
            state.set(next);
        }
        self.inner.changed.notify_all();
        Some(next)
    }

    pub fn status(&self) -> Status {
        let state = self.inner.lock();
        let mode = self.inner.mode;
        Status { mode, now: state.now(mode), next: state.timers.next(), busy: state.busy }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Fires what is due, then waits for the next timer or a change. False when no handle is left.
    fn turn(&self) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.fire(self.mode);
        match state.until_next(self.mode) {
            Some(Duration::ZERO) => {}
            Some(wait) => drop(self.changed.wait_timeout(state, wait)),
            None => drop(self.changed.wait(state)),
        }
        true
    }
}

impl State {
    fn now(&self, mode: Mode) -> Timestamp {
        self.reading + mode.elapsed(self.anchor.elapsed())
    }

    fn set(&mut self, to: Timestamp) {
        self.reading = to;
        self.anchor = Instant::now();
    }

    fn fire(&mut self, mode: Mode) {
        if mode == Mode::Virtual && self.busy == 0 && self.idle_since.elapsed() >= SETTLE {
            let now = self.now(mode);
            if let Some(next) = self.timers.next_pulling().filter(|next| *next > now) {
                self.set(next);
            }
        }
        let now = self.now(mode);
        let fired = self.timers.take_due(now);
        // A fired timer is work until whoever waits for it has taken note.
        self.busy += fired.len();
        for waker in fired {
            waker.wake();
        }
    }

    /// Real time until something may have to happen; `None` when nothing is planned.
    fn until_next(&self, mode: Mode) -> Option<Duration> {
        let now = self.now(mode);
        match mode {
            Mode::Virtual => {
                let due = self.timers.next().is_some_and(|at| at <= now);
                let may_jump = self.busy == 0 && self.timers.next_pulling().is_some();
                match (due, may_jump) {
                    (true, _) => Some(Duration::ZERO),
                    (false, true) => Some(SETTLE.saturating_sub(self.idle_since.elapsed())),
                    (false, false) => None,
                }
            }
            Mode::Real | Mode::Scaled(_) => self.timers.next().map(|at| mode.real(at.since(now))),
        }
    }

    fn work_ended(&mut self) {
        self.busy -= 1;
        self.idle_since = Instant::now();
    }
}

/// Work under way; see [`Clock::busy`].
#[must_use]
pub struct Busy {
    inner: Arc<Inner>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.work_ended();
        if state.busy == 0 {
            self.inner.changed.notify_all();
        }
    }
}

/// A wait for a moment; see [`Clock::sleep_until`].
#[must_use = "a sleep does nothing until awaited"]
pub struct Sleep {
    inner: Arc<Inner>,
    at: Timestamp,
    pulls: bool,
    id: Option<TimerId>,
    over: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.over {
            return Poll::Ready(());
        }
        let inner = self.inner.clone();
        let mut state = inner.lock();
        if let Some(id) = self.id {
            if state.timers.renew(id, context.waker()) {
                return Poll::Pending;
            }
            self.id = None;
            self.over = true;
            state.work_ended();
            inner.changed.notify_all();
            return Poll::Ready(());
        }
        if self.at <= state.now(inner.mode) {
            self.over = true;
            return Poll::Ready(());
        }
        let id = state.timers.add(self.at, self.pulls, context.waker().clone());
        self.id = Some(id);
        inner.changed.notify_all();
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let mut state = self.inner.lock();
            if !state.timers.remove(id) {
                state.work_ended();
            }
            self.inner.changed.notify_all();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's time")]
fn system_time() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH + since_epoch
}

#[cfg(test)]
mod tests;
