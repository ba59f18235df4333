use std::sync::Arc;

use model_s3::{GetObjectOutput, GetObjectRequest};
use wire::{Call, Error, Reply};

use super::head::{check_version, content_range, content_type, parse_range, shown_storage_class, signed, tag_count};
use crate::checksums::given;
use crate::condition::ReadCondition;
use crate::error;
use crate::service::S3;

/// An object or a range of it, streamed.
pub async fn get_object(s3: Arc<S3>, call: Call, input: GetObjectRequest) -> Result<Reply<GetObjectOutput>, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_version(input.version_id.as_deref())?;
    if input.part_number.is_some_and(|part| part != 1) {
        return Err(error::not_implemented("reading a single part of an object (PartNumber)"));
    }
    let object = s3.object(&input.bucket, &input.key).await?;
    let condition = ReadCondition {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    condition.check(&object.head)?;
    let head = &object.head;
    let part = parse_range(input.range.as_deref(), head.size)?;
    let range = part.clone().unwrap_or(0..head.size);
    let body = s3.read_body(&object, range.clone()).await?;
    let description = &head.description;
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".into()),
        last_modified: Some(head.modified),
        content_length: Some(signed(range.end - range.start)),
        etag: Some(head.quoted_etag()),
        cache_control: input.response_cache_control.or_else(|| description.cache_control.clone()),
        content_disposition: input.response_content_disposition.or_else(|| description.content_disposition.clone()),
        content_encoding: input.response_content_encoding.or_else(|| description.content_encoding.clone()),
        content_language: input.response_content_language.or_else(|| description.content_language.clone()),
        content_range: part.as_ref().map(|part| content_range(part, head.size)),
        content_type: input.response_content_type.or_else(|| Some(content_type(head))),
        expires: input.response_expires.or(description.expires),
        website_redirect_location: description.website_redirect_location.clone(),
        server_side_encryption: Some(description.encryption()),
        metadata: Some(description.metadata.clone()),
        sse_kms_key_id: description.sse_kms_key_id.clone(),
        bucket_key_enabled: description.bucket_key_enabled,
        storage_class: shown_storage_class(head),
        tag_count: tag_count(head),
        ..GetObjectOutput::default()
    };
    if input.checksum_mode.as_deref() == Some("ENABLED") && part.is_none() {
        given!(output, &head.checksums);
        output.checksum_type = head.checksum_type.clone();
    }
    let reply = Reply::from(output).with_body(body);
    Ok(if part.is_some() { reply.with_status(206) } else { reply })
}
