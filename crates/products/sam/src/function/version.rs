//! `AutoPublishAlias`: a version whose logical id changes with the code, and an alias that points at it.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::logical_id;
use crate::resource::{Generated, SamResource};
use crate::transform::Scope;
use crate::value::{Properties, attribute, is_truthy, only_entry, reference};

/// A published version and its alias.
pub struct Published {
    /// The `AWS::Lambda::Version`.
    pub version: Generated,
    /// The `AWS::Lambda::Alias`.
    pub alias: Generated,
    /// The alias's name.
    pub alias_name: String,
}

/// Publishes the function under an alias.
///
/// # Errors
/// The alias's name or the given hash of the code is not known or not allowed.
pub fn publish(
    source: &SamResource,
    alias: &Value,
    function: &mut Generated,
    scope: &Scope<'_>,
) -> Result<Published, TransformError> {
    let Value::String(alias_name) = scope.parameters.resolve(alias) else {
        return Err(source.error("'AutoPublishAlias' must be a string or a Ref to a template parameter"));
    };
    let code_sha256 = code_sha256(source, function, scope)?;
    // A changed parameter that names the code must make a new version.
    let code = scope.parameters.resolve(&function.properties["Code"]);
    function.set("Code", code);
    let version = version(source, function, code_sha256.as_deref(), scope);
    let alias = self::alias(source, &alias_name, &version)?;
    Ok(Published { version, alias, alias_name })
}

/// The hash that the caller gives, also noted in the description: Lambda publishes no version when nothing changed.
fn code_sha256(
    source: &SamResource,
    function: &mut Generated,
    scope: &Scope<'_>,
) -> Result<Option<String>, TransformError> {
    let Some(given) = source.truthy("AutoPublishCodeSha256") else { return Ok(None) };
    let Value::String(hash) = scope.parameters.resolve(given) else {
        return Err(source.error("AutoPublishCodeSha256 must be a string"));
    };
    let description = scope.parameters.resolve(source.get("Description").unwrap_or(&Value::Null));
    let described = match &description {
        Value::String(text) if !text.is_empty() => json!(format!("{text} {hash}")),
        other if is_truthy(other) => json!({"Fn::Join": [" ", [other, hash]]}),
        _ => json!(hash),
    };
    function.set("Description", described);
    Ok(Some(hash))
}

fn version(source: &SamResource, function: &Generated, code_sha256: Option<&str>, scope: &Scope<'_>) -> Generated {
    let hash = match code_sha256 {
        Some(hash) if !hash.is_empty() => logical_id::truncated(hash).to_owned(),
        _ => logical_id::hash(&Value::Object(hashed(source, function, scope))),
    };
    let mut attributes = source.passed_on();
    attributes
        .entry("DeletionPolicy")
        .or_insert_with(|| source.get("VersionDeletionPolicy").cloned().unwrap_or_else(|| json!("Retain")));
    let id = format!("{}Version{hash}", source.logical_id);
    let mut version = Generated::new(id, "AWS::Lambda::Version", attributes);
    version.set("FunctionName", reference(&source.logical_id));
    version.set_some("Description", source.get("VersionDescription"));
    version
}

/// What makes a new version when it changes.
fn hashed(source: &SamResource, function: &Generated, scope: &Scope<'_>) -> Properties {
    if source.truthy("AutoPublishAliasAllProperties").is_some() {
        let mut all = function.properties.clone();
        all.extend(published_layers(function, scope));
        return all;
    }
    let mut hashed = match &function.properties["Code"] {
        Value::Object(code) => code.clone(),
        path => Properties::from_iter([("Code".to_owned(), path.clone())]),
    };
    if let Some(Value::Object(environment)) = function.properties.get("Environment") {
        hashed.extend(environment.clone());
    }
    let memory_size = function.properties.get("MemorySize").filter(|value| is_truthy(value));
    hashed.extend(memory_size.map(|value| ("MemorySize".to_owned(), value.clone())));
    let snap_start = function.properties.get("SnapStart").filter(|value| is_truthy(value));
    let is_on = |value: &&Value| value.get("ApplyOn").is_some_and(|apply| apply != "None");
    hashed.extend(snap_start.filter(is_on).map(|value| ("SnapStart".to_owned(), value.clone())));
    hashed
}

/// The properties of the function's layers with `PublishLambdaVersion`: their change is one of the function.
fn published_layers<'a>(function: &'a Generated, scope: &'a Scope<'_>) -> impl Iterator<Item = (String, Value)> + 'a {
    let layers = function.properties.get("Layers").and_then(Value::as_array).into_iter().flatten();
    layers.filter_map(|layer| {
        let id = match only_entry(layer)? {
            ("Ref", Value::String(id)) => id,
            ("Fn::GetAtt", Value::Array(parts)) => match parts.first()? {
                Value::String(id) => id,
                _ => return None,
            },
            _ => return None,
        };
        let properties = scope.resources.get(id)?.get("Properties")?;
        let publishes = properties.get("PublishLambdaVersion").is_some_and(is_truthy);
        publishes.then(|| (id.clone(), properties.clone()))
    })
}

fn alias(source: &SamResource, name: &str, version: &Generated) -> Result<Generated, TransformError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() {
        return Err(source.error("Alias name is required to create an alias"));
    }
    if !name.chars().all(is_allowed) || name.chars().all(|c| c.is_ascii_digit()) {
        return Err(source.error(format!(
            "AutoPublishAlias name ('{name}') must contain only alphanumeric characters, hyphens, or underscores \
             matching (?!^[0-9]+$)([a-zA-Z0-9-_]+) pattern."
        )));
    }
    let suffix = name.replace('-', "D").replace('_', "U");
    let id = format!("{}Alias{suffix}", source.logical_id);
    let mut alias = Generated::new(id, "AWS::Lambda::Alias", source.passed_on());
    alias.set("Name", name);
    alias.set("FunctionName", reference(&source.logical_id));
    alias.set("FunctionVersion", attribute(&version.logical_id, "Version"));
    alias.set_some("ProvisionedConcurrencyConfig", source.truthy("ProvisionedConcurrencyConfig"));
    Ok(alias)
}
