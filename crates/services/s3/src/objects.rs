use base::Trace;
use futures_util::StreamExt;
use wire::{ByteStream, Call, Error};

use crate::bucket::Bucket;
use crate::condition::WriteCondition;
use crate::error;
use crate::notification::{self, Happened};
use crate::object::{Body, Head, Object};
use crate::receive::{Received, check_md5, receive};
use crate::service::S3;
use crate::uploads::upload_row;

/// The row of an object, in the cell of its bucket.
fn row(key: &str) -> String {
    format!("o/{key}")
}

/// Whether S3 takes such a key.
pub fn check_key(key: &str) -> Result<(), Error> {
    const KEY_BYTES_MAX: usize = 1_024;
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::new("KeyTooLongError", 400, "Your key is too long")
            .with("Size", key.len())
            .with("MaxSizeAllowed", KEY_BYTES_MAX));
    }
    Ok(())
}

/// What is to be said of a change to those who listen.
pub struct Telling<'a> {
    pub event: &'static str,
    pub request_id: &'a str,
    pub principal: &'a str,
    pub trace: &'a Trace,
}

impl<'a> Telling<'a> {
    pub fn of(call: &'a Call, event: &'static str) -> Telling<'a> {
        Telling { event, request_id: call.request_id.as_str(), principal: &call.caller.principal, trace: &call.trace }
    }
}

impl S3 {
    /// The object of a key, if there is one.
    pub(crate) async fn find_object(&self, bucket: &str, key: &str) -> Result<Option<Object>, Error> {
        let open = self.objects_of(bucket).await?;
        let row = self.fabric.store.get(&open.cell.key(&row(key))).await.map_err(error::internal)?;
        row.map(|row| Object::decode(&row)).transpose()
    }

    pub(crate) async fn object(&self, bucket: &str, key: &str) -> Result<Object, Error> {
        self.find_object(bucket, key).await?.ok_or_else(|| error::no_such_key(key))
    }

    /// Takes a body in; one that has another MD5 than its sender said is not kept.
    pub(crate) async fn take_body(
        &self,
        body: Option<ByteStream>,
        whole: bool,
        md5: Option<&str>,
    ) -> Result<Received, Error> {
        let received = receive(&self.fabric.blobs, body, whole).await?;
        match check_md5(&received, md5) {
            Ok(()) => Ok(received),
            Err(error) => {
                self.drop_blob(received.body.blob()).await;
                Err(error)
            }
        }
    }

    /// What all rows of a bucket's objects begin with.
    pub(crate) async fn objects_base(&self, bucket: &str) -> Result<Vec<u8>, Error> {
        Ok(self.objects_of(bucket).await?.cell.key("o/"))
    }

    /// Puts an object in place of what the key had, tells who listens, in one batch, and deletes the blob that
    /// was replaced. The `upload` of which the object was made ends with it, and must not have ended before.
    pub(crate) async fn put_object(
        &self,
        bucket: &Bucket,
        key: &str,
        object: Object,
        condition: &WriteCondition,
        telling: &Telling<'_>,
        upload: Option<&str>,
    ) -> Result<(), Error> {
        let open = self.objects_of(&bucket.name).await?;
        let gate = open.gate.read().await;
        let _key = self.lock_key(&bucket.name, key).await;
        let written = async {
            if *gate {
                return Err(error::no_such_bucket(&bucket.name));
            }
            if let Some(upload) = upload {
                self.upload(&bucket.name, key, upload).await?;
            }
            let current = self.find_object(&bucket.name, key).await?;
            condition.check(key, current.as_ref().map(|object| &object.head))?;
            let happened = happened(telling, key, Some(&object.head));
            let deliveries = notification::deliveries(&self.fabric, bucket, &happened);
            let commit = open.cell.apply(|_, tx| {
                tx.put(row(key), object.encode());
                if let Some(upload) = upload {
                    tx.delete(upload_row(upload));
                    tx.delete_prefix(format!("part/{upload}/"));
                }
                deliveries.iter().for_each(|delivery| tx.send(delivery.message()));
                Ok::<_, cell::Error>(())
            });
            commit.await.map_err(error::internal)?;
            Ok(current)
        };
        match written.await {
            Ok(replaced) => {
                self.drop_blob(replaced.as_ref().and_then(Object::blob)).await;
                Ok(())
            }
            Err(error) => {
                // The body came in for nothing. After a failed commit the row may be there all the same, so
                // then the blob is left to the next start.
                if error.status < 500 {
                    self.drop_blob(object.blob()).await;
                }
                Err(error)
            }
        }
    }

