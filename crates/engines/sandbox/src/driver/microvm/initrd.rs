//! The guest's first files: its init and the kernel's modules, as an archive that the kernel unpacks (cpio, newc).

use std::io;
use std::path::{Path, PathBuf};

use super::kernel::Kernel;

/// Compiled by `build.rs`; empty where the C library cannot be linked statically.
const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest-init"));
const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_755;

/// A host's folder as guests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Shared under this tag.
    Share(&'static str),
    /// A symbolic link, as on the host.
    Link(&'static str, PathBuf),
}

/// The archive. What the init is to do stands in its file `plan`, a step a line.
pub(super) fn archive(kernel: &Kernel, shown: &[Shown]) -> io::Result<Vec<u8>> {
    if INIT.is_empty() {
        let reason = "this Kobel was built without a static C library, and so without the init of guests";
        return Err(io::Error::other(reason));
    }
    let mut archive = Archive::default();
    let mut plan = String::new();
    archive.entry("dev", FOLDER, &[]);
    archive.entry("init", FILE, INIT);
    for (number, module) in kernel.modules.iter().enumerate() {
        let name = module.file_name().and_then(|name| name.to_str()).unwrap_or("module.ko");
        let name = format!("{number}-{name}");
        archive.entry(&name, FILE, &std::fs::read(module)?);
        plan.push_str(&format!("module {name}\n"));
    }
    for shown in shown {
        match shown {
            Shown::Share(tag) => plan.push_str(&format!("share {tag}\n")),
            Shown::Link(name, target) => plan.push_str(&format!("link {name} {}\n", target.display())),
        }
    }
    archive.entry("plan", FILE, plan.as_bytes());
    archive.entry("TRAILER!!!", 0, &[]);
    Ok(archive.bytes)
}

/// What of the host's folders guests see; `names` are those at the top.
pub(super) fn shown(names: &[&'static str]) -> Vec<Shown> {
    let look = |name: &&'static str| {
        let path = Path::new("/").join(name);
        let meta = std::fs::symlink_metadata(&path).ok()?;
        match meta.is_symlink() {
            true => Some(Shown::Link(name, std::fs::read_link(path).ok()?)),
            false => meta.is_dir().then_some(Shown::Share(name)),
        }
    };
    names.iter().filter_map(look).collect()
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let (links, name_bytes, bytes) = (1, name.len() as u32 + 1, content.len() as u32);
        let fields = [self.entries, mode, 0, 0, links, 0, bytes, 0, 0, 0, 0, name_bytes, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_entries_that_are_aligned() {
        let mut archive = Archive::default();
        archive.entry("a", FILE, b"12345");
        archive.entry("TRAILER!!!", 0, &[]);
        assert_eq!(archive.bytes.len() % 4, 0);
        let header = std::str::from_utf8(&archive.bytes[..110]).unwrap();
        assert_eq!(&header[..14], "07070100000001");
        assert_eq!(&header[54..62], "00000005");
        assert_eq!(&archive.bytes[112..117], b"12345");
        assert_eq!(&archive.bytes[120..126], b"070701");
    }

    #[test]
    fn shows_folders_of_the_host_and_links_as_links() {
        let shown = shown(&["usr", "nothing-here"]);
        assert_eq!(shown, [Shown::Share("usr")]);
    }
}
