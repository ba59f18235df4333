//! Memory of a tree of processes from `/proc`, for hosts that give no control group.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often memory is looked at while a function works. Without control groups the kernel has no
/// event for this.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// The most processes that are looked at.
const PROCESSES_MAX: usize = 1024;

/// Watches the anonymous and shared memory of processes and their descendants.
pub(crate) struct Resident {
    root_pids: Vec<i32>,
    max_bytes: AtomicU64,
}

impl Resident {
    pub(crate) fn of(root_pids: Vec<i32>) -> Resident {
        Resident { root_pids, max_bytes: AtomicU64::new(0) }
    }

    /// The high-water mark of the looks so far, the present one included.
    pub(crate) fn max_bytes(&self) -> u64 {
        let now = match tree(&self.root_pids).as_slice() {
            [single] => resident_bytes(*single),
            several => several.iter().map(|pid| proportional_bytes(*pid)).sum(),
        };
        self.max_bytes.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// Looks until more than `limit_bytes` is in use.
    pub(crate) async fn exceeds(&self, limit_bytes: u64) {
        loop {
            crate::deadline::after(LOOK_INTERVAL).await;
            if self.max_bytes() > limit_bytes {
                return;
            }
        }
    }
}

/// The processes and all their descendants.
pub(crate) fn tree(root_pids: &[i32]) -> Vec<i32> {
    let mut pids = root_pids.to_vec();
    let mut next = 0;
    while next < pids.len() && pids.len() < PROCESSES_MAX {
        let pid = pids[next];
        next += 1;
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
    }
    pids
}

fn resident_bytes(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    bytes(&status, "RssAnon:") + bytes(&status, "RssShmem:")
}

/// Pages that several processes share after a fork count in part for each.
fn proportional_bytes(pid: i32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    bytes(&rollup, "Pss_Anon:") + bytes(&rollup, "Pss_Shmem:")
}

/// The value in KiB of the line that starts with `name`, as bytes.
fn bytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
