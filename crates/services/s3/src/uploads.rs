use base::Timestamp;
use blob::BlobId;
use serde::{Deserialize, Serialize};
use store::Range;
use wire::Error;

use crate::checksums::Checksums;
use crate::error;
use crate::object::Description;
use crate::service::S3;

/// A multipart upload that was begun and is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    pub id: String,
    pub key: String,
    pub initiated: Timestamp,
    pub description: Description,
    #[serde(default)]
    pub checksum_algorithm: Option<String>,
    #[serde(default)]
    pub checksum_type: Option<String>,
}

/// A part that was uploaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub number: i32,
    pub size: u64,
    /// Hexadecimal, without quotes.
    pub md5: String,
    pub modified: Timestamp,
    #[serde(default)]
    pub checksums: Checksums,
    blob: String,
}

/// Parts are numbered from 1.
pub const PART_NUMBER_MAX: i32 = 10_000;
/// Each part but the last has at least 5 MiB.
pub const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// How many uploads of a bucket are listed at most.
const UPLOADS_MAX: usize = 10_000;

pub fn upload_row(id: &str) -> String {
    format!("upload/{id}")
}

pub fn part_row(id: &str, number: i32) -> String {
    format!("part/{id}/{number:05}")
}

/// The blob to which the row of a part refers.
pub fn blob_of_part(row: &[u8]) -> Result<BlobId, Error> {
    serde_json::from_slice::<Part>(row).map_err(error::internal)?.blob()
}

impl Part {
    pub fn new(number: i32, size: u64, md5: String, modified: Timestamp, checksums: Checksums, blob: &BlobId) -> Part {
        Part { number, size, md5, modified, checksums, blob: blob.to_string() }
    }

    pub fn blob(&self) -> Result<BlobId, Error> {
        self.blob.parse().map_err(error::internal)
    }
}

impl S3 {
    /// The upload of that id and key.
    pub(crate) async fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, Error> {
        // An id with a slash could name the row of something else.
        let well_formed = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
        let open = self.objects_of(bucket).await?;
        let row = match well_formed {
            true => self.fabric.store.get(&open.cell.key(&upload_row(id))).await.map_err(error::internal)?,
            false => None,
        };
        let upload: Option<Upload> =
            row.map(|row| serde_json::from_slice(&row)).transpose().map_err(error::internal)?;
        upload.filter(|upload| upload.key == key).ok_or_else(|| error::no_such_upload(id))
    }

    /// All uploads of a bucket in order of key and beginning.
    pub(crate) async fn uploads(&self, bucket: &str) -> Result<Vec<Upload>, Error> {
        let open = self.objects_of(bucket).await?;
        let range = Range::prefix(open.cell.key("upload/")).limit(UPLOADS_MAX);
        let rows = self.fabric.store.range(range).await.map_err(error::internal)?;
        let read = rows.iter().map(|(_, row)| serde_json::from_slice(row));
        let mut uploads: Vec<Upload> = read.collect::<Result<_, _>>().map_err(error::internal)?;
        uploads.sort_by(|a, b| (&a.key, a.initiated, &a.id).cmp(&(&b.key, b.initiated, &b.id)));
        Ok(uploads)
    }

    /// The parts of an upload, in order of their numbers.
    pub(crate) async fn parts(&self, bucket: &str, id: &str) -> Result<Vec<Part>, Error> {
        let open = self.objects_of(bucket).await?;
        let range = Range::prefix(open.cell.key(&format!("part/{id}/"))).limit(PART_NUMBER_MAX as usize);
        let rows = self.fabric.store.range(range).await.map_err(error::internal)?;
        rows.iter().map(|(_, row)| serde_json::from_slice(row)).collect::<Result<_, _>>().map_err(error::internal)
    }

    /// Keeps a part, in place of one of the same number.
    pub(crate) async fn put_part(&self, bucket: &str, key: &str, upload_id: &str, part: &Part) -> Result<(), Error> {
        let open = self.objects_of(bucket).await?;
        let _open = open.gate.read().await;
        let _key = self.lock_key(bucket, key).await;
        // It may have been completed or aborted while the part came in.
        if let Err(gone) = self.upload(bucket, key, upload_id).await {
            self.drop_blob(Some(&part.blob()?)).await;
            return Err(gone);
        }
        let row = part_row(upload_id, part.number);
        let replaced = self.fabric.store.get(&open.cell.key(&row)).await.map_err(error::internal)?;
        let commit = open.cell.apply(|_, tx| {
            cell::json::put(tx, row, part);
            Ok::<_, cell::Error>(())
        });
        commit.await.map_err(error::internal)?;
        if let Some(replaced) = replaced {
            self.drop_blob(Some(&blob_of_part(&replaced)?)).await;
        }
        Ok(())
    }

    /// Forgets an upload and its parts, unless it has been completed or aborted meanwhile.
    pub(crate) async fn abort(&self, bucket: &str, key: &str, upload_id: &str) -> Result<(), Error> {
        let open = self.objects_of(bucket).await?;
        let _key = self.lock_key(bucket, key).await;
        self.upload(bucket, key, upload_id).await?;
        let parts = self.parts(bucket, upload_id).await?;
        let commit = open.cell.apply(|_, tx| {
            tx.delete(upload_row(upload_id));
            tx.delete_prefix(format!("part/{upload_id}/"));
            Ok::<_, cell::Error>(())
        });
        commit.await.map_err(error::internal)?;
        for part in &parts {
            self.drop_blob(Some(&part.blob()?)).await;
        }
        Ok(())
    }
}
