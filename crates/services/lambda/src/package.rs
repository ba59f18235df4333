//! Deployment packages: the archives as blobs, and their unpacked contents in folders named by their digests.
//!
//! Invariants: what was stored can be unpacked; an unpacked folder never changes while it is in use; folders are
//! made from blobs again after a restart, so that no half-written one survives a crash.

mod archive;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use base::Entropy;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blob::{BlobId, Blobs};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::ByteStream;
use wire::checksum::hex;

use crate::error::invalid;
use crate::registry::Package;
pub use archive::{ArchiveError, UNPACKED_BYTES_MAX};

/// The largest archive that is taken at all, in bytes: what it holds cannot be larger than this either.
const ARCHIVE_BYTES_MAX: u64 = UNPACKED_BYTES_MAX;
/// How many bytes of an archive are copied at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// See the module's documentation.
pub struct Packages {
    blobs: Blobs,
    entropy: Entropy,
    folder: PathBuf,
    /// By digest: the unpacked packages, and one lock each for whoever unpacks.
    places: Mutex<HashMap<String, Arc<Place>>>,
}

#[derive(Default)]
struct Place {
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    code: Weak<Code>,
    /// The size of what is unpacked, in bytes.
    unpacked: u64,
}

/// An unpacked package. Its folder stays as long as somebody holds it.
#[derive(Debug)]
pub struct Code {
    path: PathBuf,
}

impl Code {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Why a package could not be stored or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("failed to read or write the package's blob: {0}")]
    Blob(#[from] blob::Error),
    #[error("failed to write `{path}`: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// The source of the archive failed.
    #[error("{0}")]
    Source(wire::Error),
}

impl From<Error> for wire::Error {
    /// What is wrong with the archive, in AWS's words; all else is Kobel's fault.
    fn from(error: Error) -> wire::Error {
        match error {
            Error::Archive(ArchiveError::Empty) => invalid("Uploaded file must be a non-empty zip"),
            Error::Archive(ArchiveError::TooLarge) => {
                invalid(format!("Unzipped size must be smaller than {UNPACKED_BYTES_MAX} bytes"))
            }
            Error::Archive(ArchiveError::Corrupt { reason }) => {
                tracing::info!(%reason, "refused a deployment package");
                invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
            }
            Error::Source(error) => error,
            other => wire::Error::internal(other),
        }
    }
}

