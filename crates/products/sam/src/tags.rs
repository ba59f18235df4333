//! Tags: a map in SAM, a list of `Key` and `Value` in CloudFormation.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::value::Properties;

/// Tags that only SAM itself and the application repository may set.
const RESERVED: [&str; 3] = ["lambda:createdBy", "serverlessrepo:applicationId", "serverlessrepo:semanticVersion"];

/// A map of tags as a list.
pub fn list(tags: Option<&Properties>) -> Vec<Value> {
    let tag = |(key, value): (&String, &Value)| {
        let value = if value.is_null() { Value::String(String::new()) } else { value.clone() };
        json!({"Key": key, "Value": value})
    };
    tags.into_iter().flatten().map(tag).collect()
}

/// The tags of a function or its role: `lambda:createdBy: SAM` and then the resource's own.
///
/// # Errors
/// A reserved key is used.
pub fn created_by_sam(logical_id: &str, tags: Option<&Properties>) -> Result<Value, TransformError> {
    if let Some(key) = RESERVED.iter().find(|key| tags.is_some_and(|tags| tags.contains_key(**key))) {
        let sentence = format!(
            "{key} is a reserved Tag key name and cannot be set on your resource. Please change the tag key in the input."
        );
        return Err(TransformError::resource(logical_id, sentence));
    }
    let mut out = vec![json!({"Key": "lambda:createdBy", "Value": "SAM"})];
    out.extend(list(tags));
    Ok(Value::Array(out))
}
