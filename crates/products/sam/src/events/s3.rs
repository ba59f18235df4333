//! `S3`: the bucket, which must be in the same template, notifies the function.

use serde_json::{Map, Value, json};

use crate::error::TransformError;
use crate::events::{Event, Target};
use crate::properties::{Kind, Property, optional, required};
use crate::resource::Generated;
use crate::transform::Scope;
use crate::value::{Properties, conditional, no_value, reference};

/// The properties of the event type.
pub const PROPERTIES: [Property; 3] = [
    required("Bucket", Kind::String),
    Property { accepts_functions: false, ..required("Events", Kind::StringOrStringList) },
    // A filter is `{S3Key: …}`: one key, which passes as a function would.
    optional("Filter", Kind::MapOfStrings),
];

/// The logical id of the event's bucket.
///
/// # Errors
/// `Bucket` does not name a bucket of the template.
pub fn bucket_id(event: &Event, resources: &Map<String, Value>) -> Result<String, TransformError> {
    match event.get("Bucket").and_then(|bucket| bucket.get("Ref")) {
        Some(Value::String(id)) if resources.contains_key(id) => Ok(id.clone()),
        Some(id) if !id.is_string() => Err(event.error("'Ref' value in S3 events is not a valid string.")),
        _ => Err(event.error("S3 events must reference an S3 bucket in the same template.")),
    }
}

/// The permission; the bucket gets its notification and waits for the permission, which S3 tests.
///
/// # Errors
/// The bucket is no bucket, or its properties are malformed.
pub fn generate(event: &Event, target: &Target, scope: &mut Scope<'_>) -> Result<(Generated, String), TransformError> {
    let id = bucket_id(event, scope.resources)?;
    let mut permission = event.permission("s3.amazonaws.com", target);
    permission.set("SourceAccount", reference("AWS::AccountId"));
    let Some(Value::Object(bucket)) = scope.resources.get_mut(&id) else {
        return Err(event.error("S3 events must reference an S3 bucket in the same template."));
    };
    if bucket.get("Type") != Some(&json!("AWS::S3::Bucket")) {
        let actual = crate::value::shown(bucket.get("Type"));
        let sentence = format!("Resource has incorrect Type; expected 'AWS::S3::Bucket', got '{actual}'");
        return Err(TransformError::resource(&id, sentence));
    }
    match target.condition() {
        Some(condition) => depend_by_tag(bucket, &id, condition, &permission.logical_id)?,
        None => depend(bucket, event, &permission.logical_id)?,
    }
    notify(bucket, &id, event, target)?;
    Ok((permission, id))
}

fn depend(bucket: &mut Properties, event: &Event, permission: &str) -> Result<(), TransformError> {
    let mut ids = match bucket.get("DependsOn") {
        None => Vec::new(),
        Some(Value::Array(ids)) => ids.clone(),
        Some(id @ Value::String(_)) => vec![id.clone()],
        Some(_) => {
            let sentence = "Invalid type for field 'DependsOn'. Expected a string or list of strings.";
            return Err(TransformError::resource(&event.logical_id, sentence));
        }
    };
    if !ids.contains(&json!(permission)) {
        ids.push(json!(permission));
    }
    bucket.insert("DependsOn".to_owned(), Value::Array(ids));
    Ok(())
}

/// `DependsOn` cannot be conditional; a tag whose value refers to the permission can.
fn depend_by_tag(bucket: &mut Properties, id: &str, condition: &str, permission: &str) -> Result<(), TransformError> {
    let properties = properties_of(bucket, id)?;
    let tags = properties.entry("Tags").or_insert_with(|| json!([]));
    let Value::Array(tags) = tags else {
        return Err(TransformError::resource(id, "Property 'Tags' should be a list."));
    };
    tags.push(json!({
        "Key": format!("sam:ConditionalDependsOn:{permission}"),
        "Value": conditional(condition, reference(permission), json!("no dependency")),
    }));
    Ok(())
}

fn notify(bucket: &mut Properties, id: &str, event: &Event, target: &Target) -> Result<(), TransformError> {
    let properties = properties_of(bucket, id)?;
    let notifications = properties.entry("NotificationConfiguration").or_insert_with(|| json!({}));
    let Value::Object(notifications) = notifications else {
        return Err(TransformError::resource(id, "Property 'NotificationConfiguration' should be a map."));
    };
    let functions = notifications.entry("LambdaConfigurations").or_insert_with(|| json!([]));
    let Value::Array(functions) = functions else {
        return Err(TransformError::resource(id, "Invalid type for LambdaConfigurations. Must be a list."));
    };
    let names = match event.get("Events") {
        Some(Value::Array(names)) => names.clone(),
        Some(name) => vec![name.clone()],
        None => Vec::new(),
    };
    for name in names {
        let mut notification = Properties::from_iter([("Function".to_owned(), target.arn.clone())]);
        notification.extend(event.get("Filter").map(|filter| ("Filter".to_owned(), filter.clone())));
        notification.insert("Event".to_owned(), name);
        let notification = match target.condition() {
            Some(condition) => conditional(condition, Value::Object(notification), no_value()),
            None => Value::Object(notification),
        };
        if !functions.contains(&notification) {
            functions.push(notification);
        }
    }
    Ok(())
}

fn properties_of<'a>(bucket: &'a mut Properties, id: &str) -> Result<&'a mut Properties, TransformError> {
    match bucket.entry("Properties").or_insert_with(|| json!({})) {
        Value::Object(properties) => Ok(properties),
        _ => Err(TransformError::resource(id, "Properties should be a map.")),
    }
}
