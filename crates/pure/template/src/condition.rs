//! The `Conditions` section.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use crate::error::{EvalError, TemplateError};
use crate::evaluate::{evaluate, function_call};
use crate::functions::text;
use crate::resolver::{Resolved, Resolver};

/// Computes every condition. `resolver` answers parameters, pseudo parameters and mappings; conditions may use each
/// other in any order.
///
/// # Errors
/// A condition is misused, names what is not there, or depends on itself.
pub fn evaluate_conditions(
    conditions: &IndexMap<String, Value>,
    resolver: &dyn Resolver,
) -> Result<BTreeMap<String, bool>, TemplateError> {
    let mut known = BTreeMap::new();
    let mut waiting: Vec<&String> = conditions.keys().collect();
    // Each round computes at least one condition, else the rest depend on each other.
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut later = Vec::new();
        for name in waiting {
            let body = &conditions[name.as_str()];
            if uses(body).iter().any(|used| conditions.contains_key(used.as_str()) && !known.contains_key(used)) {
                later.push(name);
                continue;
            }
            let scope = WithConditions { resolver, known: &known };
            let holds = evaluate_condition(body, &scope).map_err(|error| error.at(&format!("/Conditions/{name}")))?;
            known.insert(name.clone(), holds);
        }
        if later.len() == before {
            let names = later.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("Template format error: Circular dependency between conditions: [{names}]");
            return Err(TemplateError::new(format!("/Conditions/{}", later[0]), message));
        }
        waiting = later;
    }
    Ok(known)
}

/// Whether a condition expression holds.
///
/// # Errors
/// It is not a condition, or names what is not there.
pub fn evaluate_condition(value: &Value, resolver: &dyn Resolver) -> Result<bool, EvalError> {
    if let Some(name) = named_condition(value) {
        return resolver.condition(name).ok_or_else(|| {
            EvalError::new(format!(
                "Template format error: Unresolved condition dependency {name} in the Conditions block of the template"
            ))
        });
    }
    match function_call(value) {
        Some(("Fn::Equals", argument)) => equals(argument, resolver),
        Some(("Fn::And", argument)) => Ok(several("Fn::And", argument, resolver)?.into_iter().all(|holds| holds)),
        Some(("Fn::Or", argument)) => Ok(several("Fn::Or", argument, resolver)?.into_iter().any(|holds| holds)),
        Some(("Fn::Not", argument)) => match argument.as_array().map(Vec::as_slice) {
            Some([condition]) => Ok(!evaluate_condition(condition, resolver)?),
            _ => Err(EvalError::new("Template error: every Fn::Not object requires one boolean parameter.")),
        },
        _ => constant(value, resolver),
    }
}

/// The conditions that an expression uses by `Condition:` or `Fn::If`.
pub fn uses(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    collect(value, &mut names);
    names
}

fn collect(value: &Value, names: &mut Vec<String>) {
    if let Some(name) = named_condition(value) {
        names.push(name.to_owned());
        return;
    }
    if let Some(("Fn::If", Value::Array(parts))) = function_call(value) {
        names.extend(parts.first().and_then(Value::as_str).map(str::to_owned));
    }
    match value {
        Value::Object(entries) => entries.values().for_each(|value| collect(value, names)),
        Value::Array(items) => items.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}

/// The conditions that the `Fn::If`s of a value name.
pub fn branch_conditions(value: &Value) -> Vec<String> {
    let own = match function_call(value) {
        Some(("Fn::If", Value::Array(parts))) => parts.first().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let inner: Vec<String> = match value {
        Value::Object(entries) => entries.values().flat_map(branch_conditions).collect(),
        Value::Array(items) => items.iter().flat_map(branch_conditions).collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(inner).collect()
}

fn named_condition(value: &Value) -> Option<&str> {
    let entries = value.as_object().filter(|entries| entries.len() == 1)?;
    entries.get("Condition")?.as_str()
}

fn equals(argument: &Value, resolver: &dyn Resolver) -> Result<bool, EvalError> {
    let misuse = || EvalError::new("Template error: every Fn::Equals object requires a list of 2 string parameters.");
    let Some([left, right]) = argument.as_array().map(Vec::as_slice) else {
        return Err(misuse());
    };
    let side = |value: &Value| match evaluate(value, resolver)? {
        None => Ok(Value::Null),
        // Scalars are compared as text: 1 equals "1".
        Some(value) => Ok(text(&value).map_or(value, Value::String)),
    };
    Ok(side(left)? == side(right)?)
}

fn several(name: &str, argument: &Value, resolver: &dyn Resolver) -> Result<Vec<bool>, EvalError> {
    let parts = argument.as_array().filter(|parts| (2..=10).contains(&parts.len())).ok_or_else(|| {
        EvalError::new(format!(
            "Template error: every {name} object requires a list of at least 2 and at most 10 boolean parameters."
        ))
    })?;
    parts.iter().map(|part| evaluate_condition(part, resolver)).collect()
}

/// `true`, `"true"`, or a function that gives one.
fn constant(value: &Value, resolver: &dyn Resolver) -> Result<bool, EvalError> {
    match evaluate(value, resolver)? {
        Some(Value::Bool(holds)) => Ok(holds),
        Some(Value::String(text)) if text == "true" => Ok(true),
        Some(Value::String(text)) if text == "false" => Ok(false),
        _ => Err(EvalError::new(
            "Template format error: Every Conditions member must be a condition function or a reference to one.",
        )),
    }
}

/// A resolver with the conditions known so far.
struct WithConditions<'a> {
    resolver: &'a dyn Resolver,
    known: &'a BTreeMap<String, bool>,
}

impl Resolver for WithConditions<'_> {
    fn reference(&self, name: &str) -> Result<Resolved, EvalError> {
        match self.resolver.reference(name)? {
            Resolved::Unknown => Err(EvalError::new(format!(
                "Template format error: Unresolved dependencies [{name}]. Cannot reference resources in the Conditions \
                 block of the template"
            ))),
            resolved => Ok(resolved),
        }
    }

    fn attribute(&self, logical_id: &str, _attribute: &str) -> Result<Resolved, EvalError> {
        Err(EvalError::new(format!(
            "Template format error: Unresolved dependencies [{logical_id}]. Cannot reference resources in the \
             Conditions block of the template"
        )))
    }

    fn import(&self, _export_name: &str) -> Result<Resolved, EvalError> {
        Err(EvalError::new("Template error: Fn::ImportValue cannot be used in the Conditions block of the template"))
    }

    fn mapping(&self, map: &str, first_key: &str, second_key: &str) -> Option<Value> {
        self.resolver.mapping(map, first_key, second_key)
    }

    fn condition(&self, name: &str) -> Option<bool> {
        self.known.get(name).copied()
    }

    fn availability_zones(&self, region: &str) -> Vec<String> {
        self.resolver.availability_zones(region)
    }
}
