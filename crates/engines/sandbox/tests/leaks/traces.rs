//! What environments leave traces in: processes, descriptors, mounts, control groups, namespaces, files, memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

/// How often it is looked again before what is left counts as left.
const LOOKS_MAX: u32 = 20_000;
/// How much server and launcher may grow, in KiB: allocators keep some of what they were given.
const GROWTH_KIB_MAX: u64 = 24 * 1024;
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// What there is, as seen from the server.
#[derive(Debug)]
pub struct Traces {
    counts: BTreeMap<&'static str, usize>,
    memory: Memory,
}

/// Resident memory, in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    server: u64,
    launcher: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server +{} KiB, launcher +{} KiB", self.server, self.launcher)
    }
}

impl Traces {
    /// Waits until the same is seen for a while.
    pub async fn settled(dir: &Path) -> Traces {
        const SAME_MIN: u32 = 200;
        let (mut last, mut same) = (counts(dir), 0);
        for _ in 0..LOOKS_MAX {
            turn().await;
            let now = counts(dir);
            same = if now == last { same + 1 } else { 0 };
            last = now;
            if same == SAME_MIN {
                return Traces { counts: last, memory: memory() };
            }
        }
        panic!("it does not settle: {last:?}");
    }

    /// Waits until there is no more than there was; returns how much memory grew.
    pub async fn compare(&self, dir: &Path) -> Memory {
        for _ in 0..LOOKS_MAX {
            if counts(dir) == self.counts {
                let now = memory();
                let grown = |now: u64, before: u64| {
                    let grown = now.saturating_sub(before);
                    assert!(grown < GROWTH_KIB_MAX, "memory grew by {grown} KiB from {before} KiB");
                    grown
                };
                return Memory {
                    server: grown(now.server, self.memory.server),
                    launcher: grown(now.launcher, self.memory.launcher),
                };
            }
            turn().await;
        }
        panic!("something is left: {:?} before, {:?} after", self.counts, counts(dir));
    }
}

/// Lets others go on; looking costs some milliseconds by itself.
async fn turn() {
    tokio::task::yield_now().await;
}

fn counts(dir: &Path) -> BTreeMap<&'static str, usize> {
    let own = std::process::id();
    let launcher = launcher_of(own).expect("a launcher");
    let tree = descendants(own);
    let entries = |path: String| fs::read_dir(path).map_or(0, Iterator::count);
    let mounts = fs::read_to_string(format!("/proc/{launcher}/mountinfo")).unwrap_or_default();
    BTreeMap::from([
        ("processes", tree.len()),
        ("descriptors of the server", entries("/proc/self/fd".to_owned())),
        ("descriptors of the launcher", entries(format!("/proc/{launcher}/fd"))),
        ("mounts of the launcher", mounts.lines().count()),
        ("namespaces", namespaces(&tree)),
        ("control groups", group_names(&tree).iter().map(|name| groups(name).len()).sum()),
        ("files", files(&dir.join("state"))),
    ])
}

/// The launcher among a server's children.
pub fn launcher_of(server: u32) -> Option<u32> {
    let is_launcher = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains("--kobel-launcher")
    };
    children(server).into_iter().find(is_launcher)
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// All processes below one.
pub fn descendants(root: u32) -> Vec<u32> {
    let mut pids = children(root);
    let mut next = 0;
    while next < pids.len() {
        pids.extend(children(pids[next]));
        next += 1;
    }
    pids
}

/// When a process started, if it runs; a zombie does not.
pub fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18)?.parse().ok())?
}

fn namespaces(pids: &[u32]) -> usize {
    let of = |pid: &u32| fs::read_dir(format!("/proc/{pid}/ns")).into_iter().flatten().flatten();
    pids.iter().flat_map(of).filter_map(|entry| fs::read_link(entry.path()).ok()).collect::<BTreeSet<_>>().len()
}

/// The names of Kobel's own control groups, by the processes that are in them.
pub fn group_names(pids: &[u32]) -> BTreeSet<String> {
    let groups = pids.iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/cgroup")).ok());
    let own = |line: &str| line.split('/').find(|part| part.starts_with("kobel-")).map(str::to_owned);
    groups.flat_map(|text| text.lines().filter_map(own).collect::<Vec<_>>()).collect()
}

/// Folders of Kobel's control group `name`, in every hierarchy, itself included.
pub fn groups(name: &str) -> Vec<std::path::PathBuf> {
    let mut folders = vec![std::path::PathBuf::from(CONTROL_GROUPS)];
    let mut next = 0;
    while next < folders.len() {
        let below = fs::read_dir(&folders[next]).into_iter().flatten().flatten();
        folders
            .extend(below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()));
        next += 1;
    }
    folders.retain(|folder| folder.components().any(|part| part.as_os_str() == name));
    folders
}

pub fn files(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| 1 + if entry.path().is_dir() { files(&entry.path()) } else { 0 }).sum()
}

fn memory() -> Memory {
    let resident = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let own = std::process::id();
    Memory { server: resident(own), launcher: launcher_of(own).map_or(0, resident) }
}
