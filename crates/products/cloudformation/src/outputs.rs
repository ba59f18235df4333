use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use template::{TemplateError, evaluate};

use crate::document::Prepared;
use crate::resolver::{Known, StackResolver};
use crate::stack::Output;

/// Computes the outputs once all resources are there; also returns which exports of other stacks they use.
///
/// # Errors
/// An output cannot be computed, or has no value.
pub fn outputs(
    prepared: &Prepared,
    known: &BTreeMap<String, Known>,
    exports: &BTreeMap<String, String>,
) -> Result<(Vec<Output>, BTreeSet<String>), TemplateError> {
    let resolver = StackResolver::new(&prepared.scope, known, exports);
    let mut outputs = Vec::new();
    for (key, output) in &prepared.template.outputs {
        if !prepared.scope.holds(output.condition.as_deref()) {
            continue;
        }
        let path = format!("/Outputs/{key}/Value");
        let at = |error: template::EvalError| error.at(&path);
        let nothing = || TemplateError::new(&path, format!("Template format error: Output {key} has no value."));
        let value = evaluate(&output.value, &resolver).map_err(at)?.ok_or_else(nothing)?;
        let export = match &output.export_name {
            Some(name) => evaluate(name, &resolver).map_err(at)?.as_ref().map(text_of),
            None => None,
        };
        outputs.push(Output {
            key: key.clone(),
            value: text_of(&value),
            description: output.description.clone(),
            export,
        });
    }
    Ok((outputs, resolver.take_imports()))
}

/// An output's value as text: lists are joined by commas, as CloudFormation shows them.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
