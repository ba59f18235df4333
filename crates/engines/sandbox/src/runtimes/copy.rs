//! Copies a folder of an interpreter.

use std::fs;
use std::path::{Path, PathBuf};

use super::added::failed;
use crate::Error;

/// The most files and folders of an interpreter.
const ENTRIES_MAX: usize = 500_000;
/// The most that an interpreter holds, in bytes.
const BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;

/// Copies `source` into a new folder of `parent` and gives that one's name, which begins with `name`. Where it cannot
/// be copied whole, nothing is left.
pub(super) fn into_new(source: &Path, parent: &Path, name: &str) -> Result<PathBuf, Error> {
    fs::create_dir_all(parent).map_err(failed("create", parent))?;
    let numbered = (1_u32..).map(|number| format!("{name}-{number}"));
    for folder in numbered {
        let target = parent.join(&folder);
        match fs::create_dir(&target) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            created => created.map_err(failed("create", &target))?,
        }
        let copied = copy(source, &target);
        if copied.is_err() {
            let _ = fs::remove_dir_all(&target);
        }
        return copied.map(|()| folder.into());
    }
    unreachable!("there are more numbers than folders")
}

/// Files, folders, and links as they are. What else there may be is no part of an interpreter.
fn copy(source: &Path, target: &Path) -> Result<(), Error> {
    let mut waiting = vec![(source.to_owned(), target.to_owned())];
    let (mut entries, mut bytes) = (0, 0);
    while let Some((source, target)) = waiting.pop() {
        for entry in fs::read_dir(&source).map_err(failed("read", &source))? {
            let entry = entry.map_err(failed("read", &source))?;
            let (from, to) = (entry.path(), target.join(entry.file_name()));
            let meta = entry.metadata().map_err(failed("read", &from))?;
            entries += 1;
            bytes += if meta.is_file() { meta.len() } else { 0 };
            if entries > ENTRIES_MAX || bytes > BYTES_MAX {
                let limit = format!("it holds more than {ENTRIES_MAX} files or {BYTES_MAX} bytes");
                return Err(failed("copy", &source)(std::io::Error::other(limit)));
            }
            if meta.is_dir() {
                fs::create_dir(&to).map_err(failed("create", &to))?;
                waiting.push((from, to));
            } else if meta.is_symlink() {
                let leads = fs::read_link(&from).map_err(failed("read", &from))?;
                std::os::unix::fs::symlink(leads, &to).map_err(failed("create", &to))?;
            } else if meta.is_file() {
                fs::copy(&from, &to).map_err(failed("copy", &from))?;
            }
        }
    }
    Ok(())
}
