//! Lays layers over each other: one folder of hard links to their files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::Error;
use crate::unpack::{Removals, make_folder};

/// Where an execution environment mounts what is its own. They take the place of whatever the image has there.
const MOUNT_POINTS: [&str; 3] = ["dev", "proc", "tmp"];
/// Where a runtime from an image gets the function's code. An image's own contents stay.
const FOLDERS: [&str; 5] = ["opt", "etc", "var/lang", "var/runtime", "var/task"];
/// What a container engine would write anew for each container. The address is that of the sandbox's gateway.
const FILES: [(&str, &str); 2] = [
    ("etc/hosts", "127.0.0.1 localhost sandbox sandbox.localdomain\n::1 localhost\n192.0.0.1 host.kobel.internal\n"),
    ("etc/resolv.conf", "nameserver 192.0.0.1\n"),
];

/// An unpacked layer.
pub(crate) struct Layer {
    pub files: PathBuf,
    pub removals: Removals,
}

/// Lays `layers`, the lowest first, into the existing empty folder `root`, and adds what environments need.
pub(crate) fn merge<'l>(layers: impl Iterator<Item = &'l Layer>, root: &Path) -> Result<(), Error> {
    for layer in layers {
        remove(root, &layer.removals)?;
        add(root, &layer.files)?;
    }
    for folder in MOUNT_POINTS {
        clear(&root.join(folder))?;
        ensure_folder(&root.join(folder))?;
    }
    for folder in FOLDERS {
        let mut path = root.to_owned();
        for part in Path::new(folder) {
            path.push(part);
            ensure_folder(&path)?;
        }
    }
    for (file, text) in FILES {
        let path = root.join(file);
        // Another inode: the layer's file is shared with other images.
        clear(&path)?;
        fs::write(&path, text).map_err(Error::io("write", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).map_err(Error::io("set the mode of", &path))?;
    }
    Ok(())
}

fn remove(root: &Path, removals: &Removals) -> Result<(), Error> {
    for path in &removals.emptied {
        let is_real = |folder: &PathBuf| fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir());
        let Some(folder) = real(root, path).filter(is_real) else { continue };
        for entry in fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            clear(&entry.map_err(Error::io("read", &folder))?.path())?;
        }
    }
    for path in &removals.removed {
        if let Some(path) = real(root, path) {
            clear(&path)?;
        }
    }
    Ok(())
}

/// Where a path of a layer is, if something is there and no link is on the way.
fn real(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut found = root.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        found.push(part);
        if !fs::symlink_metadata(&found).is_ok_and(|meta| meta.is_dir()) {
            return None;
        }
    }
    found = root.join(path);
    fs::symlink_metadata(&found).is_ok().then_some(found)
}

/// Adds a layer's files. A folder joins one that is there; all else takes the place of what is there.
fn add(root: &Path, files: &Path) -> Result<(), Error> {
    for entry in WalkDir::new(files).min_depth(1).follow_links(false) {
        let entry =
            entry.map_err(|error| Error::Io { action: "read", path: files.to_owned(), source: error.into() })?;
        let Ok(inner) = entry.path().strip_prefix(files) else { continue };
        let target = root.join(inner);
        if entry.file_type().is_dir() {
            ensure_folder(&target)?;
        } else {
            clear(&target)?;
            fs::hard_link(entry.path(), &target).map_err(Error::io("link", &target))?;
        }
    }
    Ok(())
}

/// A real folder: a file or link that is there makes way.
fn ensure_folder(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => clear(path)?,
        Err(_) => {}
    }
    make_folder(path)
}

/// Removes what is there, whatever it is.
fn clear(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).map_err(Error::io("remove", path)),
        Ok(_) => fs::remove_file(path).map_err(Error::io("remove", path)),
        Err(_) => Ok(()),
    }
}