impl Packages {
    /// Packages whose archives are in `blobs`, unpacked below `folder`, which is emptied.
    pub fn open(blobs: Blobs, entropy: Entropy, folder: PathBuf) -> Result<Packages, Error> {
        let failed = |source| Error::Io { path: folder.clone(), source };
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => std::fs::create_dir_all(&folder).map_err(failed)?,
        }
        Ok(Packages { blobs, entropy, folder, places: Mutex::default() })
    }

    /// Checks an archive by unpacking it, and stores it. The package is nobody's until a version refers to it.
    pub async fn store(&self, archive: ByteStream) -> Result<Package, Error> {
        let spool = self.spool(archive).await?;
        let unpacked = self.unpack_once(&spool).await?;
        let blob = self.store_blob(&spool).await?.as_str().to_owned();
        Ok(Package { sha256: STANDARD.encode(spool.digest), size: spool.size, blob, unpacked })
    }

    /// Checks an archive as [`Packages::store`] does, and keeps nothing.
    pub async fn check(&self, archive: ByteStream) -> Result<Package, Error> {
        let spool = self.spool(archive).await?;
        let unpacked = self.unpack_once(&spool).await?;
        Ok(Package { sha256: STANDARD.encode(spool.digest), size: spool.size, blob: String::new(), unpacked })
    }

    /// The unpacked package, made from its archive if it is not there.
    pub async fn unpacked(&self, package: &Package) -> Result<Arc<Code>, Error> {
        let digest = package.digest();
        let place = self.place(&digest);
        let mut held = place.state.lock().await;
        if let Some(code) = held.code.upgrade() {
            return Ok(code);
        }
        let path = self.folder.join(&digest);
        if !path.is_dir() {
            let spool = self.spool(self.archive(package).await?).await?;
            held.unpacked = self.unpack(&spool, &path).await?;
        }
        let code = Arc::new(Code { path });
        held.code = Arc::downgrade(&code);
        Ok(code)
    }

    /// The archive's bytes.
    pub async fn archive(&self, package: &Package) -> Result<ByteStream, Error> {
        let id: BlobId = package.blob.parse()?;
        let chunks = self.blobs.get(&id, None).await?;
        Ok(ByteStream::new(chunks.map(|chunk| chunk.map_err(wire::Error::internal)), Some(package.size)))
    }

    /// Deletes the archives of `dropped` to which none of `kept` refers, and what is unpacked, unused and not kept.
    pub async fn collect(&self, dropped: &[&Package], kept: &[&Package]) {
        let blobs: HashSet<&str> = kept.iter().map(|package| package.blob.as_str()).collect();
        for package in dropped.iter().filter(|package| !blobs.contains(package.blob.as_str())) {
            let Ok(id) = package.blob.parse::<BlobId>() else { continue };
            if let Err(error) = self.blobs.delete(&id).await {
                tracing::warn!(%error, "failed to delete a package's archive");
            }
        }
        self.clear(kept, |_| true).await;
    }

    /// Deletes what was held once, is held by nobody any more, and is of none of the packages `kept`. What was just
    /// stored, and nothing refers to yet, stays.
    pub async fn collect_used(&self, kept: &[&Package]) {
        self.clear(kept, |state| !Weak::ptr_eq(&state.code, &Weak::new())).await;
    }

    /// Deletes what is unpacked, unused, not kept and `unwanted`.
    async fn clear(&self, kept: &[&Package], unwanted: impl Fn(&State) -> bool) {
        let digests: HashSet<String> = kept.iter().map(|package| package.digest()).collect();
        let places: Vec<(String, Arc<Place>)> =
            self.lock().iter().map(|(digest, place)| (digest.clone(), place.clone())).collect();
        for (digest, place) in places.into_iter().filter(|(digest, _)| !digests.contains(digest)) {
            let held = place.state.lock().await;
            if held.code.strong_count() > 0 || !unwanted(&held) {
                continue;
            }
            remove(self.folder.join(&digest)).await;
            drop(held);
            // Only this function and the map know the place, unless somebody waits to unpack anew.
            let mut places = self.lock();
            if Arc::strong_count(&place) == 2 {
                places.remove(&digest);
            }
        }
    }

    /// Unpacks a new archive, unless it is there; gives the size of what it holds, in bytes.
    async fn unpack_once(&self, spool: &Spool) -> Result<u64, Error> {
        let digest = hex(&spool.digest);
        let place = self.place(&digest);
        let mut held = place.state.lock().await;
        let path = self.folder.join(&digest);
        if !path.is_dir() {
            held.unpacked = self.unpack(spool, &path).await?;
        }
        Ok(held.unpacked)
    }

    /// Unpacks into a folder aside, and moves it to its place when it is whole; gives the size of what it holds.
    async fn unpack(&self, spool: &Spool, path: &Path) -> Result<u64, Error> {
        let failed = |path: &Path, source| Error::Io { path: path.to_owned(), source };
        let file = spool.open().await?.into_std().await;
        let aside = self.folder.join(format!(".{}", self.entropy.uuid()));
        let into = aside.clone();
        let unpacked = tokio::task::spawn_blocking(move || archive::unpack(file, &into)).await;
        let unpacked = unpacked.map_err(|error| failed(&aside, io::Error::other(error)))?;
        let bytes = match unpacked {
            Ok(bytes) => bytes,
            Err(error) => {
                remove(aside).await;
                return Err(error.into());
            }
        };
        tokio::fs::rename(&aside, path).await.map_err(|source| failed(path, source))?;
        Ok(bytes)
    }

    /// Writes the archive to a file, which a reader of archives needs, and takes its digest.
    async fn spool(&self, mut archive: ByteStream) -> Result<Spool, Error> {
        let path = self.folder.join(format!(".{}.zip", self.entropy.uuid()));
        let failed = |source| Error::Io { path: path.clone(), source };
        let mut file = tokio::fs::File::create(&path).await.map_err(failed)?;
        let mut spool = Spool { path: path.clone(), digest: [0; 32], size: 0 };
        let mut digest = Sha256::new();
        while let Some(chunk) = archive.chunk().await {
            let chunk = chunk.map_err(Error::Source)?;
            spool.size += chunk.len() as u64;
            if spool.size > ARCHIVE_BYTES_MAX {
                return Err(ArchiveError::TooLarge.into());
            }
            digest.update(&chunk);
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        spool.digest = digest.finalize().into();
        Ok(spool)
    }

    async fn store_blob(&self, spool: &Spool) -> Result<BlobId, Error> {
        let mut file = spool.open().await?;
        let mut writer = self.blobs.writer().await?;
        loop {
            let mut chunk = bytes::BytesMut::with_capacity(CHUNK_BYTES);
            let read = file.read_buf(&mut chunk).await;
            if read.map_err(|source| Error::Io { path: spool.path.clone(), source })? == 0 {
                return Ok(writer.finish().await?);
            }
            writer.write(chunk.freeze()).await?;
        }
    }

    fn place(&self, digest: &str) -> Arc<Place> {
        self.lock().entry(digest.to_owned()).or_default().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An archive in a file, which is deleted in the end.
struct Spool {
    path: PathBuf,
    digest: [u8; 32],
    size: u64,
}

impl Spool {
    async fn open(&self) -> Result<tokio::fs::File, Error> {
        tokio::fs::File::open(&self.path).await.map_err(|source| Error::Io { path: self.path.clone(), source })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What cannot be deleted now is deleted with the whole folder at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn remove(folder: PathBuf) {
    match tokio::fs::remove_dir_all(&folder).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, folder = %folder.display(), "failed to delete an unpacked package");
        }
        _ => {}
    }
}
