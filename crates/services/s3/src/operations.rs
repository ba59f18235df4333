//! The operations of the API, registered once.

mod buckets;
mod configuration;
mod copy;
mod delete;
mod get;
mod head;
mod list;
mod multipart;
mod notification;
mod put;
mod tagging;

pub(crate) use buckets::{create_bucket_named, delete_bucket_named};
pub(crate) use configuration::check_policy;
pub(crate) use notification::check_rules;

use std::sync::Arc;

use model_s3 as model;

use crate::service::S3;

pub(crate) fn api(service: Arc<S3>) -> Arc<wire::Api> {
    wire::Api::builder(&model::SERVICE, service)
        .on::<model::CreateBucket, _, _, _>(buckets::create_bucket)
        .on::<model::HeadBucket, _, _, _>(buckets::head_bucket)
        .on::<model::DeleteBucket, _, _, _>(buckets::delete_bucket)
        .on::<model::ListBuckets, _, _, _>(buckets::list_buckets)
        .on::<model::GetBucketLocation, _, _, _>(buckets::get_bucket_location)
        .on::<model::PutObject, _, _, _>(put::put_object)
        .on::<model::GetObject, _, _, _>(get::get_object)
        .on::<model::HeadObject, _, _, _>(head::head_object)
        .on::<model::GetObjectAttributes, _, _, _>(head::get_object_attributes)
        .on::<model::CopyObject, _, _, _>(copy::copy_object)
        .on::<model::DeleteObject, _, _, _>(delete::delete_object)
        .on::<model::DeleteObjects, _, _, _>(delete::delete_objects)
        .on::<model::ListObjects, _, _, _>(list::list_objects)
        .on::<model::ListObjectsV2, _, _, _>(list::list_objects_v2)
        .on::<model::CreateMultipartUpload, _, _, _>(multipart::create_multipart_upload)
        .on::<model::UploadPart, _, _, _>(multipart::upload_part)
        .on::<model::UploadPartCopy, _, _, _>(copy::upload_part_copy)
        .on::<model::CompleteMultipartUpload, _, _, _>(multipart::complete_multipart_upload)
        .on::<model::AbortMultipartUpload, _, _, _>(multipart::abort_multipart_upload)
        .on::<model::ListParts, _, _, _>(multipart::list_parts)
        .on::<model::ListMultipartUploads, _, _, _>(multipart::list_multipart_uploads)
        .on::<model::PutBucketNotificationConfiguration, _, _, _>(notification::put_configuration)
        .on::<model::GetBucketNotificationConfiguration, _, _, _>(notification::get_configuration)
        .on::<model::PutBucketTagging, _, _, _>(tagging::put_bucket_tagging)
        .on::<model::GetBucketTagging, _, _, _>(tagging::get_bucket_tagging)
        .on::<model::DeleteBucketTagging, _, _, _>(tagging::delete_bucket_tagging)
        .on::<model::PutObjectTagging, _, _, _>(tagging::put_object_tagging)
        .on::<model::GetObjectTagging, _, _, _>(tagging::get_object_tagging)
        .on::<model::DeleteObjectTagging, _, _, _>(tagging::delete_object_tagging)
        .on::<model::PutBucketVersioning, _, _, _>(configuration::put_bucket_versioning)
        .on::<model::GetBucketVersioning, _, _, _>(configuration::get_bucket_versioning)
        .on::<model::GetBucketPolicy, _, _, _>(configuration::get_bucket_policy)
        .on::<model::PutBucketPolicy, _, _, _>(configuration::put_bucket_policy)
        .on::<model::DeleteBucketPolicy, _, _, _>(configuration::delete_bucket_policy)
        .on::<model::GetPublicAccessBlock, _, _, _>(configuration::get_public_access_block)
        .on::<model::PutPublicAccessBlock, _, _, _>(configuration::put_public_access_block)
        .on::<model::DeletePublicAccessBlock, _, _, _>(configuration::delete_public_access_block)
        .on::<model::GetBucketEncryption, _, _, _>(configuration::get_bucket_encryption)
        .on::<model::PutBucketEncryption, _, _, _>(configuration::put_bucket_encryption)
        .on::<model::GetBucketAcl, _, _, _>(configuration::get_bucket_acl)
        .on::<model::PutBucketAcl, _, _, _>(configuration::put_bucket_acl)
        .on::<model::PutBucketOwnershipControls, _, _, _>(configuration::put_bucket_ownership_controls)
        .on::<model::GetBucketOwnershipControls, _, _, _>(configuration::get_bucket_ownership_controls)
        .build()
}
