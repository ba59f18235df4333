//! Control groups of environments, version 1 and 2: limits, counters, freezing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

mod hierarchy;

pub(crate) use hierarchy::Hierarchy;

/// What one environment may use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// The function's memory.
    pub memory_bytes: u64,
    /// Its `/tmp`, which lies in memory and is counted with it by the kernel.
    pub tmp_bytes: u64,
    /// Processes and threads.
    pub pids_max: u32,
    /// CPU weight, where 1024 is one vCPU.
    pub cpu_shares: u64,
}

/// The control group of one environment: a folder per controller, the same one with version 2.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub version: u8,
    pub memory: Option<PathBuf>,
    pub cpu: Option<PathBuf>,
    pub pids: Option<PathBuf>,
    pub freezer: Option<PathBuf>,
}

impl Group {
    /// Makes the folders.
    pub(crate) fn create(&self) -> io::Result<()> {
        self.dirs().into_iter().try_for_each(fs::create_dir_all)
    }

    /// Writes the limits.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        let hard = (limits.memory_bytes + limits.tmp_bytes).to_string();
        if let Some(memory) = &self.memory {
            if self.version == 1 {
                fs::write(memory.join("memory.limit_in_bytes"), &hard)?;
                // Absent when swap is not accounted; then swap is not limited either.
                let _ = fs::write(memory.join("memory.memsw.limit_in_bytes"), &hard);
            } else {
                fs::write(memory.join("memory.max"), &hard)?;
                let _ = fs::write(memory.join("memory.swap.max"), "0");
                let _ = fs::write(memory.join("memory.oom.group"), "0");
            }
        }
        if let Some(pids) = &self.pids {
            fs::write(pids.join("pids.max"), limits.pids_max.to_string())?;
        }
        if let Some(cpu) = &self.cpu {
            let (file, value) = match self.version {
                1 => ("cpu.shares", limits.cpu_shares.max(2)),
                _ => ("cpu.weight", (limits.cpu_shares * 100 / 1024).clamp(1, 10_000)),
            };
            fs::write(cpu.join(file), value.to_string())?;
        }
        Ok(())
    }

    /// The files to which a process writes `0` to enter. With version 1 this is cheaper than being moved from
    /// outside, which waits for a grace period; with version 2 being born inside is ([`Group::cradle`]).
    pub(crate) fn entrances(&self) -> io::Result<Vec<fs::File>> {
        let file = if self.version == 1 { "tasks" } else { "cgroup.procs" };
        self.dirs().into_iter().map(|dir| fs::OpenOptions::new().write(true).open(dir.join(file))).collect()
    }

    /// Version 2: the folder into which a process is born.
    pub(crate) fn cradle(&self) -> io::Result<Option<fs::File>> {
        match (self.version, &self.memory) {
            (2, Some(dir)) => fs::File::open(dir).map(Some),
            _ => Ok(None),
        }
    }

    /// Removes the folders. Its processes must have ended.
    pub(crate) fn remove(&self) {
        for dir in self.dirs() {
            let _ = fs::remove_dir(dir);
        }
    }

    /// How many of its processes the kernel killed for memory.
    pub(crate) fn out_of_memory_kills(&self) -> u64 {
        let file = if self.version == 1 { "memory.oom_control" } else { "memory.events" };
        self.field(file, "oom_kill")
    }

    /// The high-water mark of its memory.
    pub(crate) fn max_memory_bytes(&self) -> u64 {
        let file = if self.version == 1 { "memory.max_usage_in_bytes" } else { "memory.peak" };
        self.number(file)
    }

    /// Memory in use, files in `/tmp` included.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.number(if self.version == 1 { "memory.usage_in_bytes" } else { "memory.current" })
    }

    /// Memory of the processes themselves, without files.
    pub(crate) fn process_memory_bytes(&self) -> u64 {
        self.field("memory.stat", if self.version == 1 { "rss" } else { "anon" })
    }

    /// Stops or continues all its processes; `Ok(false)` when it has no freezer.
    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<bool> {
        let Some(freezer) = &self.freezer else { return Ok(false) };
        if self.version == 1 {
            fs::write(freezer.join("freezer.state"), if frozen { "FROZEN" } else { "THAWED" })?;
        } else {
            fs::write(freezer.join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
        }
        Ok(true)
    }

    /// Version 2: pages its memory out. It may use swap for that, and for nothing else.
    pub(crate) fn page_out(&self) -> io::Result<()> {
        let Some(memory) = &self.memory else { return Ok(()) };
        fs::write(memory.join("memory.swap.max"), "max")?;
        // Fails where less can be paged out than is asked for.
        let reclaimed = fs::write(memory.join("memory.reclaim"), self.memory_bytes().to_string());
        fs::write(memory.join("memory.swap.max"), "0")?;
        reclaimed.or_else(|error| if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) })
    }

    pub(crate) fn memory_file(&self, name: &str) -> Option<PathBuf> {
        self.memory.as_ref().map(|dir| dir.join(name))
    }

    fn dirs(&self) -> Vec<&Path> {
        if self.version == 2 {
            return self.memory.as_deref().into_iter().collect();
        }
        [&self.memory, &self.cpu, &self.pids, &self.freezer].into_iter().filter_map(|dir| dir.as_deref()).collect()
    }

    fn number(&self, file: &str) -> u64 {
        let text = self.memory_file(file).and_then(|path| fs::read_to_string(path).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn field(&self, file: &str, name: &str) -> u64 {
        let text = self.memory_file(file).and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }
}
