use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::{StreamExt, stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom};

use crate::{BlobId, Chunks, Error};

const CHUNK_BYTES: u64 = 128 * 1024;

/// Files, named by their ids, spread over 256 folders; what is being written lies in a folder of its own.
pub(crate) struct Disk {
    folder: PathBuf,
}

/// A file that is being written.
pub(crate) struct Draft {
    disk: Arc<Disk>,
    id: BlobId,
    /// Absent once finished.
    file: Option<File>,
}

impl Disk {
    pub(crate) fn open(folder: &Path) -> Result<Disk, Error> {
        let disk = Disk { folder: folder.to_owned() };
        let drafts = disk.folder.join("drafts");
        fs::create_dir_all(&drafts).map_err(|source| Error::Io { path: drafts, source })?;
        Ok(disk)
    }

    pub(crate) async fn begin(self: Arc<Self>, id: BlobId) -> Result<Draft, Error> {
        let path = self.draft(&id);
        let file = File::create_new(&path).await.map_err(|source| Error::Io { path, source })?;
        Ok(Draft { disk: self, id, file: Some(file) })
    }

    pub(crate) async fn length(&self, id: &BlobId) -> Result<u64, Error> {
        let metadata = tokio::fs::metadata(self.path(id)).await;
        metadata.map(|metadata| metadata.len()).map_err(|source| self.failed(id, source))
    }

    pub(crate) async fn read(&self, id: &BlobId, range: Option<Range<u64>>) -> Result<Chunks, Error> {
        let path = self.path(id);
        let mut file = File::open(&path).await.map_err(|source| self.failed(id, source))?;
        let Range { start, end } = range.unwrap_or(0..u64::MAX);
        if start > 0 {
            file.seek(SeekFrom::Start(start)).await.map_err(|source| self.failed(id, source))?;
        }
        let chunks = stream::try_unfold((file, end.saturating_sub(start), path), |(mut file, left, path)| async move {
            let mut chunk = BytesMut::with_capacity(usize::try_from(left.min(CHUNK_BYTES)).unwrap_or(0));
            if left == 0 {
                return Ok(None);
            }
            let read = (&mut file).take(left.min(CHUNK_BYTES)).read_buf(&mut chunk).await;
            match read {
                Ok(0) => Ok(None),
                Ok(count) => Ok(Some((chunk.freeze(), (file, left - count as u64, path)))),
                Err(source) => Err(Error::Io { path, source }),
            }
        });
        Ok(chunks.boxed())
    }

    pub(crate) async fn delete(&self, id: &BlobId) -> Result<(), Error> {
        match tokio::fs::remove_file(self.path(id)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome.map_err(|source| self.failed(id, source)),
        }
    }

    pub(crate) async fn sweep(
        self: Arc<Self>,
        keep: impl Fn(&BlobId) -> bool + Send + 'static,
    ) -> Result<usize, Error> {
        let folder = self.folder.clone();
        let swept = tokio::task::spawn_blocking(move || sweep(&self.folder, &keep)).await;
        swept.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|source| Error::Io { path: folder, source })
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        self.folder.join(&id.as_str()[..2]).join(id.as_str())
    }

    fn draft(&self, id: &BlobId) -> PathBuf {
        self.folder.join("drafts").join(id.as_str())
    }

    fn failed(&self, id: &BlobId, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::NotFound => Error::Missing { id: id.clone() },
            _ => Error::Io { path: self.path(id), source },
        }
    }
}

impl Draft {
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let file = self.file.as_mut().expect("a draft is open until it is finished");
        file.write_all(bytes).await.map_err(|source| Error::Io { path: self.disk.draft(&self.id), source })
    }

    /// Appends all bytes of a blob, copied by the system.
    pub(crate) async fn append(&mut self, part: &BlobId) -> Result<u64, Error> {
        let file = self.file.as_mut().expect("a draft is open until it is finished");
        file.flush().await.map_err(|source| Error::Io { path: self.disk.draft(&self.id), source })?;
        let to = file.try_clone().await.map_err(|source| Error::Io { path: self.disk.draft(&self.id), source })?;
        let (mut to, from) = (to.into_std().await, self.disk.path(part));
        let copied = tokio::task::spawn_blocking(move || io::copy(&mut fs::File::open(from)?, &mut to)).await;
        copied.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|source| self.disk.failed(part, source))
    }

    /// Syncs the bytes, gives the file its name, and syncs the name. Where that fails, nothing is left.
    pub(crate) async fn finish(mut self) -> Result<BlobId, Error> {
        let draft = self.disk.draft(&self.id);
        let path = self.disk.path(&self.id);
        let failed = |source| Error::Io { path: draft.clone(), source };
        self.file.as_mut().expect("a draft is finished once").flush().await.map_err(failed)?;
        let file = self.file.take().expect("a draft is finished once").into_std().await;
        let from = draft.clone();
        let named = tokio::task::spawn_blocking(move || {
            // Of what fails here, and cannot be removed, the next start sweeps away the rest.
            name(&file, &from, &path).inspect_err(|_| drop(fs::remove_file(&from).or_else(|_| fs::remove_file(&path))))
        });
        named.await.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(failed)?;
        Ok(self.id.clone())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.is_some() {
            // What cannot be removed now is swept away at the next start.
            let _ = fs::remove_file(self.disk.draft(&self.id));
        }
    }
}

/// Makes the bytes of a draft durable, then its name.
fn name(file: &fs::File, from: &Path, to: &Path) -> io::Result<()> {
    file.sync_all()?;
    let folder = to.parent().expect("a blob's path has a folder");
    if !folder.exists() {
        fs::create_dir_all(folder)?;
        sync_folder(folder.parent().expect("the folder of all blobs"))?;
    }
    fs::rename(from, to)?;
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix lets a folder be opened for this.
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

fn sweep(folder: &Path, keep: &dyn Fn(&BlobId) -> bool) -> io::Result<usize> {
    let mut swept = 0;
    for shard in fs::read_dir(folder)? {
        let shard = shard?.path();
        let drafts = shard.file_name().is_some_and(|name| name == "drafts");
        if !shard.is_dir() {
            continue;
        }
        for file in fs::read_dir(&shard)? {
            let file = file?;
            let id = file.file_name().to_str().and_then(|name| name.parse::<BlobId>().ok());
            if id.is_some_and(|id| drafts || !keep(&id)) {
                match fs::remove_file(file.path()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => swept += 1,
                }
            }
        }
    }
    Ok(swept)
}
