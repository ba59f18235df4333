use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use blob::BlobId;
use cell::{Cell, Rows, State};
use fabric::Fabric;
use store::Range;
use tokio::sync::{MutexGuard, RwLock};
use wire::{Call, Error};

use crate::bucket::{Bucket, Buckets};
use crate::object::Object;
use crate::{error, operations, resources, uploads};

/// How many keys may be written at once; two keys that share a lock wait for each other.
const KEY_LOCKS: usize = 256;

pub struct S3 {
    pub(crate) fabric: Fabric,
    pub(crate) buckets: Cell<Buckets>,
    open: Mutex<HashMap<String, Arc<OpenBucket>>>,
    /// One bucket is opened at a time: opening one twice would fence the first.
    opening: tokio::sync::Mutex<()>,
    key_locks: Vec<tokio::sync::Mutex<()>>,
}

/// A bucket in use: the cell of its objects.
pub(crate) struct OpenBucket {
    pub(crate) cell: Cell<Paged>,
    /// Writers of objects share it; the deletion of the bucket takes it alone. True once the bucket is deleted.
    pub(crate) gate: RwLock<bool>,
}

/// The state of a bucket's cell: nothing, for its rows are read from the store as needed.
pub(crate) struct Paged;

impl State for Paged {
    const PAGED: &'static [&'static str] = &[""];

    fn load(_: &Rows) -> Result<Paged, String> {
        Ok(Paged)
    }
}

impl S3 {
    pub async fn open(fabric: Fabric) -> Result<Arc<S3>, cell::Error> {
        let buckets = fabric.cells.open("s3/buckets").await?;
        let key_locks = (0..KEY_LOCKS).map(|_| tokio::sync::Mutex::default()).collect();
        Ok(Arc::new(S3 { fabric, buckets, open: Mutex::default(), opening: tokio::sync::Mutex::default(), key_locks }))
    }

    /// Hangs the service in.
    pub fn plug(self: &Arc<Self>) {
        self.fabric.plugs.add_api(operations::api(self.clone()));
        self.fabric.plugs.add_provider(Arc::new(resources::Provider::new(self.clone())));
    }

    /// The bucket, for a caller of its account.
    pub(crate) async fn bucket(&self, call: &Call, name: &str, owner: Option<&str>) -> Result<Arc<Bucket>, Error> {
        let found = self.buckets.read(|buckets| buckets.get(name).cloned()).await.map_err(error::internal)?;
        let bucket = found.ok_or_else(|| error::no_such_bucket(name))?;
        let expected = owner.is_none_or(|owner| owner == bucket.account);
        if bucket.account != call.scope.account.as_str() || !expected {
            return Err(error::access_denied());
        }
        Ok(bucket)
    }

    /// Changes a bucket's record.
    pub(crate) async fn change_bucket(&self, name: &str, change: impl FnOnce(&mut Bucket)) -> Result<(), Error> {
        let changed = self.buckets.apply(|buckets, tx| {
            let Some(bucket) = buckets.get(name) else { return Ok::<_, cell::Error>(false) };
            let mut bucket = Bucket::clone(bucket);
            change(&mut bucket);
            cell::json::put(tx, name, &bucket);
            buckets.put(bucket);
            Ok(true)
        });
        match changed.await.map_err(error::internal)? {
            true => Ok(()),
            false => Err(error::no_such_bucket(name)),
        }
    }

    /// The cell of a bucket's objects, opened at its first use.
    pub(crate) async fn objects_of(&self, bucket: &str) -> Result<Arc<OpenBucket>, Error> {
        if let Some(open) = self.lock_open().get(bucket) {
            return Ok(open.clone());
        }
        let _one = self.opening.lock().await;
        if let Some(open) = self.lock_open().get(bucket) {
            return Ok(open.clone());
        }
        let cell = self.fabric.cells.open(format!("s3/objects/{bucket}")).await.map_err(error::internal)?;
        let opened = Arc::new(OpenBucket { cell, gate: RwLock::new(false) });
        self.lock_open().insert(bucket.to_owned(), opened.clone());
        Ok(opened)
    }

    pub(crate) fn forget(&self, bucket: &str) {
        self.lock_open().remove(bucket);
    }

    /// Held while the object of a key is read and replaced.
    pub(crate) async fn lock_key(&self, bucket: &str, key: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        (bucket, key).hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % KEY_LOCKS as u64).unwrap_or(0);
        self.key_locks[at].lock().await
    }

    /// All blobs to which objects and parts refer.
    pub async fn blob_ids(&self) -> Result<HashSet<BlobId>, Error> {
        let mut ids = HashSet::new();
        let mut from = b"s3/objects/".to_vec();
        let end = Range::end_of_prefix(&from).unwrap_or_default();
        loop {
            let rows = self.fabric.store.range(Range::from(from).to(end.clone())).await.map_err(error::internal)?;
            let Some((last, _)) = rows.last() else { return Ok(ids) };
            from = [last.as_slice(), b"\0"].concat();
            for (key, value) in &rows {
                // `s3/objects/<bucket>/<kind>/…`: a bucket's name has no slash.
                match key.split(|byte| *byte == b'/').nth(3) {
                    Some(b"o") => ids.extend(Object::decode(value)?.blob().cloned()),
                    Some(b"part") => ids.extend([uploads::blob_of_part(value)?]),
                    _ => {}
                }
            }
        }
    }

    fn lock_open(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OpenBucket>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
