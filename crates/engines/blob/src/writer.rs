use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::disk::Draft;
use crate::memory::Memory;
use crate::{BlobId, Error};

/// A blob that is being written. Dropped before its end, it leaves nothing.
pub struct Writer {
    target: Target,
    length: u64,
}

enum Target {
    Disk(Draft),
    Memory { memory: Arc<Memory>, id: BlobId, bytes: BytesMut },
}

impl Writer {
    pub(crate) fn disk(draft: Draft) -> Writer {
        Writer { target: Target::Disk(draft), length: 0 }
    }

    pub(crate) fn memory(memory: Arc<Memory>, id: BlobId) -> Writer {
        Writer { target: Target::Memory { memory, id, bytes: BytesMut::new() }, length: 0 }
    }

    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.length += chunk.len() as u64;
        match &mut self.target {
            Target::Disk(draft) => draft.write(&chunk).await,
            Target::Memory { bytes, .. } => {
                bytes.extend_from_slice(&chunk);
                Ok(())
            }
        }
    }

    /// Appends all bytes of another blob.
    pub async fn append(&mut self, part: &BlobId) -> Result<(), Error> {
        self.length += match &mut self.target {
            Target::Disk(draft) => draft.append(part).await?,
            Target::Memory { memory, bytes, .. } => {
                let part = memory.get(part)?;
                bytes.extend_from_slice(&part);
                part.len() as u64
            }
        };
        Ok(())
    }

    /// How many bytes were written so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Makes the blob durable.
    pub async fn finish(self) -> Result<BlobId, Error> {
        match self.target {
            Target::Disk(draft) => draft.finish().await,
            Target::Memory { memory, id, bytes } => {
                memory.put(id.clone(), bytes.freeze());
                Ok(id)
            }
        }
    }
}
