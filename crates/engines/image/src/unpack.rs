//! Makes a folder of a layer's archive, and of what it removes from the layers below a list.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use tar::{Entry, EntryType};

use crate::Error;

/// The most that all layers of an image may hold, in bytes, as on Lambda.
pub const UNPACKED_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;
/// The most entries of all layers of an image.
const ENTRIES_MAX: u64 = 1_000_000;
/// The longest path in a layer, in bytes; it leaves room for the folder that the layer lies in.
const PATH_BYTES_MAX: usize = 2_048;
/// The longest target of a symbolic link, in bytes.
const LINK_BYTES_MAX: usize = 4_095;
/// The largest header of an entry whose name or size does not fit into the ordinary one, in bytes.
const EXTENSION_BYTES_MAX: u64 = 64 * 1024;

/// `.wh.NAME` removes NAME of the layers below; this one removes all of a folder.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What is left of the limits, over all layers of an image.
#[derive(Debug)]
pub(crate) struct Room {
    pub bytes: u64,
    pub entries: u64,
}

impl Room {
    pub(crate) fn new() -> Room {
        Room { bytes: UNPACKED_BYTES_MAX, entries: ENTRIES_MAX }
    }

    /// For a layer that is there already.
    pub(crate) fn take(&mut self, unpacked: &Unpacked) -> Result<(), Error> {
        self.take_entries(unpacked.entries)?;
        self.take_bytes(unpacked.bytes)
    }

    fn take_entries(&mut self, entries: u64) -> Result<(), Error> {
        let reason = || Error::TooLarge { reason: format!("it has more than {ENTRIES_MAX} files and folders") };
        self.entries = self.entries.checked_sub(entries).ok_or_else(reason)?;
        Ok(())
    }

    fn take_bytes(&mut self, bytes: u64) -> Result<(), Error> {
        let reason = || Error::TooLarge { reason: format!("its layers hold more than {UNPACKED_BYTES_MAX} bytes") };
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(reason)?;
        Ok(())
    }
}

/// What a layer takes away from those below.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removals {
    /// Files and folders.
    pub removed: BTreeSet<PathBuf>,
    /// Folders whose contents are gone.
    pub emptied: BTreeSet<PathBuf>,
}

/// A layer that was unpacked.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Unpacked {
    pub removals: Removals,
    /// What its files hold, in bytes.
    pub bytes: u64,
    pub entries: u64,
}

/// Unpacks `layer`, a plain tar, into the existing empty folder `root`.
pub(crate) fn unpack(layer: impl Read, root: &Path, room: &mut Room) -> Result<Unpacked, Error> {
    let (bytes, entries) = (room.bytes, room.entries);
    let mut archive = tar::Archive::new(layer);
    let mut removals = Removals::default();
    let mut extension = Extension::default();
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        if extension.read(&mut entry)? {
            continue;
        }
        room.take_entries(1)?;
        let taken = std::mem::take(&mut extension);
        let name = taken.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let link = taken.link.or_else(|| entry.link_name_bytes().map(std::borrow::Cow::into_owned));
        if taken.size.is_some_and(|size| size != entry.size()) {
            return Err(Error::TooLarge { reason: "a file of it is larger than 8 GiB".to_owned() });
        }
        let path = inner_path(Path::new(OsStr::from_bytes(&name))).ok_or_else(|| {
            Error::invalid(format!("the entry `{}` has no place in it", String::from_utf8_lossy(&name)))
        })?;
        if path.as_os_str().is_empty() || removals.note(&path) {
            continue;
        }
        write(&mut entry, root, &path, link.as_deref(), room)?;
    }
    Ok(Unpacked { removals, bytes: bytes - room.bytes, entries: entries - room.entries })
}

impl Removals {
    /// Whether the entry only says what is removed.
    fn note(&mut self, path: &Path) -> bool {
        let Some(name) = path.file_name().map(OsStr::as_bytes) else { return false };
        let folder = path.parent().unwrap_or(Path::new(""));
        if name == OPAQUE {
            self.emptied.insert(folder.to_owned());
        } else if let Some(removed) = name.strip_prefix(WHITEOUT) {
            // `.wh..wh.` are aufs's own files; `.wh.` and `.wh...` name nothing that could be removed.
            if !removed.starts_with(WHITEOUT) && !matches!(removed, b"" | b"." | b"..") {
                self.removed.insert(folder.join(OsStr::from_bytes(removed)));
            }
        } else {
            return false;
        }
        true
    }
}

