//! SAM's policy templates: `S3ReadPolicy: {BucketName: …}` becomes statements.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::value::only_entry;

/// Name → `{"parameters": […], "statement": […]}`; a parameter stands in the statement as `{"Ref": name}`.
const TEMPLATES: &str = include_str!("data/policy_templates.json");

static BY_NAME: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(TEMPLATES).expect("the committed table of policy templates is JSON"));

/// Whether there is a policy template of this name.
pub fn exists(name: &str) -> bool {
    BY_NAME.get(name).is_some()
}

/// The policy document of a template with its parameters.
///
/// # Errors
/// Parameters are missing: the sentence.
pub fn document(name: &str, parameters: &Value) -> Result<Value, String> {
    let Some(given) = parameters.as_object() else {
        return Err(format!("Must specify valid parameter values for policy template '{name}'"));
    };
    let declared: Vec<&str> =
        BY_NAME[name]["parameters"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let missing: Vec<String> =
        declared.iter().filter(|name| !given.contains_key(**name)).map(|name| format!("'{name}'")).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(format!("Following required parameters of template '{name}' don't have values: [{missing}]"));
    }
    let known = |name: &str| declared.contains(&name).then(|| given.get(name)).flatten();
    Ok(json!({"Statement": filled(&BY_NAME[name]["statement"], &known)}))
}

fn filled<'a>(value: &Value, known: &dyn Fn(&str) -> Option<&'a Value>) -> Value {
    if let Some(("Ref", Value::String(name))) = only_entry(value) {
        return known(name).unwrap_or(value).clone();
    }
    match value {
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), filled(value, known))).collect())
        }
        Value::Array(items) => items.iter().map(|item| filled(item, known)).collect(),
        other => other.clone(),
    }
}
