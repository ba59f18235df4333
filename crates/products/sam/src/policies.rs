//! The `Policies` property: managed policies, inline documents and policy templates.

use serde_json::Value;

use crate::error::TransformError;
use crate::policy_templates;
use crate::value::{conditional, if_arguments, if_parts, is_function, is_no_value, is_truthy, only_entry};

/// An entry of `Policies`.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// The name or ARN of a managed policy, or a function that gives one.
    Managed(Value),
    /// A policy document, or an `Fn::If` of documents.
    Document(Value),
    /// What is none of these.
    Unknown,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Managed,
    Document,
    Template,
    Unknown,
}

/// The entries of a `Policies` property, with policy templates already documents.
///
/// # Errors
/// A template lacks parameters, or the branches of an `Fn::If` are of different kinds.
pub fn read(logical_id: &str, policies: Option<&Value>) -> Result<Vec<Policy>, TransformError> {
    let entries: Vec<&Value> = match policies.filter(|policies| is_truthy(policies)) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    };
    let policy = |entry: &Value| match kind_of(entry)? {
        Kind::Managed => Ok(Policy::Managed(entry.clone())),
        Kind::Document => Ok(Policy::Document(entry.clone())),
        Kind::Template => from_template(logical_id, entry).map(Policy::Document),
        Kind::Unknown => Ok(Policy::Unknown),
    };
    entries.into_iter().map(policy).collect()
}

fn kind_of(entry: &Value) -> Result<Kind, TransformError> {
    if entry.is_string() {
        return Ok(Kind::Managed);
    }
    if let Some(arguments) = if_arguments(entry) {
        return kind_of_branches(arguments);
    }
    if is_function(entry) {
        return Ok(Kind::Managed);
    }
    if entry.get("Statement").is_some() {
        return Ok(Kind::Document);
    }
    match only_entry(entry) {
        Some((name, _)) if policy_templates::exists(name) => Ok(Kind::Template),
        _ => Ok(Kind::Unknown),
    }
}

fn kind_of_branches(arguments: &Value) -> Result<Kind, TransformError> {
    let (_, yes, no) = if_parts(arguments).map_err(TransformError::structure)?;
    let (yes_kind, no_kind) = (kind_of(yes)?, kind_of(no)?);
    match () {
        () if yes_kind == no_kind => Ok(yes_kind),
        () if is_no_value(yes) => Ok(no_kind),
        () if is_no_value(no) => Ok(yes_kind),
        () => Err(TransformError::structure(
            "Different policy types within the same Fn::If statement is unsupported. Separate different policy types \
             into different Fn::If statements",
        )),
    }
}

fn from_template(logical_id: &str, entry: &Value) -> Result<Value, TransformError> {
    if let Some(arguments) = if_arguments(entry) {
        let (condition, yes, no) = if_parts(arguments).map_err(TransformError::structure)?;
        let branch = |value: &Value| match is_no_value(value) {
            true => Ok(value.clone()),
            false => from_template(logical_id, value),
        };
        return Ok(conditional(condition, branch(yes)?, branch(no)?));
    }
    match only_entry(entry) {
        Some((name, parameters)) => policy_templates::document(name, parameters)
            .map_err(|sentence| TransformError::resource(logical_id, sentence)),
        None => Err(TransformError::resource(logical_id, "A policy template is a map with one key.")),
    }
}
