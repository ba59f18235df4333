use std::ops::Range;
use std::sync::Arc;

use model_s3::{
    Checksum, GetObjectAttributesOutput, GetObjectAttributesParts, GetObjectAttributesRequest, HeadObjectOutput,
    HeadObjectRequest,
};
use wire::{Call, Error, Reply};

use crate::checksums::given;
use crate::condition::ReadCondition;
use crate::error;
use crate::object::Head;
use crate::service::S3;

/// What GetObject would answer, without the body.
pub async fn head_object(s3: Arc<S3>, call: Call, input: HeadObjectRequest) -> Result<Reply<HeadObjectOutput>, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_version(input.version_id.as_deref())?;
    let object = s3.object(&input.bucket, &input.key).await?;
    let condition = ReadCondition {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    condition.check(&object.head)?;
    let head = object.head;
    let part = parse_range(input.range.as_deref(), head.size)?;
    let range = part.clone().unwrap_or(0..head.size);
    let Head { description, .. } = &head;
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".into()),
        last_modified: Some(head.modified),
        content_length: Some(signed(range.end - range.start)),
        etag: Some(head.quoted_etag()),
        cache_control: input.response_cache_control.or_else(|| description.cache_control.clone()),
        content_disposition: input.response_content_disposition.or_else(|| description.content_disposition.clone()),
        content_encoding: input.response_content_encoding.or_else(|| description.content_encoding.clone()),
        content_language: input.response_content_language.or_else(|| description.content_language.clone()),
        content_type: input.response_content_type.or_else(|| Some(content_type(&head))),
        content_range: part.as_ref().map(|part| content_range(part, head.size)),
        expires: input.response_expires.or(description.expires),
        website_redirect_location: description.website_redirect_location.clone(),
        server_side_encryption: Some(description.encryption()),
        metadata: Some(description.metadata.clone()),
        sse_kms_key_id: description.sse_kms_key_id.clone(),
        bucket_key_enabled: description.bucket_key_enabled,
        storage_class: shown_storage_class(&head),
        tag_count: tag_count(&head),
        ..HeadObjectOutput::default()
    };
    if input.checksum_mode.as_deref() == Some("ENABLED") && part.is_none() {
        given!(output, &head.checksums);
        output.checksum_type = head.checksum_type.clone();
    }
    let reply = Reply::from(output);
    Ok(if part.is_some() { reply.with_status(206) } else { reply })
}

pub async fn get_object_attributes(
    s3: Arc<S3>,
    call: Call,
    input: GetObjectAttributesRequest,
) -> Result<GetObjectAttributesOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_version(input.version_id.as_deref())?;
    let head = s3.object(&input.bucket, &input.key).await?.head;
    let wants = |name: &str| input.object_attributes.iter().any(|attribute| attribute == name);
    let checksum = (wants("Checksum") && !head.checksums.is_empty()).then(|| {
        let mut checksum = Checksum { checksum_type: head.checksum_type.clone(), ..Checksum::default() };
        given!(checksum, &head.checksums);
        checksum
    });
    let parts = (wants("ObjectParts") && head.parts > 0).then(|| GetObjectAttributesParts {
        total_parts_count: i32::try_from(head.parts).ok(),
        ..GetObjectAttributesParts::default()
    });
    Ok(GetObjectAttributesOutput {
        last_modified: Some(head.modified),
        etag: wants("ETag").then(|| head.etag.clone()),
        checksum,
        object_parts: parts,
        storage_class: wants("StorageClass").then(|| storage_class(&head)),
        object_size: wants("ObjectSize").then(|| signed(head.size)),
        ..GetObjectAttributesOutput::default()
    })
}

/// The bytes that a `Range` header asks for; `None` for all of them. A header of another form is passed over, as
/// HTTP has it; one that no byte satisfies is an error.
pub fn parse_range(header: Option<&str>, size: u64) -> Result<Option<Range<u64>>, Error> {
    let Some((first, last)) = header.and_then(|header| header.strip_prefix("bytes=")?.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let range = match (first.is_empty(), last.is_empty()) {
        (true, true) => return Ok(None),
        (true, false) => number(last).map(|count| size.saturating_sub(count)..size),
        (false, true) => number(first).map(|first| first..size),
        (false, false) => match (number(first), number(last)) {
            (Some(first), Some(last)) if last < first => return Ok(None),
            (Some(first), Some(last)) => Some(first..last.saturating_add(1).min(size)),
            _ => None,
        },
    };
    match range {
        Some(range) if range.start < range.end => Ok(Some(range)),
        Some(_) => Err(Error::new("InvalidRange", 416, "The requested range is not satisfiable")
            .with("RangeRequested", header.unwrap_or_default())
            .with("ActualObjectSize", size)),
        None => Ok(None),
    }
}

pub fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end - 1)
}

pub fn content_type(head: &Head) -> String {
    head.description.content_type.clone().unwrap_or_else(|| "binary/octet-stream".into())
}

pub fn storage_class(head: &Head) -> String {
    head.description.storage_class.clone().unwrap_or_else(|| "STANDARD".into())
}

/// S3 tells the class of a read only where it is not the standard one.
pub fn shown_storage_class(head: &Head) -> Option<String> {
    head.description.storage_class.clone().filter(|class| class != "STANDARD")
}

pub fn tag_count(head: &Head) -> Option<i32> {
    i32::try_from(head.description.tags.len()).ok().filter(|count| *count > 0)
}

pub fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Without versioning there is only the version `null`.
pub fn check_version(version: Option<&str>) -> Result<(), Error> {
    match version {
        None | Some("null") => Ok(()),
        Some(version) => Err(error::invalid_argument("Invalid version id specified", "versionId", version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        let cases = [
            ("bytes=0-4", Ok(Some(0..5))),
            ("bytes=5-", Ok(Some(5..10))),
            ("bytes=-3", Ok(Some(7..10))),
            ("bytes=-30", Ok(Some(0..10))),
            ("bytes=8-100", Ok(Some(8..10))),
            ("bytes=10-", Err(416)),
            ("bytes=-0", Err(416)),
            ("bytes=4-2", Ok(None)),
            ("lines=1-2", Ok(None)),
            ("bytes=a-b", Ok(None)),
        ];
        for (header, expected) in cases {
            assert_eq!(parse_range(Some(header), 10).map_err(|error| error.status), expected, "{header}");
        }
    }
}
