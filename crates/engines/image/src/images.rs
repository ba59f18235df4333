//! The images that were brought in: layers and merged roots, in folders named by their digests.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::Hashing;
use crate::document::Config;
use crate::merge::{Layer, merge};
use crate::source::{self, Blob, Source};
use crate::unpack::{Room, Unpacked, make_folder, unpack};
use crate::{Digest, Error, Reference, decompress};

/// The files of a layer or image, and what is known of it.
const FILES: &str = "files";
const UNPACKED: &str = "layer.json";
const RECORD: &str = "image.json";

/// See the crate's documentation. All its functions block.
///
/// Several processes may use one folder: who brings an image in holds a lock that keeps others from collecting.
pub struct Images {
    folder: PathBuf,
    held: Mutex<HashMap<Digest, Weak<Image>>>,
}

/// An image that is there. Its files stay as long as somebody holds it.
#[derive(Debug)]
pub struct Image {
    /// Of its manifest; of its configuration where an archive has no manifest.
    pub digest: Digest,
    /// Its files, as they are to be seen at `/`.
    pub root: PathBuf,
    /// What it runs.
    pub config: Config,
}

/// A file for an archive that is on its way here. It is deleted in the end.
pub struct Spool {
    file: tempfile::NamedTempFile,
    /// Keeps others from clearing away what is half-done.
    _together: File,
}

impl Spool {
    /// Where to write.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

/// What is kept beside an image's files.
#[derive(Serialize, Deserialize)]
struct Record {
    config: Config,
    /// The plain digests of its layers.
    layers: Vec<String>,
}

/// A layer that is there, or new and not yet under its final name.
struct Staged {
    layer: Layer,
    new: Option<New>,
}

/// A whole folder and the name that it shall have.
struct New {
    aside: tempfile::TempDir,
    place: PathBuf,
}

impl Images {
    /// The images in a folder, which is made if it is not there. What a killed process left half-done is removed.
    pub fn open(folder: PathBuf) -> Result<Images, Error> {
        let images = Images { folder, held: Mutex::default() };
        for folder in [images.layers(), images.roots(), images.aside()] {
            fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        }
        if let Some(_alone) = images.lock_alone()? {
            empty(&images.aside())?;
        }
        Ok(images)
    }

    /// Brings in the image for this machine, or what of it is not there yet.
    pub fn pull(&self, reference: &Reference) -> Result<Arc<Image>, Error> {
        let _together = self.lock_together()?;
        let source = source::of(reference, &self.aside())?;
        let found = source.find()?;
        if let Some(image) = self.get(&found.digest)? {
            return Ok(image);
        }
        let layers = found.config.layers(found.layers.len())?;
        let config = found.config.into_config()?;
        let mut room = Room::new();
        let staged = found.layers.iter().zip(&layers);
        let staged = staged.map(|(blob, digest)| self.bring_layer(source.as_ref(), blob, digest, &mut room));
        let staged = staged.collect::<Result<Vec<_>, Error>>()?;
        let record = Record { config, layers: layers.iter().map(Digest::to_string).collect() };
        let root = self.merge(&staged, &record)?;
        self.sync()?;
        for layer in staged.into_iter().filter_map(|staged| staged.new) {
            layer.settle()?;
        }
        New { aside: root, place: self.roots().join(found.digest.hex()) }.settle()?;
        let missing = || Error::Missing { image: reference.to_string(), reason: "it was removed at once".to_owned() };
        self.get(&found.digest)?.ok_or_else(missing)
    }

    /// A file beside the images, to bring an archive in from elsewhere.
    pub fn spool(&self) -> Result<Spool, Error> {
        let together = self.lock_together()?;
        let file = tempfile::NamedTempFile::new_in(self.aside()).map_err(Error::io("write into", &self.aside()))?;
        Ok(Spool { file, _together: together })
    }

    /// All images that are there.
    pub fn all(&self) -> Result<HashSet<Digest>, Error> {
        Ok(names(&self.roots())?.into_iter().collect())
    }

    /// An image that is there.
    pub fn get(&self, digest: &Digest) -> Result<Option<Arc<Image>>, Error> {
        let mut held = self.held();
        if let Some(image) = held.get(digest).and_then(Weak::upgrade) {
            return Ok(Some(image));
        }
        let folder = self.roots().join(digest.hex());
        if !folder.is_dir() {
            return Ok(None);
        }
        let record: Record = read(&folder.join(RECORD))?;
        let image = Arc::new(Image { digest: digest.clone(), root: folder.join(FILES), config: record.config });
        held.retain(|_, image| image.strong_count() > 0);
        held.insert(digest.clone(), Arc::downgrade(&image));
        Ok(Some(image))
    }

    /// Removes the images that are neither kept nor held, and the layers that no other image has. Tells how many
    /// images are gone. While an image is brought in nothing is removed.
    pub fn collect(&self, kept: &HashSet<Digest>) -> Result<usize, Error> {
        let Some(_alone) = self.lock_alone()? else { return Ok(0) };
        let mut layers = HashSet::new();
        let mut removed = 0;
        for digest in names(&self.roots())? {
            // Held throughout: nobody gets an image that is being removed.
            let held = self.held();
            let is_held = held.get(&digest).is_some_and(|image| image.strong_count() > 0);
            if is_held || kept.contains(&digest) {
                layers.extend(self.layers_of(&digest)?);
            } else {
                self.set_aside(&self.roots().join(digest.hex()))?;
                removed += 1;
            }
        }
        for digest in names(&self.layers())? {
            if !layers.contains(&digest.to_string()) {
                self.set_aside(&self.layers().join(digest.hex()))?;
            }
        }
        empty(&self.aside())?;
        Ok(removed)
    }

