//! Bytes too large for rows: object bodies, code packages, large payloads. A blob is written once, never changed,
//! and named by an id that nobody can guess.
//!
//! Invariants: a blob is durable when its id is returned; a writer that is dropped leaves nothing; a blob that no
//! row refers to is swept away at the next start; ids are checked, so that no path can be made from one.

mod disk;
mod error;
mod id;
mod memory;
mod writer;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use base::Entropy;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

pub use error::Error;
pub use id::BlobId;
pub use writer::Writer;

use disk::Disk;
use memory::Memory;

/// A blob's bytes, in chunks.
pub type Chunks = BoxStream<'static, Result<Bytes, Error>>;

/// A store of blobs. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    engine: Engine,
    entropy: Entropy,
}

#[derive(Clone)]
enum Engine {
    Disk(Arc<Disk>),
    Memory(Arc<Memory>),
}

impl Blobs {
    /// Blobs as files below `folder`.
    pub fn open(folder: &Path, entropy: Entropy) -> Result<Blobs, Error> {
        Ok(Blobs { engine: Engine::Disk(Arc::new(Disk::open(folder)?)), entropy })
    }

    /// Blobs in memory, for tests and simulation.
    pub fn memory(entropy: Entropy) -> Blobs {
        Blobs { engine: Engine::Memory(Arc::default()), entropy }
    }

    /// Begins a blob.
    pub async fn writer(&self) -> Result<Writer, Error> {
        let id = BlobId::new(&self.entropy);
        match &self.engine {
            Engine::Disk(disk) => Ok(Writer::disk(disk.clone().begin(id).await?)),
            Engine::Memory(memory) => Ok(Writer::memory(memory.clone(), id)),
        }
    }

    /// Stores `bytes` as a blob.
    pub async fn put(&self, bytes: Bytes) -> Result<BlobId, Error> {
        let mut writer = self.writer().await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// How many bytes the blob has.
    pub async fn length(&self, id: &BlobId) -> Result<u64, Error> {
        match &self.engine {
            Engine::Disk(disk) => disk.length(id).await,
            Engine::Memory(memory) => memory.get(id).map(|bytes| bytes.len() as u64),
        }
    }

    /// The bytes of `range`, or all; a range that reaches past the end stops there.
    pub async fn get(&self, id: &BlobId, range: Option<Range<u64>>) -> Result<Chunks, Error> {
        match &self.engine {
            Engine::Disk(disk) => disk.read(id, range).await,
            Engine::Memory(memory) => memory.read(id, range),
        }
    }

    /// All bytes, if there are at most `bytes_max`.
    pub async fn read(&self, id: &BlobId, bytes_max: usize) -> Result<Bytes, Error> {
        let mut chunks = self.get(id, None).await?;
        let mut whole = BytesMut::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            if whole.len() + chunk.len() > bytes_max {
                return Err(Error::TooLarge { id: id.clone(), bytes_max });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// A new blob of the bytes of several, one after another.
    pub async fn concat(&self, parts: &[BlobId]) -> Result<BlobId, Error> {
        let mut writer = self.writer().await?;
        for part in parts {
            writer.append(part).await?;
        }
        writer.finish().await
    }

    /// Deletes a blob; one that is gone already is deleted.
    pub async fn delete(&self, id: &BlobId) -> Result<(), Error> {
        match &self.engine {
            Engine::Disk(disk) => disk.delete(id).await,
            Engine::Memory(memory) => {
                memory.delete(id);
                Ok(())
            }
        }
    }

    /// Deletes what nobody keeps: blobs whose reference was never committed, and half-written ones. Call it while
    /// nobody writes. Returns how many it deleted.
    pub async fn sweep(&self, keep: impl Fn(&BlobId) -> bool + Send + 'static) -> Result<usize, Error> {
        match &self.engine {
            Engine::Disk(disk) => disk.clone().sweep(keep).await,
            Engine::Memory(memory) => Ok(memory.sweep(keep)),
        }
    }
}

#[cfg(test)]
mod tests;
