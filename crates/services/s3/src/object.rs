use std::collections::BTreeMap;

use base::Timestamp;
use blob::BlobId;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wire::Error;

use crate::checksums::Checksums;
use crate::error;

/// A body up to this size is kept in the object's row, which saves a file and its syncs.
pub const INLINE_BYTES_MAX: usize = 4_096;

/// An object, as its row has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub head: Head,
    pub body: Body,
}

/// Where an object's bytes are.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Inline(Bytes),
    Blob(BlobId),
}

/// All that is known of an object but its bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Without quotes.
    pub etag: String,
    pub size: u64,
    pub modified: Timestamp,
    #[serde(flatten)]
    pub description: Description,
    #[serde(default, skip_serializing_if = "Checksums::is_empty")]
    pub checksums: Checksums,
    /// `FULL_OBJECT` or `COMPOSITE`, where there are checksums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum_type: Option<String>,
    /// How many parts it was uploaded in; 0 for a single upload.
    #[serde(default)]
    pub parts: u32,
    /// Only in the row: where the body is, if not inline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) blob: Option<String>,
}

/// What the writer says of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub expires: Option<Timestamp>,
    pub website_redirect_location: Option<String>,
    pub storage_class: Option<String>,
    pub server_side_encryption: Option<String>,
    pub sse_kms_key_id: Option<String>,
    pub bucket_key_enabled: Option<bool>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

const VERSION: u8 = 1;

impl Object {
    /// The row: version, length of the head, the head as JSON, the inline body.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = self.head.clone();
        let inline: &[u8] = match &self.body {
            Body::Inline(bytes) => bytes,
            Body::Blob(id) => {
                head.blob = Some(id.to_string());
                &[]
            }
        };
        let head = serde_json::to_vec(&head).expect("a head has only text keys");
        let mut row = Vec::with_capacity(5 + head.len() + inline.len());
        row.push(VERSION);
        row.extend_from_slice(&u32::try_from(head.len()).expect("a head is short").to_be_bytes());
        row.extend_from_slice(&head);
        row.extend_from_slice(inline);
        row
    }

    pub fn decode(row: &[u8]) -> Result<Object, Error> {
        let unreadable = || error::internal("the row of an object cannot be read");
        let (&version, rest) = row.split_first().ok_or_else(unreadable)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(unreadable)?;
        let length = u32::from_be_bytes(*length) as usize;
        if version != VERSION || rest.len() < length {
            return Err(unreadable());
        }
        let (head, inline) = rest.split_at(length);
        let mut head: Head = serde_json::from_slice(head).map_err(error::internal)?;
        let body = match head.blob.take() {
            Some(id) => Body::Blob(id.parse().map_err(error::internal)?),
            None => Body::Inline(Bytes::copy_from_slice(inline)),
        };
        Ok(Object { head, body })
    }

    pub fn blob(&self) -> Option<&BlobId> {
        self.body.blob()
    }
}

impl Body {
    pub fn blob(&self) -> Option<&BlobId> {
        match self {
            Body::Blob(id) => Some(id),
            Body::Inline(_) => None,
        }
    }
}

impl Head {
    /// As `ETag` carries it.
    pub fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }
}

impl Description {
    /// S3 encrypts each object; AES256 where nobody says otherwise.
    pub fn encryption(&self) -> String {
        self.server_side_encryption.clone().unwrap_or_else(|| "AES256".into())
    }

    /// Fails where metadata exceed 2 KB or tags break their rules.
    pub fn check(&self) -> Result<(), Error> {
        const METADATA_BYTES_MAX: usize = 2_048;
        let bytes: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > METADATA_BYTES_MAX {
            let message = "Your metadata headers exceed the maximum allowed metadata size";
            return Err(Error::new("MetadataTooLarge", 400, message)
                .with("Size", bytes)
                .with("MaxSizeAllowed", METADATA_BYTES_MAX));
        }
        check_tags(&self.tags)
    }
}

/// At most ten tags, keys of 128 and values of 256 characters.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    let wrong = |message: &str| Err(Error::new("InvalidTag", 400, message));
    if tags.len() > 10 {
        return Err(Error::new("BadRequest", 400, "Object tags cannot be greater than 10"));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return wrong("The TagKey you have provided is invalid");
        }
        if value.chars().count() > 256 {
            return wrong("The TagValue you have provided is invalid");
        }
    }
    Ok(())
}

/// Reads the header form of tags, `k=v&k2=v2`, URL-encoded.
pub fn parse_tags(header: &str) -> Result<BTreeMap<String, String>, Error> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let mut tags = BTreeMap::new();
    for pair in header.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if tags.insert(decode(key), decode(value)).is_some() {
            let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query \
                           parameters without tag name duplicates.";
            return Err(invalid_tagging_header(message, header));
        }
    }
    check_tags(&tags)?;
    Ok(tags)
}

fn invalid_tagging_header(message: &str, header: &str) -> Error {
    error::invalid_argument(message, "x-amz-tagging", header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_whole() {
        let head = Head { etag: "e".into(), size: 3, modified: Timestamp::from_secs(5), ..Head::default() };
        let blob: BlobId = "0123456789abcdef0123456789abcdef".parse().expect("an id");
        for body in [Body::Inline(Bytes::from_static(b"abc")), Body::Inline(Bytes::new()), Body::Blob(blob)] {
            let object = Object { head: head.clone(), body };
            assert_eq!(Object::decode(&object.encode()), Ok(object));
        }
        assert!(Object::decode(b"\x02\0\0\0\0").is_err());
    }

    #[test]
    fn tags_are_decoded_and_checked() {
        let tags = parse_tags("a=1&b%20c=x+y").expect("tags");
        assert_eq!(tags.get("b c").map(String::as_str), Some("x y"));
        assert!(parse_tags("a=1&a=2").is_err());
        assert!(parse_tags(&format!("{}=1", "k".repeat(129))).is_err());
    }
}
