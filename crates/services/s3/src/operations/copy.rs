use std::sync::Arc;

use base::Timestamp;
use model_s3::{
    CopyObjectOutput, CopyObjectRequest, CopyObjectResult, CopyPartResult, UploadPartCopyOutput, UploadPartCopyRequest,
};
use percent_encoding::percent_decode_str;
use wire::{Call, Error};

use super::head::{check_version, parse_range};
use super::multipart::check_part_number;
use super::put::{lower_case, stored_encoding};
use crate::checksums::{Checksums, given};
use crate::condition::{ReadCondition, WriteCondition};
use crate::error;
use crate::object::{Description, Head, Object, parse_tags};
use crate::objects::{Telling, check_key};
use crate::receive::{BODY_BYTES_MAX, receive};
use crate::service::S3;
use crate::uploads::Part;

/// Copies an object within or between buckets, with its description or another.
pub async fn copy_object(s3: Arc<S3>, call: Call, mut input: CopyObjectRequest) -> Result<CopyObjectOutput, Error> {
    super::configuration::check_canned_acl(input.acl.as_deref())?;
    check_key(&input.key)?;
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let (source_bucket, source_key) = source(&input.copy_source)?;
    s3.bucket(&call, &source_bucket, input.expected_source_bucket_owner.as_deref()).await?;
    let source = s3.object(&source_bucket, &source_key).await?;
    let condition = ReadCondition {
        if_match: input.copy_source_if_match.take(),
        if_none_match: input.copy_source_if_none_match.take(),
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    condition.check_source(&source.head)?;
    if source.head.size > BODY_BYTES_MAX {
        let message = "The specified copy source is larger than the maximum allowable size for a copy source: \
                       5368709120";
        return Err(error::invalid_request(message));
    }
    let replace = input.metadata_directive.as_deref() == Some("REPLACE");
    let onto_itself = source_bucket == input.bucket && source_key == input.key;
    let changes = replace
        || input.storage_class.is_some()
        || input.website_redirect_location.is_some()
        || input.server_side_encryption.is_some();
    if onto_itself && !changes {
        let message = "This copy request is illegal because it is trying to copy an object to itself without \
                       changing the object's metadata, storage class, website redirect location or encryption \
                       attributes.";
        return Err(error::invalid_request(message));
    }
    let write = WriteCondition { if_match: input.if_match.take(), if_none_match: input.if_none_match.take() };
    let description = description(&mut input, &source.head.description, replace)?;
    let body = s3.read_body(&source, 0..source.head.size).await?;
    let received = receive(&s3.fabric.blobs, Some(body), false).await?;
    let head = Head {
        etag: received.etag(),
        size: received.size,
        modified: s3.fabric.now(),
        checksums: source.head.checksums.clone(),
        checksum_type: source.head.checksum_type.clone(),
        description,
        ..Head::default()
    };
    let mut result = CopyObjectResult {
        etag: Some(head.quoted_etag()),
        last_modified: Some(head.modified),
        checksum_type: head.checksum_type.clone(),
        ..CopyObjectResult::default()
    };
    given!(result, &head.checksums);
    let encryption = head.description.encryption();
    let object = Object { head, body: received.body };
    s3.put_object(&bucket, &input.key, object, &write, &Telling::of(&call, "ObjectCreated:Copy"), None).await?;
    Ok(CopyObjectOutput {
        copy_object_result: Some(result),
        server_side_encryption: Some(encryption),
        ..CopyObjectOutput::default()
    })
}

/// Of the source, or, where the directive says so, of the request.
fn description(input: &mut CopyObjectRequest, source: &Description, replace: bool) -> Result<Description, Error> {
    let tags = match input.tagging_directive.as_deref() {
        Some("REPLACE") => parse_tags(input.tagging.as_deref().unwrap_or_default())?,
        _ => source.tags.clone(),
    };
    let told = match replace {
        false => source.clone(),
        true => Description {
            content_type: input.content_type.take(),
            cache_control: input.cache_control.take(),
            content_disposition: input.content_disposition.take(),
            content_encoding: stored_encoding(input.content_encoding.take()),
            content_language: input.content_language.take(),
            expires: input.expires,
            metadata: lower_case(input.metadata.take().unwrap_or_default()),
            ..Description::default()
        },
    };
    let description = Description {
        storage_class: input.storage_class.take(),
        server_side_encryption: input.server_side_encryption.take(),
        sse_kms_key_id: input.sse_kms_key_id.take(),
        bucket_key_enabled: input.bucket_key_enabled,
        website_redirect_location: input.website_redirect_location.take(),
        tags,
        ..told
    };
    description.check()?;
    Ok(description)
}

pub async fn upload_part_copy(
    s3: Arc<S3>,
    call: Call,
    input: UploadPartCopyRequest,
) -> Result<UploadPartCopyOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_part_number(input.part_number)?;
    s3.upload(&input.bucket, &input.key, &input.upload_id).await?;
    let (source_bucket, source_key) = source(&input.copy_source)?;
    s3.bucket(&call, &source_bucket, input.expected_source_bucket_owner.as_deref()).await?;
    let source = s3.object(&source_bucket, &source_key).await?;
    let condition = ReadCondition {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    condition.check_source(&source.head)?;
    let size = source.head.size;
    let range = parse_range(input.copy_source_range.as_deref(), size)?.unwrap_or(0..size);
    let body = s3.read_body(&source, range).await?;
    let received = receive(&s3.fabric.blobs, Some(body), true).await?;
    let modified: Timestamp = s3.fabric.now();
    let blob = received.body.blob().ok_or_else(|| error::internal("a part is a blob"))?;
    let part = Part::new(input.part_number, received.size, received.etag(), modified, Checksums::new(), blob);
    s3.put_part(&input.bucket, &input.key, &input.upload_id, &part).await?;
    let result = CopyPartResult {
        etag: Some(format!("\"{}\"", part.md5)),
        last_modified: Some(modified),
        ..CopyPartResult::default()
    };
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        server_side_encryption: Some("AES256".into()),
        ..UploadPartCopyOutput::default()
    })
}

/// Bucket and key of `x-amz-copy-source`: URL-encoded, with or without a slash at the front.
fn source(header: &str) -> Result<(String, String), Error> {
    let wrong = || {
        let message = "Invalid copy source object key";
        error::invalid_argument(message, "x-amz-copy-source", header)
    };
    let (path, version) = match header.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (header, None),
    };
    check_version(version)?;
    let path = percent_decode_str(path).decode_utf8().map_err(|_| wrong())?;
    let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(wrong)?;
    if bucket.is_empty() || key.is_empty() {
        return Err(wrong());
    }
    Ok((bucket.to_owned(), key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_decoded() {
        let expected = Ok(("b".to_owned(), "k/a b".to_owned()));
        for header in ["b/k/a%20b", "/b/k/a%20b", "/b/k/a%20b?versionId=null"] {
            assert_eq!(source(header), expected, "{header}");
        }
        for header in ["", "b", "b/", "/b", "b/k?versionId=x"] {
            assert!(source(header).is_err(), "{header}");
        }
    }
}
