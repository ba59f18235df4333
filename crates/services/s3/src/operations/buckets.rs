use std::sync::Arc;

use base::Region;
use model_s3::{
    Bucket as BucketEntry, CreateBucketOutput, CreateBucketRequest, DeleteBucketOutput, DeleteBucketRequest,
    GetBucketLocationOutput, GetBucketLocationRequest, HeadBucketOutput, HeadBucketRequest, ListBucketsOutput,
    ListBucketsRequest, Owner,
};
use store::Range;
use wire::{Call, Error};

use crate::bucket::{self, Bucket};
use crate::error;
use crate::service::S3;

/// A bucket in the caller's account; again for one's own in us-east-1.
pub async fn create_bucket(s3: Arc<S3>, call: Call, input: CreateBucketRequest) -> Result<CreateBucketOutput, Error> {
    let configuration = input.create_bucket_configuration.unwrap_or_default();
    check_location(call.scope.region.as_str(), configuration.location_constraint.as_deref())?;
    super::configuration::check_canned_acl(input.acl.as_deref())?;
    let mut bucket = Bucket::new(&input.bucket, &call.scope, s3.fabric.now());
    bucket.tags = configuration.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect();
    if input.object_ownership.is_some() {
        bucket.ownership = input.object_ownership;
    }
    let again = create_bucket_named(&s3, bucket).await?;
    if again && call.scope.region.as_str() != Region::DEFAULT {
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(model_s3::errors::bucket_already_owned_by_you(message).with("BucketName", input.bucket));
    }
    Ok(CreateBucketOutput {
        location: Some(format!("/{}", input.bucket)),
        bucket_arn: Some(format!("arn:aws:s3:::{}", input.bucket)),
    })
}

/// Creates the bucket; true if its account has it already.
pub(crate) async fn create_bucket_named(s3: &S3, bucket: Bucket) -> Result<bool, Error> {
    if !bucket::is_valid_name(&bucket.name) {
        let invalid = Error::new("InvalidBucketName", 400, "The specified bucket is not valid.");
        return Err(invalid.with("BucketName", bucket.name));
    }
    let created = s3.buckets.apply(|buckets, tx| {
        if let Some(existing) = buckets.get(&bucket.name) {
            return Ok::<_, cell::Error>(Some(existing.account == bucket.account));
        }
        cell::json::put(tx, &bucket.name, &bucket);
        buckets.put(bucket.clone());
        Ok(None)
    });
    match created.await.map_err(error::internal)? {
        None => Ok(false),
        Some(true) => Ok(true),
        Some(false) => {
            let message = "The requested bucket name is not available. The bucket namespace is shared by all users \
                           of the system. Please select a different name and try again.";
            Err(model_s3::errors::bucket_already_exists(message).with("BucketName", bucket.name))
        }
    }
}

fn check_location(region: &str, constraint: Option<&str>) -> Result<(), Error> {
    let incompatible = |constraint: &str| {
        let message = format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint this request \
             was sent to."
        );
        Err(Error::new("IllegalLocationConstraintException", 400, message))
    };
    match constraint {
        Some(constraint) if Region::parse(constraint).is_none() => {
            let message = "The specified location-constraint is not valid";
            Err(Error::new("InvalidLocationConstraint", 400, message).with("LocationConstraint", constraint))
        }
        Some("EU") if region == "eu-west-1" => Ok(()),
        Some(constraint) if constraint == region || region == Region::DEFAULT => Ok(()),
        Some(constraint) => incompatible(constraint),
        None if region == Region::DEFAULT => Ok(()),
        None => incompatible("unspecified"),
    }
}

pub async fn head_bucket(s3: Arc<S3>, call: Call, input: HeadBucketRequest) -> Result<HeadBucketOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    Ok(HeadBucketOutput {
        bucket_arn: Some(bucket.arn()),
        bucket_region: Some(bucket.region.clone()),
        access_point_alias: Some(false),
        ..HeadBucketOutput::default()
    })
}

pub async fn delete_bucket(s3: Arc<S3>, call: Call, input: DeleteBucketRequest) -> Result<DeleteBucketOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    delete_bucket_named(&s3, &input.bucket).await?;
    Ok(DeleteBucketOutput {})
}

/// Deletes a bucket without objects, and the uploads begun in it.
pub(crate) async fn delete_bucket_named(s3: &S3, name: &str) -> Result<(), Error> {
    let open = s3.objects_of(name).await?;
    let mut gate = open.gate.write().await;
    let any = s3.fabric.store.range(Range::prefix(open.cell.key("o/")).limit(1)).await.map_err(error::internal)?;
    if !any.is_empty() {
        let message = "The bucket you tried to delete is not empty";
        return Err(Error::new("BucketNotEmpty", 409, message).with("BucketName", name));
    }
    for upload in s3.uploads(name).await? {
        match s3.abort(name, &upload.key, &upload.id).await {
            // Its caller has aborted it at the same time.
            Err(error) if error.status == 404 => {}
            ended => ended?,
        }
    }
    let deleted = s3.buckets.apply(|buckets, tx| {
        tx.delete(name);
        buckets.remove(name);
        Ok::<_, cell::Error>(())
    });
    deleted.await.map_err(error::internal)?;
    *gate = true;
    s3.forget(name);
    Ok(())
}

pub async fn list_buckets(s3: Arc<S3>, call: Call, input: ListBucketsRequest) -> Result<ListBucketsOutput, Error> {
    const BUCKETS_MAX: usize = 10_000;
    let max = input.max_buckets.and_then(|max| usize::try_from(max).ok()).unwrap_or(BUCKETS_MAX).min(BUCKETS_MAX);
    let account = call.scope.account.to_string();
    let found = s3.buckets.read(|buckets| {
        let own = buckets.iter().filter(|bucket| bucket.account == account);
        let wanted = own.filter(|bucket| {
            let named = input.prefix.as_ref().is_none_or(|prefix| bucket.name.starts_with(prefix.as_str()));
            let after = input.continuation_token.as_ref().is_none_or(|token| bucket.name > *token);
            named && after && input.bucket_region.as_ref().is_none_or(|region| bucket.region == *region)
        });
        wanted.take(max + 1).cloned().collect::<Vec<_>>()
    });
    let mut found = found.await.map_err(error::internal)?;
    let more = found.len() > max;
    found.truncate(max);
    let token = more.then(|| found.last().map(|bucket| bucket.name.clone())).flatten();
    let entry = |bucket: &Arc<Bucket>| BucketEntry {
        name: Some(bucket.name.clone()),
        creation_date: Some(bucket.created),
        bucket_region: Some(bucket.region.clone()),
        bucket_arn: Some(bucket.arn()),
    };
    Ok(ListBucketsOutput {
        buckets: Some(found.iter().map(entry).collect()),
        owner: Some(owner(&account)),
        continuation_token: token,
        prefix: input.prefix,
    })
}

pub async fn get_bucket_location(
    s3: Arc<S3>,
    call: Call,
    input: GetBucketLocationRequest,
) -> Result<GetBucketLocationOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let elsewhere = (bucket.region != Region::DEFAULT).then(|| bucket.region.clone());
    Ok(GetBucketLocationOutput { location_constraint: elsewhere })
}

/// An account as the owner of buckets and objects: a canonical id made from the account's.
pub fn owner(account: &str) -> Owner {
    Owner { display_name: None, id: Some(format!("{account:0>64}")) }
}
