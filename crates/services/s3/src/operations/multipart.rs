use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blob::BlobId;
use md5::{Digest, Md5};
use model_s3::{
    AbortMultipartUploadOutput, AbortMultipartUploadRequest, CompleteMultipartUploadOutput,
    CompleteMultipartUploadRequest, CompletedPart, CreateMultipartUploadOutput, CreateMultipartUploadRequest,
    Initiator, ListMultipartUploadsOutput, ListMultipartUploadsRequest, ListPartsOutput, ListPartsRequest,
    MultipartUpload, Part as PartEntry, UploadPartOutput, UploadPartRequest,
};
use wire::checksum::hex;
use wire::{Call, Error};

use super::buckets::owner;
use super::head::signed;
use super::list::encoder;
use super::put::{lower_case, stored_encoding};
use crate::checksums::{given, taken};
use crate::condition::WriteCondition;
use crate::error;
use crate::object::{Body, Description, Head, Object, parse_tags};
use crate::objects::{Telling, check_key};
use crate::service::S3;
use crate::uploads::{PART_BYTES_MIN, PART_NUMBER_MAX, Part, Upload, upload_row};

pub async fn create_multipart_upload(
    s3: Arc<S3>,
    call: Call,
    input: CreateMultipartUploadRequest,
) -> Result<CreateMultipartUploadOutput, Error> {
    super::configuration::check_canned_acl(input.acl.as_deref())?;
    check_key(&input.key)?;
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let description = Description {
        content_type: input.content_type,
        cache_control: input.cache_control,
        content_disposition: input.content_disposition,
        content_encoding: stored_encoding(input.content_encoding),
        content_language: input.content_language,
        expires: input.expires,
        website_redirect_location: input.website_redirect_location,
        storage_class: input.storage_class,
        server_side_encryption: input.server_side_encryption,
        sse_kms_key_id: input.sse_kms_key_id,
        bucket_key_enabled: input.bucket_key_enabled,
        metadata: lower_case(input.metadata.unwrap_or_default()),
        tags: parse_tags(input.tagging.as_deref().unwrap_or_default())?,
    };
    description.check()?;
    let upload = Upload {
        id: s3.fabric.entropy.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 64),
        key: input.key.clone(),
        initiated: s3.fabric.now(),
        description,
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: input.checksum_type,
    };
    let open = s3.objects_of(&input.bucket).await?;
    let gate = open.gate.read().await;
    if *gate {
        return Err(error::no_such_bucket(&input.bucket));
    }
    let begun = open.cell.apply(|_, tx| {
        cell::json::put(tx, upload_row(&upload.id), &upload);
        Ok::<_, cell::Error>(())
    });
    begun.await.map_err(error::internal)?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        server_side_encryption: Some(upload.description.encryption()),
        checksum_algorithm: upload.checksum_algorithm,
        checksum_type: upload.checksum_type,
        upload_id: Some(upload.id),
        ..CreateMultipartUploadOutput::default()
    })
}

pub async fn upload_part(s3: Arc<S3>, mut call: Call, mut input: UploadPartRequest) -> Result<UploadPartOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_part_number(input.part_number)?;
    s3.upload(&input.bucket, &input.key, &input.upload_id).await?;
    let mut checksums = taken!(input);
    let received = s3.take_body(call.body.take(), true, input.content_md5.as_deref()).await?;
    checksums.extend(received.checksums.clone());
    let blob = received.body.blob().ok_or_else(|| error::internal("a part is a blob"))?;
    let part = Part::new(input.part_number, received.size, received.etag(), s3.fabric.now(), checksums, blob);
    s3.put_part(&input.bucket, &input.key, &input.upload_id, &part).await?;
    let mut output = UploadPartOutput {
        server_side_encryption: Some("AES256".into()),
        etag: Some(format!("\"{}\"", part.md5)),
        ..UploadPartOutput::default()
    };
    given!(output, &part.checksums);
    Ok(output)
}

pub fn check_part_number(number: i32) -> Result<(), Error> {
    if (1..=PART_NUMBER_MAX).contains(&number) {
        return Ok(());
    }
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    Err(error::invalid_argument(message, "partNumber", &number.to_string()))
}

