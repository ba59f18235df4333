//! Where environments' control groups can be made on this host.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Group;

/// Controllers that are used.
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "pids", "freezer"];
/// The weight of all functions together, per CPU. Kobel's own threads count 1024 and so go first.
const PARENT_CPU_SHARES: usize = 512;
/// How often the processes of a predecessor's group are killed before it is given up on.
const SWEEP_ROUNDS_MAX: usize = 100;

/// A folder of Kobel's own in each controller's tree, below which environments get theirs.
#[derive(Clone, Debug)]
pub(crate) struct Hierarchy {
    parent: Group,
    /// Why controllers are missing.
    pub missing: Vec<String>,
}

struct Mount {
    point: PathBuf,
    version: u8,
    options: String,
}

impl Hierarchy {
    /// Makes a folder `name` in every tree that allows it.
    pub(crate) fn open(name: &str) -> Hierarchy {
        let mounts = mounts(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let has_memory = |mount: &&Mount| mount.version == 1 && has_controller(mount, "memory");
        if mounts.iter().any(|mount| has_memory(&mount)) {
            return Hierarchy::open_v1(&mounts, &own, name);
        }
        Hierarchy::open_v2(&mounts, &own, name)
    }

    fn open_v1(mounts: &[Mount], own: &str, name: &str) -> Hierarchy {
        let mut missing = Vec::new();
        let [memory, cpu, pids, freezer] = CONTROLLERS.map(|controller| {
            let mount = mounts.iter().find(|mount| mount.version == 1 && has_controller(mount, controller));
            let made = match mount {
                None => Err(io::Error::other("the controller is not mounted")),
                Some(mount) => make(&mount.point, &own_path(own, controller), name),
            };
            made.map_err(|error| missing.push(format!("{controller}: {error}"))).ok()
        });
        if let Some(cpu) = &cpu {
            let cpus = std::thread::available_parallelism().map_or(1, usize::from);
            let _ = fs::write(cpu.join("cpu.shares"), (PARENT_CPU_SHARES * cpus).to_string());
        }
        Hierarchy { parent: Group { version: 1, memory, cpu, pids, freezer }, missing }
    }

    fn open_v2(mounts: &[Mount], own: &str, name: &str) -> Hierarchy {
        let mut parent = Group { version: 2, memory: None, cpu: None, pids: None, freezer: None };
        let made = match mounts.iter().find(|mount| mount.version == 2) {
            None => Err(io::Error::other("control groups are not mounted")),
            Some(mount) => make(&mount.point, &own_path(own, ""), name).and_then(delegate),
        };
        match made {
            Err(error) => Hierarchy { parent, missing: vec![format!("memory, cpu, pids: {error}")] },
            Ok(dir) => {
                let _ = fs::write(dir.join("cpu.weight"), "50");
                for slot in [&mut parent.memory, &mut parent.cpu, &mut parent.pids, &mut parent.freezer] {
                    *slot = Some(dir.clone());
                }
                Hierarchy { parent, missing: Vec::new() }
            }
        }
    }

    /// The group of one environment, not made yet; `None` when there is no controller at all.
    pub(crate) fn group(&self, id: &str) -> Option<Group> {
        let below = |dir: &Option<PathBuf>| dir.as_ref().map(|dir| dir.join(id));
        let parent = &self.parent;
        let group = Group {
            version: parent.version,
            memory: below(&parent.memory),
            cpu: below(&parent.cpu),
            pids: below(&parent.pids),
            freezer: below(&parent.freezer),
        };
        (!group.dirs().is_empty()).then_some(group)
    }

    /// Which controllers are in use, in the order memory, cpu, pids, freezer.
    pub(crate) fn controllers(&self) -> [bool; 4] {
        let parent = &self.parent;
        [&parent.memory, &parent.cpu, &parent.pids, &parent.freezer].map(Option::is_some)
    }

    pub(crate) fn version(&self) -> u8 {
        self.parent.version
    }

    /// Kills what a killed predecessor left in its groups, and removes them.
    pub(crate) fn sweep(&self) {
        let parent = &self.parent;
        for state in children(parent.freezer.as_deref()) {
            let _ = fs::write(state.join("freezer.state"), "THAWED");
            let _ = fs::write(state.join("cgroup.freeze"), "0");
        }
        for dir in parent.dirs().into_iter().flat_map(|dir| children(Some(dir))) {
            for _ in 0..SWEEP_ROUNDS_MAX {
                if fs::remove_dir(&dir).is_ok() || !dir.exists() {
                    break;
                }
                kill_all(&dir);
                std::thread::yield_now();
            }
        }
    }

    /// Removes Kobel's own folders, when no environment is left.
    pub(crate) fn remove(&self) {
        self.parent.remove();
    }
}

fn kill_all(dir: &Path) {
    let pids = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    for pid in pids.lines().filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?)) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn children(dir: Option<&Path>) -> Vec<PathBuf> {
    let entries = dir.and_then(|dir| fs::read_dir(dir).ok());
    entries.into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// At the top of the tree, which root may use; else below the group that this process is in.
fn make(point: &Path, own: &str, name: &str) -> io::Result<PathBuf> {
    let own_dir = point.join(own.trim_start_matches('/'));
    let mut last = io::Error::other("no folder to try");
    for parent in [point.to_path_buf(), own_dir] {
        let dir = parent.join(name);
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_writable(&dir) => return Ok(dir),
            Err(error) => last = io::Error::new(error.kind(), format!("{}: {error}", dir.display())),
        }
    }
    Err(last)
}

fn is_writable(dir: &Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Lets children of `dir` have the controllers.
fn delegate(dir: PathBuf) -> io::Result<PathBuf> {
    let wanted = "+memory +pids +cpu";
    let parent = dir.parent().unwrap_or(&dir).join("cgroup.subtree_control");
    // Often they are enabled there already; the second write tells.
    let _ = fs::write(parent, wanted);
    let delegated = fs::write(dir.join("cgroup.subtree_control"), wanted);
    if let Err(error) = delegated {
        let _ = fs::remove_dir(&dir);
        return Err(io::Error::new(error.kind(), format!("controllers are not delegated to `{}`", dir.display())));
    }
    Ok(dir)
}

fn has_controller(mount: &Mount, controller: &str) -> bool {
    mount.options.split(',').any(|option| option == controller)
}

/// The group of this process for a controller, from `/proc/self/cgroup`.
fn own_path(own: &str, controller: &str) -> String {
    let matching = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next()?, fields.next()?);
        names.split(',').any(|name| name == controller).then(|| path.to_owned())
    });
    matching.unwrap_or_else(|| "/".to_owned())
}

fn mounts(mountinfo: &str) -> Vec<Mount> {
    let parse = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let version = match after.next()? {
            "cgroup" => 1,
            "cgroup2" => 2,
            _ => return None,
        };
        let options = after.nth(1)?.to_owned();
        Some(Mount { point: before.split(' ').nth(4)?.into(), version, options })
    };
    mountinfo.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_trees_and_the_own_group() {
        let info = "30 23 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                    31 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                    32 23 0:28 / /proc rw - proc proc rw";
        let found = mounts(info);
        assert_eq!(found.len(), 2);
        assert!(has_controller(&found[0], "memory") && !has_controller(&found[0], "cpu"));
        assert_eq!(found[1].version, 2);
        let own = "4:memory:/a/b\n1:cpu,cpuacct:/\n0::/c";
        assert_eq!(own_path(own, "memory"), "/a/b");
        assert_eq!(own_path(own, "cpuacct"), "/");
        assert_eq!(own_path(own, ""), "/c");
    }
}
