//! Intrinsic functions: a value with functions becomes a plain value.

use serde_json::{Map, Value};

use crate::condition::evaluate_condition;
use crate::error::EvalError;
use crate::functions;
use crate::limits::DEPTH_MAX;
use crate::resolver::{Resolved, Resolver};

/// A value of which all that can be known is computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Partial {
    /// The value; a function that is not known yet is left in place, with its known arguments computed. `None`
    /// when it is to be left out (`AWS::NoValue`).
    pub value: Option<Value>,
    /// Where functions are left, as JSON pointers into `value`.
    pub unknown: Vec<String>,
}

impl Partial {
    /// Whether nothing is left to be known.
    pub fn is_known(&self) -> bool {
        self.unknown.is_empty()
    }

    fn known(value: Value) -> Partial {
        Partial { value: Some(value), unknown: Vec::new() }
    }

    fn left(function: &str, argument: Value) -> Partial {
        Partial { value: Some(call(function, argument)), unknown: vec![String::new()] }
    }
}

/// Computes every function in `value`. `None` when the value is to be left out (`AWS::NoValue`).
///
/// # Errors
/// A function is misused, a name does not exist, or something is not known yet.
pub fn evaluate(value: &Value, resolver: &dyn Resolver) -> Result<Option<Value>, EvalError> {
    let partial = evaluate_partly(value, resolver)?;
    match partial.unknown.into_iter().next() {
        None => Ok(partial.value),
        Some(path) => Err(EvalError { message: "Template error: a value is not known yet".to_owned(), path }),
    }
}

/// Computes what can be known of `value` and leaves the rest in place.
///
/// # Errors
/// A function is misused or a name does not exist.
pub fn evaluate_partly(value: &Value, resolver: &dyn Resolver) -> Result<Partial, EvalError> {
    partly(value, resolver, 0)
}

/// The function and its argument when `value` is a function call: one key, `Ref` or `Fn::…`.
pub fn function_call(value: &Value) -> Option<(&str, &Value)> {
    let entries = value.as_object().filter(|entries| entries.len() == 1)?;
    let (name, argument) = entries.iter().next()?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

fn partly(value: &Value, resolver: &dyn Resolver, depth: usize) -> Result<Partial, EvalError> {
    if depth > DEPTH_MAX {
        return Err(EvalError::new(format!("Template error: values nest deeper than {DEPTH_MAX} levels")));
    }
    if let Some((name, argument)) = function_call(value) {
        return apply(name, argument, resolver, depth).map_err(|error| error.within(name));
    }
    match value {
        Value::Object(entries) => object(entries, resolver, depth),
        Value::Array(items) => array(items, resolver, depth),
        plain => Ok(Partial::known(plain.clone())),
    }
}

fn object(entries: &Map<String, Value>, resolver: &dyn Resolver, depth: usize) -> Result<Partial, EvalError> {
    let mut out = Map::with_capacity(entries.len());
    let mut unknown = Vec::new();
    for (key, value) in entries {
        let part = partly(value, resolver, depth + 1).map_err(|error| error.within(key))?;
        if let Some(value) = part.value {
            let prefix = crate::pointer::join("", key);
            unknown.extend(part.unknown.iter().map(|path| format!("{prefix}{path}")));
            out.insert(key.clone(), value);
        }
    }
    Ok(Partial { value: Some(Value::Object(out)), unknown })
}

fn array(items: &[Value], resolver: &dyn Resolver, depth: usize) -> Result<Partial, EvalError> {
    let mut out = Vec::with_capacity(items.len());
    let mut unknown = Vec::new();
    for (index, value) in items.iter().enumerate() {
        let part = partly(value, resolver, depth + 1).map_err(|error| error.within(&index.to_string()))?;
        if let Some(value) = part.value {
            let prefix = format!("/{}", out.len());
            unknown.extend(part.unknown.iter().map(|path| format!("{prefix}{path}")));
            out.push(value);
        }
    }
    Ok(Partial { value: Some(Value::Array(out)), unknown })
}

fn apply(name: &str, argument: &Value, resolver: &dyn Resolver, depth: usize) -> Result<Partial, EvalError> {
    match name {
        "Ref" => {
            let target = argument.as_str().ok_or_else(|| {
                EvalError::new("Template format error: Every Ref object must have a single String value.")
            })?;
            Ok(answer(resolver.reference(target)?, name, argument))
        }
        "Fn::If" => choose(argument, resolver, depth),
        "Fn::GetAtt" => attribute(argument, resolver, depth),
        "Fn::Sub" => crate::functions::sub::apply(argument, resolver, |value| partly(value, resolver, depth + 1)),
        "Fn::FindInMap" => find_in_map(argument, resolver, depth),
        "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => {
            evaluate_condition(&call(name, argument.clone()), resolver).map(|holds| Partial::known(Value::Bool(holds)))
        }
        _ => with_known_argument(name, argument, resolver, depth),
    }
}

