//! What the host has of memory and of open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::capabilities::Feature;

/// The open files that one environment costs the server: its output, its conversation, a listener, connections, and
/// what watches its memory.
const FILES_PER_ENVIRONMENT: u64 = 8;
/// As many environments run at the same time on Lambda unless more is asked for.
const ENVIRONMENTS_WANTED: u64 = 1_000;

/// Lets the server open as many files as the host's hard limit allows. Functions have a limit of their own.
pub(crate) fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// Whether there can be as many environments as a default account has.
pub(crate) fn file_feature() -> Feature {
    const NAME: &str = "open files";
    let Some(files) = getrlimit(Resource::Nofile).current else { return Feature::on(NAME, "without a limit") };
    let room = files / FILES_PER_ENVIRONMENT;
    match room {
        ENVIRONMENTS_WANTED.. => Feature::on(NAME, format!("{files}, for about {room} environments at the same time")),
        _ => Feature::off(NAME, format!("{files}, for about {room} environments; raise the hard limit (`ulimit -Hn`)")),
    }
}

/// The host's memory, in MB, where it tells. A container's own limit is not looked at.
pub fn host_memory_mb() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return Some(total(|info| info.totalram) >> 20);
    #[cfg(not(target_os = "linux"))]
    None
}

/// Whether memory can be paged out: to a swap device or file, or to zram.
#[cfg(target_os = "linux")]
pub(crate) fn has_swap() -> bool {
    total(|info| info.totalswap) > 0
}

#[cfg(target_os = "linux")]
fn total(of: fn(&rustix::system::Sysinfo) -> u64) -> u64 {
    let info = rustix::system::sysinfo();
    of(&info) * u64::from(info.mem_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_may_open_what_the_host_allows() {
        raise_file_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        let room = limit.current.is_none_or(|files| files / FILES_PER_ENVIRONMENT >= ENVIRONMENTS_WANTED);
        assert_eq!(file_feature().on, room);
    }
}
