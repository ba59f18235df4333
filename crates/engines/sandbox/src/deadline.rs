//! Real time, for real processes: they run, hang and die whatever the clock of the service says.

use std::time::{Duration, Instant};

/// Begins the measuring of a duration.
#[expect(clippy::disallowed_methods, reason = "measures what a real process takes")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// The moment after some time, in milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "real processes read the host's time")]
pub(crate) fn epoch_ms_after(duration: Duration) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from((now + duration).as_millis()).unwrap_or(i64::MAX)
}

/// Waits for real time to pass.
#[expect(clippy::disallowed_methods, reason = "the deadline of a real process")]
pub(crate) async fn after(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// What `future` gives, unless it takes longer.
pub(crate) async fn within<T>(duration: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = after(duration) => None,
    }
}