/// Makes one object of the parts that the caller names, in their order.
pub async fn complete_multipart_upload(
    s3: Arc<S3>,
    call: Call,
    input: CompleteMultipartUploadRequest,
) -> Result<CompleteMultipartUploadOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let upload = s3.upload(&input.bucket, &input.key, &input.upload_id).await?;
    let parts = s3.parts(&input.bucket, &input.upload_id).await?;
    let named = input.multipart_upload.and_then(|named| named.parts).unwrap_or_default();
    let chosen = choose(&named, &parts)?;
    let size: u64 = chosen.iter().map(|part| part.size).sum();
    let blobs: Vec<BlobId> = chosen.iter().map(|part| part.blob()).collect::<Result<_, _>>()?;
    let whole = match s3.fabric.blobs.concat(&blobs).await {
        Ok(whole) => whole,
        Err(error) => {
            // Parts go when somebody else completes or aborts the upload at the same time.
            s3.upload(&input.bucket, &input.key, &input.upload_id).await?;
            return Err(error::internal(error));
        }
    };
    let head = Head {
        etag: composite_etag(&chosen),
        size,
        modified: s3.fabric.now(),
        parts: u32::try_from(chosen.len()).unwrap_or(0),
        description: upload.description,
        ..Head::default()
    };
    let output = CompleteMultipartUploadOutput {
        location: Some(format!("{}/{}/{}", call.origin, input.bucket, input.key)),
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        etag: Some(head.quoted_etag()),
        server_side_encryption: Some(head.description.encryption()),
        ..CompleteMultipartUploadOutput::default()
    };
    let condition = WriteCondition { if_match: input.if_match, if_none_match: input.if_none_match };
    let telling = Telling::of(&call, "ObjectCreated:CompleteMultipartUpload");
    let object = Object { head, body: Body::Blob(whole) };
    s3.put_object(&bucket, &input.key, object, &condition, &telling, Some(&input.upload_id)).await?;
    for part in &parts {
        s3.drop_blob(Some(&part.blob()?)).await;
    }
    Ok(output)
}

/// The parts that are named, which must be there, in ascending order and large enough.
fn choose<'p>(named: &[CompletedPart], parts: &'p [Part]) -> Result<Vec<&'p Part>, Error> {
    if named.is_empty() {
        return Err(error::invalid_request("You must specify at least one part"));
    }
    let ascending = named.windows(2).all(|pair| pair[0].part_number < pair[1].part_number);
    if !ascending {
        let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
        return Err(Error::new("InvalidPartOrder", 400, message));
    }
    let by_number: BTreeMap<i32, &Part> = parts.iter().map(|part| (part.number, part)).collect();
    let mut chosen: Vec<&Part> = Vec::with_capacity(named.len());
    for name in named {
        let number = name.part_number.ok_or_else(error::malformed_xml)?;
        let etag = name.etag.as_deref().unwrap_or_default().trim_matches('"');
        let part = by_number.get(&number).filter(|part| part.md5 == etag);
        chosen.push(part.copied().ok_or_else(|| {
            let message = "One or more of the specified parts could not be found.  The part may not have been \
                           uploaded, or the specified entity tag may not match the part's entity tag.";
            Error::new("InvalidPart", 400, message).with("PartNumber", number).with("ETag", etag)
        })?);
    }
    let small = chosen[..chosen.len() - 1].iter().find(|part| part.size < PART_BYTES_MIN);
    match small {
        None => Ok(chosen),
        Some(part) => {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            Err(Error::new("EntityTooSmall", 400, message)
                .with("ProposedSize", part.size)
                .with("MinSizeAllowed", PART_BYTES_MIN)
                .with("PartNumber", part.number))
        }
    }
}

/// The MD5 of the parts' MD5s, and how many there are.
fn composite_etag(parts: &[&Part]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        let digits = part.md5.as_bytes().chunks(2);
        let bytes: Vec<u8> =
            digits.filter_map(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).collect();
        md5.update(&bytes);
    }
    format!("{}-{}", hex(&md5.finalize()), parts.len())
}

pub async fn abort_multipart_upload(
    s3: Arc<S3>,
    call: Call,
    input: AbortMultipartUploadRequest,
) -> Result<AbortMultipartUploadOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    s3.abort(&input.bucket, &input.key, &input.upload_id).await?;
    Ok(AbortMultipartUploadOutput {})
}