/// Functions that need nothing but their computed argument.
fn with_known_argument(
    name: &str,
    argument: &Value,
    resolver: &dyn Resolver,
    depth: usize,
) -> Result<Partial, EvalError> {
    let part = partly(argument, resolver, depth + 1)?;
    let value = part.value.unwrap_or(Value::Null);
    if !part.unknown.is_empty() {
        // One element may be known although its neighbours are not.
        return Ok(match name {
            "Fn::Select" => functions::select_partly(&value, &part.unknown)?,
            _ => None,
        }
        .map_or_else(|| Partial::left(name, value.clone()), Partial::known));
    }
    let result = match name {
        "Fn::Join" => functions::join(&value)?,
        "Fn::Split" => functions::split(&value)?,
        "Fn::Select" => functions::select(&value)?,
        "Fn::Base64" => functions::base64(&value)?,
        "Fn::Cidr" => crate::functions::cidr::apply(&value)?,
        "Fn::Length" => functions::length(&value)?,
        "Fn::ToJsonString" => Value::String(value.to_string()),
        "Fn::GetAZs" => {
            let region = value.as_str().unwrap_or_default();
            resolver.availability_zones(region).into_iter().map(Value::String).collect()
        }
        "Fn::ImportValue" => {
            let export = functions::text(&value).ok_or_else(|| {
                EvalError::new("Template error: every Fn::ImportValue object requires an export name")
            })?;
            return Ok(answer(resolver.import(&export)?, name, &value));
        }
        _ => return Err(EvalError::new(format!("Template format error: Unsupported intrinsic function: [{name}]"))),
    };
    Ok(Partial::known(result))
}

fn choose(argument: &Value, resolver: &dyn Resolver, depth: usize) -> Result<Partial, EvalError> {
    let misuse = || {
        EvalError::new(
            "Template error: Fn::If requires a list argument with the first element being a condition, \
             the second and third the values",
        )
    };
    let [condition, yes, no] = argument.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(misuse());
    };
    let name = condition.as_str().ok_or_else(misuse)?;
    let holds = resolver
        .condition(name)
        .ok_or_else(|| EvalError::new(format!("Template error: unresolved condition dependency {name} in Fn::If")))?;
    let (index, chosen) = if holds { ("1", yes) } else { ("2", no) };
    partly(chosen, resolver, depth + 1).map_err(|error| error.within(index))
}

fn attribute(argument: &Value, resolver: &dyn Resolver, depth: usize) -> Result<Partial, EvalError> {
    let misuse = || {
        EvalError::new(
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the \
             resource attribute",
        )
    };
    let (logical_id, attribute) = match argument {
        Value::String(text) => {
            let (id, attribute) = text.split_once('.').ok_or_else(misuse)?;
            (id.to_owned(), Value::String(attribute.to_owned()))
        }
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(id), attribute] => (id.clone(), attribute.clone()),
            _ => return Err(misuse()),
        },
        _ => return Err(misuse()),
    };
    let part = partly(&attribute, resolver, depth + 1)?;
    let attribute = part.value.unwrap_or(Value::Null);
    if !part.unknown.is_empty() {
        return Ok(Partial::left("Fn::GetAtt", Value::Array(vec![Value::String(logical_id), attribute])));
    }
    match attribute.as_str() {
        Some(name) if !name.is_empty() && !logical_id.is_empty() => {
            Ok(answer(resolver.attribute(&logical_id, name)?, "Fn::GetAtt", argument))
        }
        _ => Err(misuse()),
    }
}

fn find_in_map(argument: &Value, resolver: &dyn Resolver, depth: usize) -> Result<Partial, EvalError> {
    let part = partly(argument, resolver, depth + 1)?;
    let value = part.value.unwrap_or(Value::Null);
    if part.unknown.iter().any(|path| !path.starts_with("/3")) {
        return Ok(Partial::left("Fn::FindInMap", value));
    }
    let parts = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let keys: Vec<String> = parts.iter().take(3).filter_map(functions::text).collect();
    let [map, first, second] = keys.as_slice() else {
        return Err(EvalError::new(
            "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the \
             attribute for return value",
        ));
    };
    if let Some(found) = resolver.mapping(map, first, second) {
        return Ok(Partial::known(found));
    }
    match parts.get(3).and_then(|options| options.get("DefaultValue")) {
        Some(default) if part.unknown.is_empty() => Ok(Partial::known(default.clone())),
        Some(_) => Ok(Partial::left("Fn::FindInMap", value.clone())),
        None => Err(EvalError::new(format!("Template error: Unable to get mapping for {map}::{first}::{second}"))),
    }
}

fn answer(resolved: Resolved, function: &str, argument: &Value) -> Partial {
    match resolved {
        Resolved::Value(value) => Partial::known(value),
        Resolved::NoValue => Partial { value: None, unknown: Vec::new() },
        Resolved::Unknown => Partial::left(function, argument.clone()),
    }
}

fn call(function: &str, argument: Value) -> Value {
    Value::Object(Map::from_iter([(function.to_owned(), argument)]))
}

#[cfg(test)]
mod tests;