    /// Unpacks a layer, unless it is there.
    fn bring_layer(&self, source: &dyn Source, blob: &Blob, digest: &Digest, room: &mut Room) -> Result<Staged, Error> {
        let place = self.layers().join(digest.hex());
        if place.is_dir() {
            let unpacked: Unpacked = read(&place.join(UNPACKED))?;
            room.take(&unpacked)?;
            return Ok(Staged { layer: Layer { files: place.join(FILES), removals: unpacked.removals }, new: None });
        }
        let aside = self.new_aside()?;
        let files = aside.path().join(FILES);
        make_folder(&files)?;
        let mut stored = Hashing::new(Limited { inner: source.open(blob)?, left: blob.size });
        let plain = decompress::plain(&mut stored).map_err(|error| Error::invalid(format!("a layer: {error}")))?;
        let mut plain = Hashing::new(plain);
        let unpacked = unpack(&mut plain, &files, room)?;
        plain.finish(digest, "a layer")?;
        if let Some(promised) = &blob.digest {
            stored.finish(promised, "a stored layer")?;
        }
        write(&aside.path().join(UNPACKED), &unpacked)?;
        let layer = Layer { files, removals: unpacked.removals };
        Ok(Staged { layer, new: Some(New { aside, place }) })
    }

    /// Makes an image's root of its layers.
    fn merge(&self, layers: &[Staged], record: &Record) -> Result<tempfile::TempDir, Error> {
        let aside = self.new_aside()?;
        let files = aside.path().join(FILES);
        make_folder(&files)?;
        merge(layers.iter().map(|staged| &staged.layer), &files)?;
        write(&aside.path().join(RECORD), record)?;
        Ok(aside)
    }

    fn layers_of(&self, digest: &Digest) -> Result<Vec<String>, Error> {
        let record: Record = read(&self.roots().join(digest.hex()).join(RECORD))?;
        Ok(record.layers)
    }

    /// What was written is on disk when this returns.
    fn sync(&self) -> Result<(), Error> {
        let folder = File::open(&self.folder).map_err(Error::io("open", &self.folder))?;
        rustix::fs::syncfs(&folder).map_err(|error| Error::io("write", &self.folder)(error.into()))
    }

    fn set_aside(&self, folder: &Path) -> Result<(), Error> {
        let target = self.new_aside()?.keep().join("gone");
        fs::rename(folder, &target).map_err(Error::io("remove", folder))
    }

    fn new_aside(&self) -> Result<tempfile::TempDir, Error> {
        tempfile::tempdir_in(self.aside()).map_err(Error::io("write into", &self.aside()))
    }

    fn lock_together(&self) -> Result<File, Error> {
        let file = self.lock_file()?;
        file.lock_shared().map_err(Error::io("lock", &self.folder))?;
        Ok(file)
    }

    /// Nothing if somebody is bringing an image in.
    fn lock_alone(&self) -> Result<Option<File>, Error> {
        let file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &self.folder)(error)),
        }
    }

    fn lock_file(&self) -> Result<File, Error> {
        let path = self.folder.join("lock");
        File::options().create(true).append(true).open(&path).map_err(Error::io("open", &path))
    }

    fn layers(&self) -> PathBuf {
        self.folder.join("layers")
    }

    fn roots(&self) -> PathBuf {
        self.folder.join("roots")
    }

    fn aside(&self) -> PathBuf {
        self.folder.join("aside")
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Digest, Weak<Image>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digests by which the entries of a folder are named.
fn names(folder: &Path) -> Result<Vec<Digest>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::io("read", folder))?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(|name| format!("sha256:{name}").parse().ok()).collect())
}

fn empty(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))?.flatten() {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

impl New {
    /// Another process may have been faster with the same.
    fn settle(self) -> Result<(), Error> {
        let New { aside, place } = self;
        match fs::rename(aside.path(), &place) {
            Ok(()) => {
                // It has another name by now; under the old one there is nothing to remove.
                let _ = aside.keep();
                Ok(())
            }
            Err(_) if place.is_dir() => Ok(()),
            Err(error) => Err(Error::io("create", &place)(error)),
        }
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T, Error> {
    let bytes = fs::read(file).map_err(Error::io("read", file))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::io("read", file)(error.into()))
}

fn write<T: Serialize>(file: &Path, record: &T) -> Result<(), Error> {
    let bytes = serde_json::to_vec(record).map_err(|error| Error::io("write", file)(error.into()))?;
    fs::write(file, bytes).map_err(Error::io("write", file))
}

/// Ends with an error where there is more than was promised.
struct Limited<R> {
    inner: R,
    left: Option<u64>,
}

impl<R: io::Read> io::Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(left) = &mut self.left {
            let rest = left.checked_sub(count as u64);
            *left = rest.ok_or_else(|| io::Error::other("it is larger than its manifest says"))?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