pub async fn list_parts(s3: Arc<S3>, call: Call, input: ListPartsRequest) -> Result<ListPartsOutput, Error> {
    const PARTS_MAX: i32 = 1_000;
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let upload = s3.upload(&input.bucket, &input.key, &input.upload_id).await?;
    let max = input.max_parts.unwrap_or(PARTS_MAX).clamp(0, PARTS_MAX);
    let marker = input.part_number_marker.unwrap_or(0);
    let after = s3.parts(&input.bucket, &input.upload_id).await?.into_iter().filter(|part| part.number > marker);
    let mut parts: Vec<Part> = after.take(max as usize + 1).collect();
    let more = parts.len() > max as usize;
    parts.truncate(max as usize);
    let entry = |part: &Part| {
        let mut entry = PartEntry {
            part_number: Some(part.number),
            last_modified: Some(part.modified),
            etag: Some(format!("\"{}\"", part.md5)),
            size: Some(signed(part.size)),
            ..PartEntry::default()
        };
        given!(entry, &part.checksums);
        entry
    };
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(marker),
        next_part_number_marker: Some(parts.last().map_or(0, |part| part.number)),
        max_parts: Some(max),
        is_truncated: Some(more),
        parts: Some(parts.iter().map(entry).collect()),
        initiator: Some(Initiator { id: owner(&bucket.account).id, display_name: None }),
        owner: Some(owner(&bucket.account)),
        storage_class: Some(upload.description.storage_class.unwrap_or_else(|| "STANDARD".into())),
        checksum_algorithm: upload.checksum_algorithm,
        checksum_type: upload.checksum_type,
        ..ListPartsOutput::default()
    })
}

pub async fn list_multipart_uploads(
    s3: Arc<S3>,
    call: Call,
    input: ListMultipartUploadsRequest,
) -> Result<ListMultipartUploadsOutput, Error> {
    const UPLOADS_MAX: i32 = 1_000;
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    if input.delimiter.is_some() {
        return Err(error::not_implemented("a delimiter in ListMultipartUploads"));
    }
    let max = input.max_uploads.unwrap_or(UPLOADS_MAX).clamp(0, UPLOADS_MAX) as usize;
    let prefix = input.prefix.clone().unwrap_or_default();
    let key_marker = input.key_marker.clone().unwrap_or_default();
    let id_marker = input.upload_id_marker.clone();
    let mut past_marker = id_marker.is_none();
    let mut after = |upload: &Upload| {
        if key_marker.is_empty() || upload.key > key_marker {
            return true;
        }
        // Among the uploads of the marker's key, those behind the marker's id.
        let here = past_marker && id_marker.is_some() && upload.key == key_marker;
        past_marker |= upload.key == key_marker && Some(&upload.id) == id_marker.as_ref();
        here
    };
    let mut uploads = s3.uploads(&input.bucket).await?;
    uploads.retain(|upload| upload.key.starts_with(&prefix) && after(upload));
    let more = uploads.len() > max;
    uploads.truncate(max);
    let text = encoder(input.encoding_type.as_deref())?;
    let last = uploads.last().filter(|_| more);
    let (next_key, next_id) = (last.map(|upload| text(&upload.key)), last.map(|upload| upload.id.clone()));
    let entry = |upload: Upload| MultipartUpload {
        upload_id: Some(upload.id),
        key: Some(text(&upload.key)),
        initiated: Some(upload.initiated),
        storage_class: Some(upload.description.storage_class.unwrap_or_else(|| "STANDARD".into())),
        owner: Some(owner(&bucket.account)),
        initiator: Some(Initiator { id: owner(&bucket.account).id, display_name: None }),
        checksum_algorithm: upload.checksum_algorithm,
        checksum_type: upload.checksum_type,
    };
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        key_marker: Some(text(&key_marker)),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        prefix: input.prefix.as_deref().map(&text),
        max_uploads: i32::try_from(max).ok(),
        is_truncated: Some(more),
        uploads: Some(uploads.into_iter().map(entry).collect()),
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    })
}

/// For uniqueness of generated configuration ids: base64 of random bytes, as S3 makes them.
pub fn generated_id(entropy: &base::Entropy) -> String {
    STANDARD.encode(entropy.uuid())
}
