//! What a bucket is told and tells again: versioning, policy, public access, encryption, ownership, ACL.

use std::sync::Arc;

use model_s3::{
    DeleteBucketPolicyOutput, DeleteBucketPolicyRequest, DeletePublicAccessBlockOutput, DeletePublicAccessBlockRequest,
    GetBucketAclOutput, GetBucketAclRequest, GetBucketEncryptionOutput, GetBucketEncryptionRequest,
    GetBucketOwnershipControlsOutput, GetBucketOwnershipControlsRequest, GetBucketPolicyOutput, GetBucketPolicyRequest,
    GetBucketVersioningOutput, GetBucketVersioningRequest, GetPublicAccessBlockOutput, GetPublicAccessBlockRequest,
    Grant, Grantee, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration, PutBucketAclOutput,
    PutBucketAclRequest, PutBucketEncryptionOutput, PutBucketEncryptionRequest, PutBucketOwnershipControlsOutput,
    PutBucketOwnershipControlsRequest, PutBucketPolicyOutput, PutBucketPolicyRequest, PutBucketVersioningOutput,
    PutBucketVersioningRequest, PutPublicAccessBlockOutput, PutPublicAccessBlockRequest, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use wire::{Call, Error};

use super::buckets::owner;
use crate::bucket::{AccessBlock, Encryption};
use crate::error;
use crate::service::S3;

pub async fn put_bucket_versioning(
    s3: Arc<S3>,
    call: Call,
    input: PutBucketVersioningRequest,
) -> Result<PutBucketVersioningOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    match input.versioning_configuration.status.as_deref() {
        // Suspending what was never enabled changes nothing that a reader could see.
        Some("Suspended") => Ok(PutBucketVersioningOutput {}),
        Some("Enabled") => Err(error::not_implemented("versioning of buckets")),
        _ => {
            Err(Error::new("IllegalVersioningConfigurationException", 400, "The Versioning element must be specified"))
        }
    }
}

pub async fn get_bucket_versioning(
    s3: Arc<S3>,
    call: Call,
    input: GetBucketVersioningRequest,
) -> Result<GetBucketVersioningOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    Ok(GetBucketVersioningOutput::default())
}

pub async fn get_bucket_policy(
    s3: Arc<S3>,
    call: Call,
    input: GetBucketPolicyRequest,
) -> Result<GetBucketPolicyOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let missing =
        || error::no_such_configuration("NoSuchBucketPolicy", "The bucket policy does not exist", &input.bucket);
    Ok(GetBucketPolicyOutput { policy: Some(bucket.policy.clone().ok_or_else(missing)?) })
}

pub async fn put_bucket_policy(
    s3: Arc<S3>,
    call: Call,
    input: PutBucketPolicyRequest,
) -> Result<PutBucketPolicyOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    check_policy(&input.policy)?;
    s3.change_bucket(&input.bucket, |bucket| bucket.policy = Some(input.policy)).await?;
    Ok(PutBucketPolicyOutput {})
}

/// A policy must be a JSON object with statements.
pub(crate) fn check_policy(policy: &str) -> Result<(), Error> {
    let malformed = |message: &str| Err(Error::new("MalformedPolicy", 400, message));
    match serde_json::from_str::<serde_json::Value>(policy) {
        Ok(document) if document.get("Statement").is_some() => Ok(()),
        Ok(serde_json::Value::Object(_)) => malformed("Missing required field Statement"),
        Ok(_) | Err(_) => malformed("Policies must be valid JSON and the first byte must be '{'"),
    }
}

pub async fn delete_bucket_policy(
    s3: Arc<S3>,
    call: Call,
    input: DeleteBucketPolicyRequest,
) -> Result<DeleteBucketPolicyOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    s3.change_bucket(&input.bucket, |bucket| bucket.policy = None).await?;
    Ok(DeleteBucketPolicyOutput {})
}

pub async fn get_public_access_block(
    s3: Arc<S3>,
    call: Call,
    input: GetPublicAccessBlockRequest,
) -> Result<GetPublicAccessBlockOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let missing = || {
        let message = "The public access block configuration was not found";
        error::no_such_configuration("NoSuchPublicAccessBlockConfiguration", message, &input.bucket)
    };
    let block = bucket.access_block.ok_or_else(missing)?;
    let configuration = PublicAccessBlockConfiguration {
        block_public_acls: Some(block.block_public_acls),
        ignore_public_acls: Some(block.ignore_public_acls),
        block_public_policy: Some(block.block_public_policy),
        restrict_public_buckets: Some(block.restrict_public_buckets),
    };
    Ok(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) })
}