    /// Changes what is said of an object, not its bytes.
    pub(crate) async fn change_object(
        &self,
        bucket: &Bucket,
        key: &str,
        telling: &Telling<'_>,
        change: impl FnOnce(&mut Head),
    ) -> Result<(), Error> {
        let open = self.objects_of(&bucket.name).await?;
        let _key = self.lock_key(&bucket.name, key).await;
        let mut object = self.object(&bucket.name, key).await?;
        change(&mut object.head);
        let mut happened = happened(telling, key, Some(&object.head));
        happened.size = None;
        let deliveries = notification::deliveries(&self.fabric, bucket, &happened);
        let commit = open.cell.apply(|_, tx| {
            tx.put(row(key), object.encode());
            deliveries.iter().for_each(|delivery| tx.send(delivery.message()));
            Ok::<_, cell::Error>(())
        });
        commit.await.map_err(error::internal)
    }

    /// Deletes the object of a key; false if there was none.
    pub(crate) async fn delete_object(
        &self,
        bucket: &Bucket,
        key: &str,
        may: impl FnOnce(&Head) -> Result<(), Error>,
        telling: &Telling<'_>,
    ) -> Result<bool, Error> {
        let open = self.objects_of(&bucket.name).await?;
        let _key = self.lock_key(&bucket.name, key).await;
        let Some(object) = self.find_object(&bucket.name, key).await? else { return Ok(false) };
        may(&object.head)?;
        let deliveries = notification::deliveries(&self.fabric, bucket, &happened(telling, key, None));
        let commit = open.cell.apply(|_, tx| {
            tx.delete(row(key));
            deliveries.iter().for_each(|delivery| tx.send(delivery.message()));
            Ok::<_, cell::Error>(())
        });
        commit.await.map_err(error::internal)?;
        self.drop_blob(object.blob()).await;
        Ok(true)
    }

    /// The bytes of an object, or of a part of it.
    pub(crate) async fn read_body(&self, object: &Object, range: std::ops::Range<u64>) -> Result<ByteStream, Error> {
        let length = range.end - range.start;
        match &object.body {
            Body::Inline(bytes) => {
                let bound = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                Ok(ByteStream::from(bytes.slice(bound(range.start)..bound(range.end))))
            }
            Body::Blob(id) => {
                let chunks = self.fabric.blobs.get(id, Some(range)).await.map_err(error::internal)?;
                Ok(ByteStream::new(chunks.map(|chunk| chunk.map_err(error::internal)), Some(length)))
            }
        }
    }

    pub(crate) async fn drop_blob(&self, blob: Option<&blob::BlobId>) {
        if let Some(id) = blob
            && let Err(error) = self.fabric.blobs.delete(id).await
        {
            // It is swept away at the next start.
            tracing::warn!(%error, "a blob could not be deleted");
        }
    }
}

fn happened<'a>(telling: &Telling<'a>, key: &'a str, head: Option<&'a Head>) -> Happened<'a> {
    Happened {
        event: telling.event,
        key,
        size: head.map(|head| head.size),
        etag: head.map(|head| head.etag.as_str()),
        request_id: telling.request_id,
        principal: telling.principal,
        trace: telling.trace,
    }
}
