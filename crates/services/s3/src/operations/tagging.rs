use std::collections::BTreeMap;
use std::sync::Arc;

use model_s3::{
    DeleteBucketTaggingOutput, DeleteBucketTaggingRequest, DeleteObjectTaggingOutput, DeleteObjectTaggingRequest,
    GetBucketTaggingOutput, GetBucketTaggingRequest, GetObjectTaggingOutput, GetObjectTaggingRequest,
    PutBucketTaggingOutput, PutBucketTaggingRequest, PutObjectTaggingOutput, PutObjectTaggingRequest, Tag,
};
use wire::{Call, Error};

use super::head::check_version;
use crate::error;
use crate::object::check_tags;
use crate::objects::Telling;
use crate::service::S3;

pub async fn put_bucket_tagging(
    s3: Arc<S3>,
    call: Call,
    input: PutBucketTaggingRequest,
) -> Result<PutBucketTaggingOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let tags = unique(input.tagging.tag_set)?;
    s3.change_bucket(&input.bucket, |bucket| bucket.tags = tags).await?;
    Ok(PutBucketTaggingOutput {})
}

pub async fn get_bucket_tagging(
    s3: Arc<S3>,
    call: Call,
    input: GetBucketTaggingRequest,
) -> Result<GetBucketTaggingOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    if bucket.tags.is_empty() {
        return Err(error::no_such_configuration("NoSuchTagSet", "The TagSet does not exist", &input.bucket));
    }
    Ok(GetBucketTaggingOutput { tag_set: entries(&bucket.tags) })
}

pub async fn delete_bucket_tagging(
    s3: Arc<S3>,
    call: Call,
    input: DeleteBucketTaggingRequest,
) -> Result<DeleteBucketTaggingOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    s3.change_bucket(&input.bucket, |bucket| bucket.tags.clear()).await?;
    Ok(DeleteBucketTaggingOutput {})
}

pub async fn put_object_tagging(
    s3: Arc<S3>,
    call: Call,
    input: PutObjectTaggingRequest,
) -> Result<PutObjectTaggingOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_version(input.version_id.as_deref())?;
    let tags = unique(input.tagging.tag_set)?;
    check_tags(&tags)?;
    let telling = Telling::of(&call, "ObjectTagging:Put");
    s3.change_object(&bucket, &input.key, &telling, |head| head.description.tags = tags).await?;
    Ok(PutObjectTaggingOutput::default())
}

pub async fn get_object_tagging(
    s3: Arc<S3>,
    call: Call,
    input: GetObjectTaggingRequest,
) -> Result<GetObjectTaggingOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_version(input.version_id.as_deref())?;
    let head = s3.object(&input.bucket, &input.key).await?.head;
    Ok(GetObjectTaggingOutput { version_id: None, tag_set: entries(&head.description.tags) })
}

pub async fn delete_object_tagging(
    s3: Arc<S3>,
    call: Call,
    input: DeleteObjectTaggingRequest,
) -> Result<DeleteObjectTaggingOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_version(input.version_id.as_deref())?;
    let telling = Telling::of(&call, "ObjectTagging:Delete");
    s3.change_object(&bucket, &input.key, &telling, |head| head.description.tags.clear()).await?;
    Ok(DeleteObjectTaggingOutput::default())
}

fn unique(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, Error> {
    let mut by_key = BTreeMap::new();
    for Tag { key, value } in tags {
        if by_key.insert(key.clone(), value).is_some() {
            let message = "Cannot provide multiple Tags with the same key";
            return Err(Error::new("InvalidTag", 400, message).with("TagKey", key));
        }
    }
    Ok(by_key)
}

fn entries(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}