pub async fn put_public_access_block(
    s3: Arc<S3>,
    call: Call,
    input: PutPublicAccessBlockRequest,
) -> Result<PutPublicAccessBlockOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let configuration = input.public_access_block_configuration;
    let block = AccessBlock {
        block_public_acls: configuration.block_public_acls.unwrap_or(false),
        ignore_public_acls: configuration.ignore_public_acls.unwrap_or(false),
        block_public_policy: configuration.block_public_policy.unwrap_or(false),
        restrict_public_buckets: configuration.restrict_public_buckets.unwrap_or(false),
    };
    s3.change_bucket(&input.bucket, |bucket| bucket.access_block = Some(block)).await?;
    Ok(PutPublicAccessBlockOutput {})
}

pub async fn delete_public_access_block(
    s3: Arc<S3>,
    call: Call,
    input: DeletePublicAccessBlockRequest,
) -> Result<DeletePublicAccessBlockOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    s3.change_bucket(&input.bucket, |bucket| bucket.access_block = None).await?;
    Ok(DeletePublicAccessBlockOutput {})
}

pub async fn get_bucket_encryption(
    s3: Arc<S3>,
    call: Call,
    input: GetBucketEncryptionRequest,
) -> Result<GetBucketEncryptionOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let encryption =
        bucket.encryption.clone().unwrap_or(Encryption { algorithm: "AES256".into(), key: None, bucket_key: false });
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
            sse_algorithm: encryption.algorithm,
            kms_master_key_id: encryption.key,
        }),
        bucket_key_enabled: Some(encryption.bucket_key),
        ..ServerSideEncryptionRule::default()
    };
    let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
    Ok(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) })
}

pub async fn put_bucket_encryption(
    s3: Arc<S3>,
    call: Call,
    input: PutBucketEncryptionRequest,
) -> Result<PutBucketEncryptionOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let rule = input.server_side_encryption_configuration.rules.into_iter().next().ok_or_else(error::malformed_xml)?;
    let by_default = rule.apply_server_side_encryption_by_default.ok_or_else(error::malformed_xml)?;
    let encryption = Encryption {
        algorithm: by_default.sse_algorithm,
        key: by_default.kms_master_key_id,
        bucket_key: rule.bucket_key_enabled.unwrap_or(false),
    };
    s3.change_bucket(&input.bucket, |bucket| bucket.encryption = Some(encryption)).await?;
    Ok(PutBucketEncryptionOutput {})
}

pub async fn get_bucket_acl(s3: Arc<S3>, call: Call, input: GetBucketAclRequest) -> Result<GetBucketAclOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let owner = owner(&bucket.account);
    let grantee = Grantee { id: owner.id.clone(), r#type: "CanonicalUser".into(), ..Grantee::default() };
    let grant = Grant { grantee: Some(grantee), permission: Some("FULL_CONTROL".into()) };
    Ok(GetBucketAclOutput { owner: Some(owner), grants: Some(vec![grant]) })
}

pub async fn put_bucket_acl(s3: Arc<S3>, call: Call, input: PutBucketAclRequest) -> Result<PutBucketAclOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let grants =
        [input.grant_full_control, input.grant_read, input.grant_read_acp, input.grant_write, input.grant_write_acp];
    if input.access_control_policy.is_some() || grants.iter().any(Option::is_some) {
        return Err(no_acls());
    }
    check_canned_acl(input.acl.as_deref())?;
    Ok(PutBucketAclOutput {})
}

/// With the bucket's owner owning every object, only these two ACLs mean anything.
pub(crate) fn check_canned_acl(acl: Option<&str>) -> Result<(), Error> {
    match acl {
        None | Some("private" | "bucket-owner-full-control") => Ok(()),
        Some(_) => Err(no_acls()),
    }
}

fn no_acls() -> Error {
    Error::new("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
}

pub async fn put_bucket_ownership_controls(
    s3: Arc<S3>,
    call: Call,
    input: PutBucketOwnershipControlsRequest,
) -> Result<PutBucketOwnershipControlsOutput, Error> {
    s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let rule = input.ownership_controls.rules.into_iter().next().ok_or_else(error::malformed_xml)?;
    s3.change_bucket(&input.bucket, |bucket| bucket.ownership = Some(rule.object_ownership)).await?;
    Ok(PutBucketOwnershipControlsOutput {})
}

pub async fn get_bucket_ownership_controls(
    s3: Arc<S3>,
    call: Call,
    input: GetBucketOwnershipControlsRequest,
) -> Result<GetBucketOwnershipControlsOutput, Error> {
    let bucket = s3.bucket(&call, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    let missing = || {
        let message = "The bucket ownership controls were not found";
        error::no_such_configuration("OwnershipControlsNotFoundError", message, &input.bucket)
    };
    let object_ownership = bucket.ownership.clone().ok_or_else(missing)?;
    let controls = OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] };
    Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(controls) })
}
