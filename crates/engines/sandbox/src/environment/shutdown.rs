//! The shutdown phase: what the runtime and the extensions may still do before they are killed.
//!
//! As on Lambda: nothing without extensions; half a second for a runtime with internal ones; with external ones two
//! seconds, of which the runtime may take a part before the extensions hear of the end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Inner;
use crate::deadline;
use crate::extensions::ShutdownReason;
use crate::output::Pump;

/// How long a runtime with internal extensions only may take to end.
const INTERNAL_MAX: Duration = Duration::from_millis(500);
/// How long a runtime and external extensions may take.
const EXTERNAL_MAX: Duration = Duration::from_secs(2);
/// The part of it that the runtime may take.
const RUNTIME_MAX: Duration = Duration::from_millis(600);
/// How long extensions are told of what has happened before they hear of the end.
const FLUSH_MAX: Duration = Duration::from_millis(300);

impl Inner {
    /// Ends the environment; what is left is killed.
    pub(super) async fn stop(&self) {
        let was_alive = self.alive.swap(false, Ordering::AcqRel);
        // Whoever invokes it meanwhile learns that it was killed.
        if let Ok(mut work) = self.work.try_lock()
            && (was_alive || self.doom.get().is_some())
        {
            let reason = self.doom.get().copied().unwrap_or(ShutdownReason::Spindown);
            self.shut_down(&mut work.pump, reason).await;
        }
        self.kill().await;
    }

    /// Lets the runtime and the extensions finish, if there are any extensions.
    pub(super) async fn shut_down(&self, pump: &mut Pump, reason: ShutdownReason) {
        if !self.extensions.are_there() || self.process.has_ended() {
            return;
        }
        let _ = self.process.thaw();
        let started = deadline::start();
        if self.extensions.are_external() {
            self.extensions.terminate_runtime();
            linger(pump, RUNTIME_MAX, self.runtime_ended()).await;
            self.extensions.kill_runtime();
            linger(pump, FLUSH_MAX, self.extensions.telemetry.flush(FLUSH_MAX)).await;
            let left = EXTERNAL_MAX.saturating_sub(started.elapsed());
            self.extensions.begin_shutdown(reason, deadline::epoch_ms_after(left));
            linger(pump, left, self.extensions.gone()).await;
        } else {
            self.process.terminate();
            linger(pump, INTERNAL_MAX, self.process.ended()).await;
        }
        pump.drain();
    }
}

/// Reads output until something has ended, or the time is over.
async fn linger<T>(pump: &mut Pump, limit: Duration, ended: impl Future<Output = T>) {
    tokio::select! {
        biased;
        _ = ended => {}
        () = deadline::after(limit) => {}
        never = pump.run() => match never {},
    }
}
