//! Reads properties as templates have them: numbers and booleans may be text, as a reference to a parameter gives them.

use std::collections::BTreeMap;

use fabric::ProviderError;
use serde_json::{Map, Value};

pub(super) fn text(properties: &Map<String, Value>, name: &str) -> Option<String> {
    match properties.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

pub(super) fn required(properties: &Map<String, Value>, name: &str) -> Result<String, ProviderError> {
    text(properties, name).ok_or_else(|| ProviderError::invalid(name, format!("required key [{name}] not found")))
}

pub(super) fn number(properties: &Map<String, Value>, name: &str) -> Result<Option<i32>, ProviderError> {
    let Some(value) = properties.get(name) else { return Ok(None) };
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.and_then(|number| i32::try_from(number).ok());
    number.map(Some).ok_or_else(|| ProviderError::invalid(name, format!("Value of property {name} must be an Integer")))
}

pub(super) fn truth(properties: &Map<String, Value>, name: &str) -> Option<bool> {
    match properties.get(name)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn object<'a>(properties: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    properties.get(name)?.as_object()
}

/// A list of texts.
pub(super) fn list(properties: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let list = properties.get(name)?.as_array()?;
    Some(list.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
}

/// `[{"Key": …, "Value": …}]` as a map.
pub(super) fn tags(properties: &Map<String, Value>) -> BTreeMap<String, String> {
    let tags = properties.get("Tags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), text(tag.as_object()?, "Value")?))).collect()
}
