use std::sync::Arc;

use model_s3::{
    DeleteObjectOutput, DeleteObjectRequest, DeleteObjectsOutput, DeleteObjectsRequest, DeletedObject,
    Error as ErrorEntry, ObjectIdentifier,
};
use wire::{Call, Error};

use super::head::{check_version, signed};
use crate::bucket::Bucket;
use crate::condition::WriteCondition;
use crate::error;
use crate::object::Head;
use crate::objects::Telling;
use crate::service::S3;

/// Deletes an object; a key without one is no error.
pub async fn delete_object(s3: Arc<S3>, call: Call, input: DeleteObjectRequest) -> Result<DeleteObjectOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_version(input.version_id.as_deref())?;
    let condition = WriteCondition { if_match: input.if_match.clone(), if_none_match: None };
    let may = |head: &Head| {
        condition.check(&input.key, Some(head))?;
        let size = input.if_match_size.is_none_or(|size| size == signed(head.size));
        let time = input.if_match_last_modified_time.is_none_or(|time| time.secs() == head.modified.secs());
        if size && time { Ok(()) } else { Err(error::precondition_failed("x-amz-if-match")) }
    };
    s3.delete_object(&bucket, &input.key, may, &Telling::of(&call, "ObjectRemoved:Delete")).await?;
    Ok(DeleteObjectOutput::default())
}

/// Deletes up to 1,000 objects and tells of each how it went.
pub async fn delete_objects(
    s3: Arc<S3>,
    call: Call,
    input: DeleteObjectsRequest,
) -> Result<DeleteObjectsOutput, Error> {
    const OBJECTS_MAX: usize = 1_000;
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    if input.delete.objects.is_empty() || input.delete.objects.len() > OBJECTS_MAX {
        return Err(error::malformed_xml());
    }
    let mut output = DeleteObjectsOutput { deleted: Some(Vec::new()), errors: Some(Vec::new()) };
    let quiet = input.delete.quiet.unwrap_or(false);
    for object in input.delete.objects {
        let outcome = delete_one(&s3, &call, &bucket, &object).await;
        match (outcome, &mut output.deleted, &mut output.errors) {
            (Ok(()), Some(deleted), _) if !quiet => deleted.push(DeletedObject {
                key: Some(object.key),
                version_id: object.version_id,
                ..DeletedObject::default()
            }),
            (Err(error), _, Some(errors)) => errors.push(ErrorEntry {
                key: Some(object.key),
                version_id: object.version_id,
                code: Some(error.code.into_owned()),
                message: Some(error.message),
            }),
            _ => {}
        }
    }
    Ok(output)
}

async fn delete_one(s3: &S3, call: &Call, bucket: &Bucket, object: &ObjectIdentifier) -> Result<(), Error> {
    check_version(object.version_id.as_deref())?;
    let condition = WriteCondition { if_match: object.etag.clone(), if_none_match: None };
    let may = |head: &Head| condition.check(&object.key, Some(head));
    s3.delete_object(bucket, &object.key, may, &Telling::of(call, "ObjectRemoved:Delete")).await.map(drop)
}
