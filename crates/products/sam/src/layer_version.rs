//! `AWS::Serverless::LayerVersion` becomes an `AWS::Lambda::LayerVersion` whose logical id carries a hash, so that a
//! change publishes a new version and keeps the old one.

use serde_json::{Map, Value, json};

use crate::error::TransformError;
use crate::location;
use crate::logical_id;
use crate::properties::{Kind, Property, optional, required};
use crate::resource::{Generated, SamResource};
use crate::transform::Scope;
use crate::value::is_function;

/// The properties of the type.
pub const PROPERTIES: [Property; 8] = [
    optional("LayerName", Kind::StringOrMap),
    optional("Description", Kind::String),
    optional("PublishLambdaVersion", Kind::Boolean),
    required("ContentUri", Kind::StringOrMap),
    optional("CompatibleArchitectures", Kind::ListOfStringOrMap),
    optional("CompatibleRuntimes", Kind::ListOfStringOrMap),
    optional("LicenseInfo", Kind::String),
    optional("RetentionPolicy", Kind::String),
];

/// Properties in which references to parameters are replaced before the hash is made.
const RESOLVED: [&str; 4] = ["LayerName", "LicenseInfo", "Description", "RetentionPolicy"];

/// The layer version.
///
/// # Errors
/// The content, an architecture or the retention policy is invalid.
pub fn generate(source: &SamResource, scope: &mut Scope<'_>) -> Result<Vec<Generated>, TransformError> {
    let mut source = source.clone();
    for name in RESOLVED {
        if let Some(value) = source.get(name) {
            let resolved = scope.parameters.resolve(value);
            source.properties.insert(name.to_owned(), resolved);
        }
    }
    let mut attributes = source.passed_on();
    match retention_policy(&source)? {
        Some(policy) => {
            attributes.insert("DeletionPolicy".to_owned(), json!(policy));
        }
        None => {
            attributes.entry("DeletionPolicy").or_insert_with(|| json!("Retain"));
        }
    }
    let id = format!("{}{}", source.logical_id, logical_id::hash(&hashed(&source)));
    let mut layer = Generated::new(&id, "AWS::Lambda::LayerVersion", attributes);
    layer.depends_on = source.depends_on.clone();
    let name = source.truthy("LayerName").cloned().unwrap_or_else(|| json!(source.logical_id));
    layer.set("LayerName", name);
    layer.set_some("Description", source.get("Description"));
    let content = source.get("ContentUri").cloned().unwrap_or_default();
    layer.set("Content", location::code(&content, &id, "ContentUri")?);
    check_architectures(&source, &id)?;
    layer.take(&source.properties, &["CompatibleArchitectures", "CompatibleRuntimes", "LicenseInfo"]);
    Ok(vec![layer])
}

/// The resource as written, less the attributes that say nothing of the layer itself.
fn hashed(source: &SamResource) -> Value {
    let mut resource = Map::new();
    resource.insert("Type".to_owned(), json!("AWS::Serverless::LayerVersion"));
    if let Some(ids) = source.depends_on.as_ref().filter(|ids| crate::value::is_truthy(ids)) {
        resource.insert("DependsOn".to_owned(), ids.clone());
    }
    let ignored = ["DeletionPolicy", "UpdateReplacePolicy", "Metadata"];
    resource.extend(source.attributes.clone().into_iter().filter(|(name, _)| !ignored.contains(&name.as_str())));
    let properties = source.properties.clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
    resource.insert("Properties".to_owned(), Value::Object(properties));
    json!({ source.logical_id.as_str(): resource })
}

fn retention_policy(source: &SamResource) -> Result<Option<&'static str>, TransformError> {
    let options = "['Retain', 'Delete']";
    match source.get("RetentionPolicy") {
        None => Ok(None),
        Some(policy) if is_function(policy) => Err(source.error(format!(
            "'RetentionPolicy' does not accept intrinsic functions, please use one of the following options: {options}"
        ))),
        Some(Value::String(policy)) if policy.eq_ignore_ascii_case("retain") => Ok(Some("Retain")),
        Some(Value::String(policy)) if policy.eq_ignore_ascii_case("delete") => Ok(Some("Delete")),
        Some(_) => Err(source.error(format!("'RetentionPolicy' must be one of the following options: {options}."))),
    }
}

fn check_architectures(source: &SamResource, id: &str) -> Result<(), TransformError> {
    let listed = source.get("CompatibleArchitectures").and_then(Value::as_array).into_iter().flatten();
    let is_known = |value: &Value| is_function(value) || matches!(value.as_str(), Some("arm64" | "x86_64"));
    match listed.into_iter().all(is_known) {
        true => Ok(()),
        false => Err(TransformError::resource(id, "CompatibleArchitectures needs to be a list of 'x86_64' or 'arm64'")),
    }
}
