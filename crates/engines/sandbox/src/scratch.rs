//! Folders of plain processes: a private scratch folder, and several layers seen as one.

use std::io;
use std::path::{Path, PathBuf};

/// The most files of several layers that are merged.
const ENTRIES_MAX: usize = 100_000;

/// Makes the folders of one environment under `root`; returns its `tmp` and its `opt`.
pub(crate) fn make(root: &Path, layers: &[PathBuf]) -> io::Result<(PathBuf, PathBuf)> {
    let tmp = root.join("tmp");
    std::fs::create_dir_all(&tmp)?;
    let opt = match layers {
        [single] => single.clone(),
        _ => {
            let opt = root.join("opt");
            std::fs::create_dir_all(&opt)?;
            let mut left = ENTRIES_MAX;
            for layer in layers {
                merge(layer, &opt, &mut left)?;
            }
            opt
        }
    };
    Ok((tmp, opt))
}

/// Links each file of `from` into `to`, replacing what a lower layer put there.
fn merge(from: &Path, to: &Path, left: &mut usize) -> io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        *left = left.checked_sub(1).ok_or_else(|| io::Error::other("layers hold more than 100000 files"))?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir_all(&target)?;
            merge(&entry.path(), &target, left)?;
        } else {
            if target.symlink_metadata().is_ok() {
                std::fs::remove_file(&target)?;
            }
            std::os::unix::fs::symlink(entry.path(), &target)?;
        }
    }
    Ok(())
}
