//! Finds files in a tar without unpacking it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::unpack::{UNPACKED_BYTES_MAX, inner_path};
use crate::{Error, decompress};

/// The most files of an archive: layers, and a few documents.
const FILES_MAX: usize = 10_000;

/// The most that a compressed archive holds, in bytes: an image's layers and its documents.
const ARCHIVE_BYTES_MAX: u64 = UNPACKED_BYTES_MAX + 64 * 1024 * 1024;

/// A tar file and where the files in it are.
pub(crate) struct Archive {
    path: PathBuf,
    /// A compressed one is made plain for as long as it is read.
    _plain: Option<tempfile::TempPath>,
    places: HashMap<PathBuf, Place>,
}

enum Place {
    File {
        offset: u64,
        bytes: u64,
    },
    /// Older archives have layers that are links to others.
    Link(PathBuf),
}

impl Archive {
    /// `aside` is where a compressed archive is made plain.
    pub(crate) fn open(path: &Path, aside: &Path) -> Result<Archive, Error> {
        let broken = |error: io::Error| Error::invalid(format!("`{}` is no tar archive: {error}", path.display()));
        let plain = make_plain(path, aside)?;
        let path = plain.as_deref().unwrap_or(path).to_owned();
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let mut archive = tar::Archive::new(file);
        let mut places = HashMap::new();
        // Raw: names longer than a header holds are not among those of a layout, and cost memory.
        for entry in archive.entries_with_seek().map_err(broken)?.raw(true) {
            let entry = entry.map_err(broken)?;
            let name = PathBuf::from(String::from_utf8_lossy(&entry.path_bytes()).into_owned());
            let Some(name) = inner_path(&name) else { continue };
            let place = match entry.header().entry_type() {
                kind if kind.is_file() => Place::File { offset: entry.raw_file_position(), bytes: entry.size() },
                kind if kind.is_symlink() || kind.is_hard_link() => match entry.link_name().map_err(broken)? {
                    Some(target) if kind.is_symlink() => Place::Link(beside(&name, &target)),
                    Some(target) => Place::Link(target.into_owned()),
                    None => continue,
                },
                _ => continue,
            };
            places.insert(name, place);
            if places.len() > FILES_MAX {
                return Err(Error::TooLarge { reason: format!("the archive holds more than {FILES_MAX} files") });
            }
        }
        Ok(Archive { path, _plain: plain, places })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.places.contains_key(Path::new(name))
    }

    /// A file of it.
    pub(crate) fn file(&self, name: &str) -> Result<io::Take<File>, Error> {
        let missing = || Error::invalid(format!("`{}` holds no `{name}`", self.path.display()));
        let wanted = inner_path(Path::new(name)).ok_or_else(missing)?;
        let mut place = self.places.get(&wanted).ok_or_else(missing)?;
        if let Place::Link(target) = place {
            place = self.places.get(target).ok_or_else(missing)?;
        }
        let Place::File { offset, bytes } = place else { return Err(missing()) };
        let mut file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
        file.seek(SeekFrom::Start(*offset)).map_err(Error::io("read", &self.path))?;
        Ok(file.take(*bytes))
    }
}

/// The plain archive, if it is a compressed one.
fn make_plain(path: &Path, aside: &Path) -> Result<Option<tempfile::TempPath>, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    if !decompress::is_compressed(&mut file).map_err(Error::io("read", path))? {
        return Ok(None);
    }
    let mut plain = tempfile::NamedTempFile::new_in(aside).map_err(Error::io("write into", aside))?;
    let reader = decompress::plain(file).map_err(Error::io("read", path))?;
    let copied = io::copy(&mut reader.take(ARCHIVE_BYTES_MAX + 1), plain.as_file_mut());
    let copied = copied.map_err(|error| Error::invalid(format!("`{}` cannot be read: {error}", path.display())))?;
    if copied > ARCHIVE_BYTES_MAX {
        return Err(Error::TooLarge { reason: format!("the archive holds more than {ARCHIVE_BYTES_MAX} bytes") });
    }
    Ok(Some(plain.into_temp_path()))
}

/// Where a link in a tar leads, by its words.
fn beside(link: &Path, target: &Path) -> PathBuf {
    let mut path = link.parent().map(Path::to_path_buf).unwrap_or_default();
    for part in target.components() {
        match part {
            std::path::Component::ParentDir => drop(path.pop()),
            std::path::Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}
