//! What a value refers to.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::evaluate::function_call;
use crate::functions::sub;
use crate::pointer::join;

/// A name that a value uses by `Ref`, `Fn::GetAtt` or `Fn::Sub`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// A resource's logical id; for `Ref` also the name of a parameter or pseudo parameter.
    pub name: String,
    /// The attribute for `Fn::GetAtt`; empty when it is itself computed by a function.
    pub attribute: Option<String>,
}

/// The names that a value uses, each once, in the order of the text. Both branches of `Fn::If` count.
pub fn references(value: &Value) -> Vec<Reference> {
    references_under(value, None)
}

/// As [`references`], but of `Fn::If` only the branch that the conditions choose.
pub fn references_under(value: &Value, conditions: Option<&BTreeMap<String, bool>>) -> Vec<Reference> {
    let mut found = Vec::new();
    collect(value, conditions, &mut found);
    found
}

/// Where in a value a name is used first, as a JSON pointer.
pub fn path_of(value: &Value, name: &str) -> Option<String> {
    if !references(value).iter().any(|reference| reference.name == name) {
        return None;
    }
    let in_entry = |(key, value): (String, &Value)| Some(format!("{}{}", join("", &key), path_of(value, name)?));
    let inner = match value {
        Value::Object(entries) => entries.iter().find_map(|(key, value)| in_entry((key.clone(), value))),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, value)| in_entry((index.to_string(), value))),
        _ => None,
    };
    Some(inner.unwrap_or_default())
}

fn collect(value: &Value, conditions: Option<&BTreeMap<String, bool>>, found: &mut Vec<Reference>) {
    match function_call(value) {
        Some(("Ref", Value::String(name))) => push(found, name, None),
        Some(("Fn::GetAtt", argument)) => attribute(argument, conditions, found),
        Some(("Fn::Sub", argument)) => substitution(argument, conditions, found),
        Some(("Fn::If", Value::Array(parts))) => {
            branches(parts, conditions).for_each(|part| collect(part, conditions, found))
        }
        _ => match value {
            Value::Object(entries) => entries.values().for_each(|value| collect(value, conditions, found)),
            Value::Array(items) => items.iter().for_each(|value| collect(value, conditions, found)),
            _ => {}
        },
    }
}

fn attribute(argument: &Value, conditions: Option<&BTreeMap<String, bool>>, found: &mut Vec<Reference>) {
    match argument {
        Value::String(text) => {
            if let Some((id, attribute)) = text.split_once('.') {
                push(found, id, Some(attribute));
            }
        }
        Value::Array(parts) => {
            if let Some(Value::String(id)) = parts.first() {
                push(found, id, Some(parts.get(1).and_then(Value::as_str).unwrap_or_default()));
            }
            parts.iter().skip(1).for_each(|part| collect(part, conditions, found));
        }
        _ => {}
    }
}

fn substitution(argument: &Value, conditions: Option<&BTreeMap<String, bool>>, found: &mut Vec<Reference>) {
    let Ok((text, variables)) = sub::arguments(argument) else { return };
    for part in sub::parts(text) {
        let sub::Part::Variable(name) = part else { continue };
        if variables.is_some_and(|variables| variables.contains_key(name)) {
            continue;
        }
        match name.split_once('.') {
            Some((id, attribute)) => push(found, id, Some(attribute)),
            None => push(found, name, None),
        }
    }
    variables.into_iter().flat_map(|variables| variables.values()).for_each(|value| collect(value, conditions, found));
}

/// The branches of an `Fn::If` that count.
fn branches<'a>(
    parts: &'a [Value],
    conditions: Option<&BTreeMap<String, bool>>,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    let holds = conditions.and_then(|known| known.get(parts.first()?.as_str()?)).copied();
    parts
        .iter()
        .enumerate()
        .skip(1)
        .filter(move |(index, _)| match holds {
            Some(true) => *index == 1,
            Some(false) => *index == 2,
            None => true,
        })
        .map(|(_, part)| part)
}

fn push(found: &mut Vec<Reference>, name: &str, attribute: Option<&str>) {
    let reference = Reference { name: name.to_owned(), attribute: attribute.map(str::to_owned) };
    if !found.contains(&reference) {
        found.push(reference);
    }
}
