//! Small constructors and questions for JSON values.

use serde_json::{Map, Value, json};

/// The properties of a resource.
pub type Properties = Map<String, Value>;

/// `{"Ref": id}`.
pub fn reference(logical_id: &str) -> Value {
    json!({"Ref": logical_id})
}

/// `{"Fn::GetAtt": [id, attribute]}`.
pub fn attribute(logical_id: &str, attribute: &str) -> Value {
    json!({"Fn::GetAtt": [logical_id, attribute]})
}

/// `{"Fn::If": [condition, yes, no]}`.
pub fn conditional(condition: &str, yes: Value, no: Value) -> Value {
    json!({"Fn::If": [condition, yes, no]})
}

/// `{"Ref": "AWS::NoValue"}`.
pub fn no_value() -> Value {
    reference("AWS::NoValue")
}

/// The one entry of a map that has one: how functions are written.
pub fn only_entry(value: &Value) -> Option<(&str, &Value)> {
    let entries = value.as_object().filter(|entries| entries.len() == 1)?;
    entries.iter().next().map(|(key, value)| (key.as_str(), value))
}

/// Whether the value is a function: `Ref`, `Condition` or `Fn::…`.
pub fn is_function(value: &Value) -> bool {
    only_entry(value).is_some_and(|(key, _)| key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
}

/// Whether the value is `{"Ref": "AWS::NoValue"}`.
pub fn is_no_value(value: &Value) -> bool {
    matches!(only_entry(value), Some(("Ref", Value::String(name))) if name == "AWS::NoValue")
}

/// The arguments when the value is an `Fn::If`.
pub fn if_arguments(value: &Value) -> Option<&Value> {
    only_entry(value).filter(|(key, _)| *key == "Fn::If").map(|(_, arguments)| arguments)
}

/// Condition and branches of an `Fn::If`'s arguments.
///
/// # Errors
/// They are not three with a name first.
pub fn if_parts(arguments: &Value) -> Result<(&str, &Value, &Value), &'static str> {
    match arguments.as_array().map(Vec::as_slice) {
        Some([Value::String(condition), yes, no]) => Ok((condition, yes, no)),
        _ => Err("Fn::If requires 3 arguments"),
    }
}

/// Whether Python would take the value for true, as the translator's checks do.
pub fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

/// The value when it is there and Python would take it for true.
pub fn truthy(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| is_truthy(value))
}

/// A scalar as people write it in a message.
pub fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "None".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
