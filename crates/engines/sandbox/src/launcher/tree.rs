//! Detached, read-only copies of folders, to be attached in sandboxes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::sys::{self, NO_DEVICES, NO_SET_UID, READ_ONLY};

/// The merged layers: nothing, a copy of the only one, or an overlay, later ones above.
pub(super) fn layers(layers: &[PathBuf]) -> io::Result<Option<OwnedFd>> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    };
    match layers {
        [] => return Ok(None),
        [single] => return read_only(single).map(Some),
        _ => {}
    }
    // By their descriptors: the kernel takes 256 bytes at most, and what it shows in `mountinfo` tells nothing of the host.
    let open = |path: &PathBuf| {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::open(path, flags, rustix::fs::Mode::empty())
    };
    let opened: Vec<OwnedFd> = layers.iter().rev().map(open).collect::<Result<_, _>>()?;
    let lower: Vec<String> = opened.iter().map(|folder| format!("/proc/self/fd/{}", folder.as_raw_fd())).collect();
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(overlay.as_fd(), "lowerdir", lower.join(":"))?;
    fsconfig_create(overlay.as_fd())?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(Some(fsmount(overlay.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?))
}

/// A copy of one folder.
pub(super) fn read_only(path: &Path) -> io::Result<OwnedFd> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("failed to show `{}`: {error}", path.display()));
    let tree = sys::copy_tree(path).map_err(named)?;
    sys::restrict_tree(tree.as_fd(), READ_ONLY | NO_SET_UID | NO_DEVICES).map_err(named)?;
    Ok(tree)
}
