//! How a template makes buckets and their policies.

mod bucket;
mod bucket_policy;

use std::sync::Arc;

use fabric::{Change, ProviderError, Resource, ResourceContext, ResourceProvider, Updated};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::service::S3;

const BUCKET: &str = "AWS::S3::Bucket";
const BUCKET_POLICY: &str = "AWS::S3::BucketPolicy";

pub(crate) struct Provider {
    s3: Arc<S3>,
}

impl Provider {
    pub(crate) fn new(s3: Arc<S3>) -> Provider {
        Provider { s3 }
    }
}

impl ResourceProvider for Provider {
    fn types(&self) -> &'static [&'static str] {
        &[BUCKET, BUCKET_POLICY]
    }

    fn check(&self, resource_type: &str, properties: &Map<String, Value>) -> Result<(), ProviderError> {
        match resource_type {
            BUCKET => bucket::Properties::read(properties).map(drop),
            _ => bucket_policy::read(properties).map(drop),
        }
    }

    fn change(&self, resource_type: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Change {
        let replacing: &[&str] = if resource_type == BUCKET { &["BucketName"] } else { &["Bucket"] };
        Change::between(old, new, replacing)
    }

    fn create<'a>(
        &'a self,
        context: &'a ResourceContext,
        properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Resource, ProviderError>> {
        async move {
            match context.resource_type.as_str() {
                BUCKET => bucket::create(&self.s3, context, properties).await,
                _ => bucket_policy::put(&self.s3, properties).await,
            }
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        _old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<Updated, ProviderError>> {
        async move {
            let resource = match context.resource_type.as_str() {
                BUCKET => bucket::configure(&self.s3, context, physical_id, new).await?,
                _ => bucket_policy::put(&self.s3, new).await?,
            };
            Ok(Updated { resource })
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        context: &'a ResourceContext,
        physical_id: &'a str,
        _properties: &'a Map<String, Value>,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            match context.resource_type.as_str() {
                BUCKET => bucket::delete(&self.s3, physical_id).await,
                _ => bucket_policy::delete(&self.s3, physical_id).await,
            }
        }
        .boxed()
    }
}
