use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::{BlobId, Chunks, Error};

#[derive(Default)]
pub(crate) struct Memory {
    blobs: Mutex<HashMap<BlobId, Bytes>>,
}

impl Memory {
    pub(crate) fn put(&self, id: BlobId, bytes: Bytes) {
        self.lock().insert(id, bytes);
    }

    pub(crate) fn get(&self, id: &BlobId) -> Result<Bytes, Error> {
        self.lock().get(id).cloned().ok_or_else(|| Error::Missing { id: id.clone() })
    }

    pub(crate) fn read(&self, id: &BlobId, range: Option<Range<u64>>) -> Result<Chunks, Error> {
        let bytes = self.get(id)?;
        let bound = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        let part = match range {
            Some(range) => bytes.slice(bound(range.start)..bound(range.end).max(bound(range.start))),
            None => bytes,
        };
        Ok(stream::iter((!part.is_empty()).then_some(Ok(part))).boxed())
    }

    pub(crate) fn delete(&self, id: &BlobId) {
        self.lock().remove(id);
    }

    pub(crate) fn sweep(&self, keep: impl Fn(&BlobId) -> bool) -> usize {
        let mut blobs = self.lock();
        let before = blobs.len();
        blobs.retain(|id, _| keep(id));
        before - blobs.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobId, Bytes>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
