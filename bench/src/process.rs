//! What Linux tells of processes in `/proc`.

use std::fs;

/// The memory of a process and all that it started, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Resident; pages that several share count for each.
    pub resident: u64,
    /// Resident; of shared pages only a share.
    pub proportional: u64,
}

/// The memory of a process, its children and theirs.
pub fn memory_of_tree(root: u32) -> Result<Memory, String> {
    let mut memory = Memory::default();
    for process in tree(root) {
        let of = match memory_of(process) {
            Ok(of) => of,
            // A child may have ended meanwhile; the root may not.
            Err(_) if process != root => continue,
            Err(error) => return Err(error),
        };
        memory.resident += of.resident;
        memory.proportional += of.proportional;
    }
    Ok(memory)
}

/// The memory of one process.
pub fn memory_of(process: u32) -> Result<Memory, String> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("failed to read `{path}`: {error}"))?;
    Ok(Memory { resident: kibibytes(&text, "Rss:") * 1024, proportional: kibibytes(&text, "Pss:") * 1024 })
}

/// What the kernel itself holds and cannot give back, on the whole machine, in bytes.
pub fn kernel_memory() -> Result<u64, String> {
    let text =
        fs::read_to_string("/proc/meminfo").map_err(|error| format!("failed to read `/proc/meminfo`: {error}"))?;
    let parts = ["SUnreclaim:", "KernelStack:", "PageTables:", "Percpu:"];
    Ok(parts.iter().map(|part| kibibytes(&text, part) * 1024).sum())
}

fn kibibytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        found.extend(children(found[next]));
        next += 1;
    }
    found
}

/// Every thread of a process has children of its own.
pub fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}
