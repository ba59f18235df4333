//! Where code, layers and images lie.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::value::{Properties, is_truthy};

/// `CodeUri` or `ContentUri` as CloudFormation's `Code` or `Content`. A local path stays as it is: whoever deploys
/// from files puts the uploaded place there.
///
/// # Errors
/// It is neither text nor a map with bucket and key.
pub fn code(uri: &Value, logical_id: &str, property: &str) -> Result<Value, TransformError> {
    match uri {
        Value::Object(place) => {
            let part = |name: &str| place.get(name).filter(|value| is_truthy(value));
            let (Some(bucket), Some(key)) = (part("Bucket"), part("Key")) else {
                let sentence = format!("'{property}' requires Bucket and Key properties to be specified.");
                return Err(TransformError::resource(logical_id, sentence));
            };
            Ok(location(bucket.clone(), key.clone(), place.get("Version").cloned()))
        }
        Value::String(text) => match text.strip_prefix("s3://") {
            Some(rest) => from_s3_uri(rest).ok_or_else(|| {
                let sentence = format!(
                    "'{property}' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter."
                );
                TransformError::resource(logical_id, sentence)
            }),
            None => Ok(uri.clone()),
        },
        _ => Err(TransformError::resource(logical_id, format!("'{property}' must be of type dict or string."))),
    }
}

fn from_s3_uri(rest: &str) -> Option<Value> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = place.split('#').next().unwrap_or_default();
    let (bucket, key) = place.split_once('/')?;
    if bucket.is_empty() {
        return None;
    }
    let version = query.split('&').find_map(|pair| pair.strip_prefix("versionId=")).filter(|text| !text.is_empty());
    Some(location(json!(bucket), json!(key.trim_start_matches('/')), version.map(|version| json!(version))))
}

fn location(bucket: Value, key: Value, version: Option<Value>) -> Value {
    let mut out = Properties::new();
    out.insert("S3Bucket".to_owned(), bucket);
    out.insert("S3Key".to_owned(), key);
    out.extend(version.map(|version| ("S3ObjectVersion".to_owned(), version)));
    Value::Object(out)
}
