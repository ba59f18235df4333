//! Tells when a function's own memory exceeds its limit, by the kernel's events.
//!
//! `/tmp` lies in memory and is counted with it, so the kernel's hard limit is the sum of both. The
//! function's own part is looked at whenever the total has grown so far that it could be over.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use tokio::io::Interest;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::watched;
use crate::cgroup::Group;

/// The least growth between two looks.
const STEP_BYTES_MIN: u64 = 1024 * 1024;

/// A watch over one control group, for as long as it is kept.
pub(super) struct MemoryWatch {
    exceeded: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl MemoryWatch {
    /// Watches for more than `limit_bytes`, files in `/tmp` not counted.
    pub(super) fn begin(group: Group, limit_bytes: u64) -> MemoryWatch {
        let (sender, exceeded) = watch::channel(false);
        let task = tokio::spawn(async move {
            match exceeds(&group, limit_bytes).await {
                Ok(()) => drop(sender.send_replace(true)),
                Err(error) => {
                    tracing::debug!(%error, "no events for memory; the hard limit remains");
                    std::future::pending().await
                }
            }
        });
        MemoryWatch { exceeded, task }
    }

    /// Waits until the limit is exceeded.
    pub(super) async fn exceeded(&self) {
        let mut exceeded = self.exceeded.clone();
        if exceeded.wait_for(|exceeded| *exceeded).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn exceeds(group: &Group, limit_bytes: u64) -> io::Result<()> {
    loop {
        let own = group.process_memory_bytes();
        if own > limit_bytes {
            return Ok(());
        }
        let threshold = group.memory_bytes() + (limit_bytes - own).max(STEP_BYTES_MIN);
        match group.version {
            1 => crossing(group, threshold).await?,
            _ => pressure(group, threshold).await?,
        }
    }
}

/// Version 1: an event when the total crosses `threshold`.
async fn crossing(group: &Group, threshold: u64) -> io::Result<()> {
    let path = |name: &str| group.memory_file(name).ok_or_else(|| io::Error::other("no memory controller"));
    let usage = fs::File::open(path("memory.usage_in_bytes")?)?;
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let registration = format!("{} {} {threshold}", event.as_raw_fd(), usage.as_raw_fd());
    let mut control = fs::OpenOptions::new().write(true).open(path("cgroup.event_control")?)?;
    control.write_all(registration.as_bytes())?;
    if group.memory_bytes() >= threshold {
        return Ok(());
    }
    wait(event, Interest::READABLE).await
}

/// Version 2: an event when the total exceeds `memory.high`, which is moved to `threshold`.
async fn pressure(group: &Group, threshold: u64) -> io::Result<()> {
    let path = |name: &str| group.memory_file(name).ok_or_else(|| io::Error::other("no memory controller"));
    let events = fs::File::open(path("memory.events")?)?;
    io::read_to_string(&events)?;
    fs::write(path("memory.high")?, threshold.to_string())?;
    wait(events.into(), Interest::PRIORITY).await
}

async fn wait(descriptor: OwnedFd, interest: Interest) -> io::Result<()> {
    let descriptor = watched(descriptor, interest)?;
    descriptor.ready(interest).await?.retain_ready();
    Ok(())
}