/// What entries of other types say of the one that follows.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extension {
    /// Whether the entry was such a one.
    fn read<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<bool, Error> {
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => self.path = Some(without_end(contents(entry)?)),
            EntryType::GNULongLink => self.link = Some(without_end(contents(entry)?)),
            EntryType::XHeader => self.read_pax(&contents(entry)?)?,
            // Defaults for all entries: nothing in it concerns us.
            EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read_pax(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for record in tar::PaxExtensions::new(bytes) {
            let record = record.map_err(broken)?;
            match record.key_bytes() {
                b"path" => self.path = Some(record.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(record.value_bytes().to_vec()),
                b"size" => self.size = record.value().ok().and_then(|size| size.parse().ok()),
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(Error::invalid("a layer has sparse files, which layers do not have"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn contents<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, Error> {
    if entry.size() > EXTENSION_BYTES_MAX {
        let reason = format!("an entry of it has a header of more than {EXTENSION_BYTES_MAX} bytes");
        return Err(Error::TooLarge { reason });
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(broken)?;
    Ok(bytes)
}

fn without_end(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}

/// The place below the root that a name in an archive means; empty for the root. None if it leads out.
pub(crate) fn inner_path(name: &Path) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    (path.as_os_str().len() <= PATH_BYTES_MAX && !name.as_os_str().as_bytes().contains(&0)).then_some(path)
}

fn write<R: Read>(
    entry: &mut Entry<'_, R>,
    root: &Path,
    path: &Path,
    link: Option<&[u8]>,
    room: &mut Room,
) -> Result<(), Error> {
    let target = root.join(path);
    if let Some(folder) = path.parent() {
        make_folders(root, folder)?;
    }
    let link = || link.ok_or_else(|| Error::invalid(format!("the link `{}` leads nowhere", path.display())));
    match entry.header().entry_type() {
        EntryType::Directory => make_folders(root, path),
        EntryType::Regular | EntryType::Continuous => {
            make_way(&target)?;
            write_file(entry, &target, room)
        }
        EntryType::Symlink => {
            let link = link()?;
            if link.len() > LINK_BYTES_MAX || link.contains(&0) || link.is_empty() {
                return Err(Error::invalid(format!("the link `{}` leads nowhere", path.display())));
            }
            make_way(&target)?;
            symlink(OsStr::from_bytes(link), &target).map_err(Error::io("make the link", &target))
        }
        EntryType::Link => write_hard_link(root, path, &target, link()?),
        // A function could not open devices anyway, and has a `/dev` of its own. Pipes are nobody's.
        EntryType::Char | EntryType::Block | EntryType::Fifo => Ok(()),
        other => Err(Error::invalid(format!("the entry `{}` is of the unknown type {other:?}", path.display()))),
    }
}

/// A further name of a file of the same layer.
fn write_hard_link(root: &Path, path: &Path, target: &Path, link: &[u8]) -> Result<(), Error> {
    let wrong = || {
        let link = String::from_utf8_lossy(link);
        Error::invalid(format!("the hard link `{}` leads to `{link}`, which is no file of its layer", path.display()))
    };
    let original = inner_path(Path::new(OsStr::from_bytes(link))).ok_or_else(wrong)?;
    let inside = original.parent().is_none_or(|folder| is_folder(root, folder));
    let original = root.join(original);
    let is_file = fs::symlink_metadata(&original).is_ok_and(|meta| meta.is_file() || meta.is_symlink());
    if !inside || !is_file {
        return Err(wrong());
    }
    if original == target {
        return Ok(());
    }
    make_way(target)?;
    fs::hard_link(&original, target).map_err(Error::io("link", target))
}

/// All may read what an image holds, and execute what is executable: the function's user is none of the image's.
/// Nothing runs as another user than it.
fn write_file<R: Read>(entry: &mut Entry<'_, R>, target: &Path, room: &mut Room) -> Result<(), Error> {
    room.take_bytes(entry.size())?;
    let mut file = File::create_new(target).map_err(Error::io("create", target))?;
    let expected = entry.size();
    let written = copy(entry, &mut file, target)?;
    if written != expected {
        return Err(Error::invalid(format!("a layer ends within `{}`", target.display())));
    }
    let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
    let mode = fs::Permissions::from_mode(if executable { 0o555 } else { 0o444 });
    file.set_permissions(mode).map_err(Error::io("set the mode of", target))
}

/// Copies, telling a damaged layer from a full disk.
fn copy(from: &mut impl Read, file: &mut File, path: &Path) -> Result<u64, Error> {
    let mut buffer = vec![0; 128 * 1024];
    let mut written = 0;
    loop {
        let count = from.read(&mut buffer).map_err(broken)?;
        if count == 0 {
            return Ok(written);
        }
        io::Write::write_all(file, &buffer[..count]).map_err(Error::io("write", path))?;
        written += count as u64;
    }
}

/// Makes a folder and those above it, none of them through a link.
fn make_folders(root: &Path, folder: &Path) -> Result<(), Error> {
    let mut path = root.to_owned();
    for part in folder.components() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => {
                let reason = format!("`{}` of a layer is a folder and something else", folder.display());
                return Err(Error::Invalid { reason });
            }
            Err(_) => make_folder(&path)?,
        }
    }
    Ok(())
}

/// A folder that all may look into, whatever the mask of this process.
pub(crate) fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir(path).map_err(Error::io("create", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(Error::io("set the mode of", path))
}

/// Whether a path leads to a folder without going through a link.
fn is_folder(root: &Path, folder: &Path) -> bool {
    let mut path = root.to_owned();
    folder.components().all(|part| {
        path.push(part);
        fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir())
    })
}

/// A later entry takes the place of a file or link, never that of a folder.
fn make_way(target: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(target) {
        Ok(meta) if meta.is_dir() => {
            Err(Error::invalid(format!("`{}` of a layer is a folder and something else", target.display())))
        }
        Ok(_) => fs::remove_file(target).map_err(Error::io("replace", target)),
        Err(_) => Ok(()),
    }
}

fn broken(error: io::Error) -> Error {
    Error::invalid(format!("a layer cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
