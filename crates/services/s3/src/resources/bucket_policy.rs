use fabric::{ProviderError, Resource};
use serde_json::{Map, Value};

use crate::operations::check_policy;
use crate::service::S3;

/// The bucket's name and the policy as text.
pub(super) fn read(properties: &Map<String, Value>) -> Result<(String, String), ProviderError> {
    if let Some(unknown) = properties.keys().find(|name| !["Bucket", "PolicyDocument"].contains(&name.as_str())) {
        return Err(ProviderError::invalid(unknown, format!("Encountered unsupported property {unknown}")));
    }
    let bucket = properties.get("Bucket").and_then(Value::as_str);
    let bucket = bucket.ok_or_else(|| ProviderError::invalid("Bucket", "Property Bucket cannot be empty."))?;
    let document = match properties.get("PolicyDocument") {
        Some(Value::String(text)) => text.clone(),
        Some(document) => document.to_string(),
        None => return Err(ProviderError::invalid("PolicyDocument", "Property PolicyDocument cannot be empty.")),
    };
    Ok((bucket.to_owned(), document))
}

pub(super) async fn put(s3: &S3, properties: &Map<String, Value>) -> Result<Resource, ProviderError> {
    let (bucket, document) = read(properties)?;
    check_policy(&document)?;
    s3.change_bucket(&bucket, |bucket| bucket.policy = Some(document)).await?;
    Ok(Resource::new(bucket))
}

pub(super) async fn delete(s3: &S3, bucket: &str) -> Result<(), ProviderError> {
    match s3.change_bucket(bucket, |bucket| bucket.policy = None).await {
        Err(error) if error.status == 404 => Ok(()),
        outcome => Ok(outcome?),
    }
}
