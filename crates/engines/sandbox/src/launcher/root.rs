//! The read-only root that all environments share: made once, copied into each.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change, unmount,
};

use super::message::MachineFiles;
use super::sys::{self, NO_DEVICES, NO_SET_UID, READ_ONLY, at};

/// Software of the host. A symbolic link (`/bin`) stays one.
pub(crate) const SOFTWARE: [&str; 7] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// What programs read in `/etc`, none of it secret.
const SETTINGS: [&str; 15] = [
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "fonts",
    "ld.so.cache",
    "localtime",
    "mime.types",
    "os-release",
    "pki",
    "protocols",
    "python3",
    "services",
    "ssl",
    "timezone",
];
/// Settings of a JDK (`java-17-openjdk`) and of Python (`python3.11`), by the start of their names.
const SETTING_PREFIXES: [&str; 2] = ["java-", "python3."];
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Mount points and the folders above them.
const FOLDERS: [&str; 10] =
    ["dev", "etc", "opt", "proc", "tmp", "var", "var/classes", "var/lang", "var/runtime", "var/task"];
const FILES: [(&str, &str); 5] = [
    ("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n"),
    ("etc/group", "root:x:0:\nsbx_user1051:x:990:\n"),
    ("etc/hosts", "127.0.0.1 localhost sandbox sandbox.localdomain\n::1 localhost\n192.0.0.1 host.kobel.internal\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"),
    // The gateway of `network`.
    ("etc/resolv.conf", "nameserver 192.0.0.1\n"),
];
const LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];

/// The assembled root, mounted in the launcher's own mount namespace.
pub(super) struct Root {
    dir: PathBuf,
}

impl Root {
    /// Assembles it at `dir`, an existing folder.
    pub(super) fn assemble(
        dir: &Path,
        runtime_dir: &Path,
        machine: Option<&MachineFiles>,
        as_root: bool,
    ) -> io::Result<Root> {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).map_err(at("make mounts private"))?;
        let options = Some(c"mode=0755,size=4m");
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("kobel", dir, "tmpfs", flags, options).map_err(at("mount a tmpfs"))?;
        for folder in FOLDERS {
            fs::create_dir(dir.join(folder))?;
        }
        for (file, text) in FILES {
            fs::write(dir.join(file), text)?;
        }
        for (link, target) in LINKS {
            std::os::unix::fs::symlink(target, dir.join(link))?;
        }
        for name in SOFTWARE {
            show(&Path::new("/").join(name), &dir.join(name))?;
        }
        show_settings(&dir.join("etc"))?;
        for device in DEVICES {
            let target = dir.join("dev").join(device);
            bind(&Path::new("/dev").join(device), &target, READ_ONLY | NO_SET_UID)?;
        }
        bind(runtime_dir, &dir.join("var/runtime"), READ_ONLY | NO_SET_UID | NO_DEVICES)?;
        if let Some(machine) = machine {
            bind(&machine.dir, &dir.join("var/machine"), READ_ONLY | NO_SET_UID | NO_DEVICES)?;
        }
        if machine.is_some_and(|machine| machine.kvm) {
            show_kvm(dir, as_root)?;
        }
        sys::restrict_mount(dir, READ_ONLY | NO_SET_UID | NO_DEVICES).map_err(at("make the root read-only"))?;
        Ok(Root { dir: dir.to_path_buf() })
    }

    /// A detached copy for one environment.
    pub(super) fn copy(&self) -> io::Result<OwnedFd> {
        sys::copy_tree(&self.dir)
    }

    /// A detached copy of one of its folders, for a root that comes from an image.
    pub(super) fn copy_of(&self, folder: &str) -> io::Result<OwnedFd> {
        sys::copy_tree(&self.dir.join(folder))
    }
}

fn show_settings(etc: &Path) -> io::Result<()> {
    let mut names: Vec<String> = SETTINGS.map(str::to_owned).into();
    for entry in fs::read_dir("/etc")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if SETTING_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            names.push(name);
        }
    }
    for name in names {
        show(&Path::new("/etc").join(&name), &etc.join(&name))?;
    }
    Ok(())
}

/// Shows what the host has at `source`, if it has it.
fn show(source: &Path, target: &Path) -> io::Result<()> {
    let Ok(meta) = fs::symlink_metadata(source) else { return Ok(()) };
    if meta.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(source)?, target);
    }
    bind(source, target, READ_ONLY | NO_SET_UID | NO_DEVICES)
}

/// Shows `/dev/kvm`. With root, environments have users that the host's device is closed to: they get a node of their own.
fn show_kvm(dir: &Path, as_root: bool) -> io::Result<()> {
    let (host, target) = (Path::new("/dev/kvm"), dir.join("dev/kvm"));
    if !as_root {
        return bind(host, &target, READ_ONLY | NO_SET_UID);
    }
    let (nodes, node) = (dir.join("tmp"), dir.join("tmp/kvm"));
    let device = rustix::fs::stat(host)?.st_rdev;
    mount("nodes", &nodes, "tmpfs", MountFlags::NOSUID, Some(c"mode=0700,size=64k")).map_err(at("mount a tmpfs"))?;
    let kind = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(rustix::fs::CWD, &node, kind, rustix::fs::Mode::from_raw_mode(0o666), device)?;
    fs::set_permissions(&node, fs::Permissions::from_mode(0o666))?;
    bind(&node, &target, READ_ONLY | NO_SET_UID)?;
    // What was bound stays.
    unmount(&nodes, UnmountFlags::DETACH).map_err(at("unmount a tmpfs"))
}

fn bind(source: &Path, target: &Path, attributes: u64) -> io::Result<()> {
    if !target.exists() {
        if fs::metadata(source)?.is_dir() { fs::create_dir(target)? } else { fs::write(target, "")? }
    }
    let named = |what: &str, error: io::Error| {
        io::Error::new(error.kind(), format!("failed to {what} `{}`: {error}", source.display()))
    };
    mount_bind_recursive(source, target).map_err(|error| named("bind", error.into()))?;
    sys::restrict_path(target, attributes).map_err(|error| named("restrict", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::GATEWAY_V4;

    #[test]
    fn names_lead_to_the_gateway() {
        let text = |name| FILES.iter().find(|(file, _)| *file == name).unwrap().1;
        assert_eq!(text("etc/resolv.conf"), format!("nameserver {GATEWAY_V4}\n"));
        assert!(text("etc/hosts").contains(&format!("{GATEWAY_V4} host.kobel.internal\n")));
    }
}
