use std::sync::Arc;

use model_s3::{PutObjectOutput, PutObjectRequest};
use wire::{Call, Error};

use crate::checksums::{given, taken};
use crate::condition::WriteCondition;
use crate::error;
use crate::object::{Description, Head, Object, parse_tags};
use crate::objects::{Telling, check_key};
use crate::service::S3;

/// Takes an object in: its bytes first, then its row with all that follows from it.
pub async fn put_object(s3: Arc<S3>, mut call: Call, mut input: PutObjectRequest) -> Result<PutObjectOutput, Error> {
    if input.write_offset_bytes.is_some() {
        return Err(error::not_implemented("appending to an object (WriteOffsetBytes)"));
    }
    super::configuration::check_canned_acl(input.acl.as_deref())?;
    check_key(&input.key)?;
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let mut checksums = taken!(input);
    let condition = WriteCondition { if_match: input.if_match.take(), if_none_match: input.if_none_match.take() };
    let description = description(&mut input)?;
    let received = s3.take_body(call.body.take(), false, input.content_md5.as_deref()).await?;
    checksums.extend(received.checksums.clone());
    let head = Head {
        etag: received.etag(),
        size: received.size,
        modified: s3.fabric.now(),
        checksum_type: (!checksums.is_empty()).then(|| "FULL_OBJECT".into()),
        checksums,
        description,
        ..Head::default()
    };
    let mut output = PutObjectOutput {
        etag: Some(head.quoted_etag()),
        checksum_type: head.checksum_type.clone(),
        server_side_encryption: Some(head.description.encryption()),
        sse_kms_key_id: head.description.sse_kms_key_id.clone(),
        bucket_key_enabled: head.description.bucket_key_enabled,
        ..PutObjectOutput::default()
    };
    given!(output, &head.checksums);
    let object = Object { head, body: received.body };
    let telling = Telling::of(&call, "ObjectCreated:Put");
    s3.put_object(&bucket, &input.key, object, &condition, &telling, None).await?;
    Ok(output)
}

fn description(input: &mut PutObjectRequest) -> Result<Description, Error> {
    let description = Description {
        content_type: input.content_type.take(),
        cache_control: input.cache_control.take(),
        content_disposition: input.content_disposition.take(),
        content_encoding: stored_encoding(input.content_encoding.take()),
        content_language: input.content_language.take(),
        expires: input.expires,
        website_redirect_location: input.website_redirect_location.take(),
        storage_class: input.storage_class.take(),
        server_side_encryption: input.server_side_encryption.take(),
        sse_kms_key_id: input.sse_kms_key_id.take(),
        bucket_key_enabled: input.bucket_key_enabled,
        metadata: lower_case(input.metadata.take().unwrap_or_default()),
        tags: parse_tags(input.tagging.as_deref().unwrap_or_default())?,
    };
    description.check()?;
    Ok(description)
}

/// Names of user metadata are headers, which S3 keeps in lower case.
pub fn lower_case(metadata: std::collections::BTreeMap<String, String>) -> std::collections::BTreeMap<String, String> {
    metadata.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// `Content-Encoding` without `aws-chunked`, which is of the transfer only.
pub fn stored_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let kept: Vec<_> = encoding.split(',').map(str::trim).filter(|part| *part != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(","))
}
