//! `Fn::Sub`: text with `${Name}`, `${Resource.Attribute}` and `${!Literal}`.

use serde_json::{Map, Value};

use crate::error::EvalError;
use crate::evaluate::Partial;
use crate::functions::{bounded, text};
use crate::resolver::{Resolved, Resolver};

/// A piece of a `Fn::Sub` text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// Stands for itself.
    Text(&'a str),
    /// `${!x}`: stands for `${x}`.
    Literal(&'a str),
    /// `${x}`: stands for what `x` names.
    Variable(&'a str),
}

/// The pieces of a text. A `${` without an end, or around what cannot be a name, stands for itself.
pub fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start + 2..].find('}') else { break };
        let inner = &rest[start + 2..start + 2 + length];
        let end = start + 3 + length;
        if let Some(literal) = inner.strip_prefix('!') {
            parts.push(Part::Text(&rest[..start]));
            parts.push(Part::Literal(literal));
        } else if is_name(inner) {
            parts.push(Part::Text(&rest[..start]));
            parts.push(Part::Variable(inner.trim()));
        } else {
            parts.push(Part::Text(&rest[..end]));
        }
        rest = &rest[end..];
    }
    parts.push(Part::Text(rest));
    parts.retain(|part| *part != Part::Text(""));
    parts
}

fn is_name(inner: &str) -> bool {
    let name = inner.trim();
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, ':' | '.' | '_' | '-' | '/' | '#'))
}

/// The text of a `Fn::Sub` and its own variables.
pub type Arguments<'a> = (&'a str, Option<&'a Map<String, Value>>);

/// The text and the variables of a `Fn::Sub` argument: a string, or a string and a map.
pub fn arguments(argument: &Value) -> Result<Arguments<'_>, EvalError> {
    match argument {
        Value::String(text) => Ok((text, None)),
        Value::Array(items) => match items.as_slice() {
            [Value::String(text), Value::Object(variables)] => Ok((text, Some(variables))),
            _ => Err(misuse()),
        },
        _ => Err(misuse()),
    }
}

/// Computes the text; what is not known yet stays as `${…}` of a smaller `Fn::Sub`.
pub fn apply(
    argument: &Value,
    resolver: &dyn Resolver,
    evaluate: impl Fn(&Value) -> Result<Partial, EvalError>,
) -> Result<Partial, EvalError> {
    let (template, variables) = arguments(argument)?;
    let mut out = String::new();
    let mut left = Map::new();
    let mut is_known = true;
    // The same text as it must read when something is left: literals stay escaped.
    let mut remaining = String::new();
    for part in parts(template) {
        match part {
            Part::Text(text) => {
                out.push_str(text);
                remaining.push_str(text);
            }
            Part::Literal(name) => {
                out.push_str(&format!("${{{name}}}"));
                remaining.push_str(&format!("${{!{name}}}"));
            }
            Part::Variable(name) => match variable(name, variables, resolver, &evaluate)? {
                Known(text) => {
                    out.push_str(&text);
                    remaining.push_str(&text.replace("${", "${!"));
                }
                Left(value) => {
                    is_known = false;
                    remaining.push_str(&format!("${{{name}}}"));
                    left.extend(value.map(|value| (name.to_owned(), value)));
                }
            },
        }
        out = bounded(out)?;
    }
    if is_known {
        return Ok(Partial { value: Some(Value::String(out)), unknown: Vec::new() });
    }
    let argument = match left.is_empty() {
        true => Value::String(remaining),
        false => Value::Array(vec![Value::String(remaining), Value::Object(left)]),
    };
    let call = Value::Object(Map::from_iter([("Fn::Sub".to_owned(), argument)]));
    Ok(Partial { value: Some(call), unknown: vec![String::new()] })
}

/// What a `${…}` came to.
enum Variable {
    Known(String),
    /// Not known yet; with the expression when it came from the map.
    Left(Option<Value>),
}
use Variable::{Known, Left};

fn variable(
    name: &str,
    variables: Option<&Map<String, Value>>,
    resolver: &dyn Resolver,
    evaluate: &impl Fn(&Value) -> Result<Partial, EvalError>,
) -> Result<Variable, EvalError> {
    if let Some(value) = variables.and_then(|variables| variables.get(name)) {
        let part = evaluate(value)?;
        let is_known = part.is_known();
        let value = part.value.unwrap_or(Value::String(String::new()));
        return match is_known {
            true => text(&value).map(Known).ok_or_else(misuse),
            false => Ok(Left(Some(value))),
        };
    }
    let resolved = match name.split_once('.') {
        Some((id, attribute)) => resolver.attribute(id, attribute)?,
        None => resolver.reference(name)?,
    };
    match resolved {
        Resolved::Value(value) => text(&value).map(Known).ok_or_else(misuse),
        Resolved::NoValue => Ok(Known(String::new())),
        Resolved::Unknown => Ok(Left(None)),
    }
}

fn misuse() -> EvalError {
    EvalError::new(
        "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as \
         first argument, and an optional second argument to specify a mapping of values to replace in the string",
    )
}
