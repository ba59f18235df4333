use std::collections::BTreeMap;

use fabric::Change;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use template::{Partial, TemplateError, evaluate_partly};

use crate::document::Prepared;
use crate::resolver::{Known, StackResolver};
use crate::resource::StackResources;
use crate::stack::Output;

/// What deploying would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// In the order of creation, then what is removed.
    pub resources: Vec<ResourceChange>,
    /// Outputs are added, removed or have other values.
    pub are_outputs_changed: bool,
    /// The stack's tags differ.
    pub are_tags_changed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceChange {
    pub logical_id: String,
    pub resource_type: String,
    pub physical_id: Option<String>,
    pub kind: ChangeKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ChangeKind {
    Add {
        after: Map<String, Value>,
    },
    Remove {
        is_retained: bool,
    },
    Modify {
        properties: Vec<PropertyChange>,
        is_metadata_changed: bool,
        replacement: Replacement,
        is_type_changed: bool,
    },
}

/// `Replacement`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Replacement {
    True,
    False,
    Conditional,
}

/// A property that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyChange {
    pub name: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// It makes a new resource necessary.
    pub demands_replacement: bool,
    /// The value depends on what is not known before the deployment.
    pub is_dynamic: bool,
}

/// What a provider says of a change: the type, old and new properties.
pub type Judge<'a> = dyn Fn(&str, &Map<String, Value>, &Map<String, Value>) -> Change + 'a;

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && !self.are_outputs_changed && !self.are_tags_changed
    }
}

/// Compares what is deployed with what a template wants, as far as can be told before anything is made.
///
/// # Errors
/// A function cannot be computed.
pub fn compare(
    prepared: &Prepared,
    deployed: &StackResources,
    outputs: &[Output],
    exports: &BTreeMap<String, String>,
    judge: &Judge<'_>,
) -> Result<Changes, TemplateError> {
    let order = template::creation_order(&prepared.template, Some(&prepared.scope.conditions))?;
    let mut known = BTreeMap::new();
    let mut changes = Changes::default();
    for logical_id in order {
        let resource = &prepared.template.resources[logical_id.as_str()];
        let resolver = StackResolver::new(&prepared.scope, &known, exports);
        let wanted = evaluate_partly(&resource.properties, &resolver)
            .map_err(|error| error.at(&format!("/Resources/{logical_id}/Properties")))?;
        let change = compare_one(&logical_id, resource, &wanted, deployed, judge);
        if stays(change.as_ref())
            && let Some(existing) = deployed.get(&logical_id)
        {
            known.insert(logical_id, existing.deployed.known());
        }
        changes.resources.extend(change);
    }
    changes.resources.extend(removals(prepared, deployed));
    changes.are_outputs_changed = outputs_differ(prepared, &known, exports, outputs)?;
    Ok(changes)
}

/// Whether the real resource will surely be the same one.
fn stays(change: Option<&ResourceChange>) -> bool {
    match change.map(|change| &change.kind) {
        None => true,
        Some(ChangeKind::Modify { replacement, .. }) => *replacement == Replacement::False,
        Some(_) => false,
    }
}

fn compare_one(
    logical_id: &str,
    resource: &template::Resource,
    wanted: &Partial,
    deployed: &StackResources,
    judge: &Judge<'_>,
) -> Option<ResourceChange> {
    let after = wanted.value.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    let change = |physical_id: Option<&str>, kind| ResourceChange {
        logical_id: logical_id.to_owned(),
        resource_type: resource.resource_type.clone(),
        physical_id: physical_id.map(str::to_owned),
        kind,
    };
    let Some(existing) = deployed.get(logical_id).filter(|existing| existing.exists()) else {
        return Some(change(None, ChangeKind::Add { after }));
    };
    let old = &existing.deployed;
    let is_type_changed = old.resource_type != resource.resource_type;
    let is_metadata_changed = old.noted.metadata != resource.metadata;
    let is_dynamic = |name: &String| wanted.unknown.iter().any(|path| path.split('/').nth(1) == Some(name));
    let verdict = match is_type_changed {
        true => Change::Replace(Vec::new()),
        false => judge(&resource.resource_type, &old.properties, &after),
    };
    let demanding = match &verdict {
        Change::None if !is_metadata_changed => return None,
        Change::None | Change::Update(_) => Vec::new(),
        Change::Replace(names) => names.clone(),
    };
    let properties = match verdict {
        Change::None => Vec::new(),
        _ => differing(&old.properties, &after)
            .map(|name| PropertyChange {
                before: old.properties.get(name).cloned(),
                after: after.get(name).cloned(),
                demands_replacement: demanding.contains(name),
                is_dynamic: is_dynamic(name),
                name: name.clone(),
            })
            .collect(),
    };
    let replacement = match (&verdict, is_type_changed) {
        (Change::Replace(names), false) if names.iter().all(is_dynamic) => Replacement::Conditional,
        (Change::Replace(_), _) => Replacement::True,
        _ => Replacement::False,
    };
    let kind = ChangeKind::Modify { properties, is_metadata_changed, replacement, is_type_changed };
    Some(change(Some(&old.physical_id), kind))
}

fn differing<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> impl Iterator<Item = &'a String> {
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    names.filter(|name| old.get(*name) != new.get(*name))
}

fn removals(prepared: &Prepared, deployed: &StackResources) -> impl Iterator<Item = ResourceChange> {
    let wanted: Vec<&String> = prepared.resources().map(|(id, _)| id).collect();
    deployed.values().filter(move |one| one.exists() && !wanted.contains(&&one.logical_id)).map(|one| ResourceChange {
        logical_id: one.logical_id.clone(),
        resource_type: one.deployed.resource_type.clone(),
        physical_id: Some(one.deployed.physical_id.clone()),
        kind: ChangeKind::Remove { is_retained: one.deployed.noted.is_kept_on_delete() },
    })
}

fn outputs_differ(
    prepared: &Prepared,
    known: &BTreeMap<String, Known>,
    exports: &BTreeMap<String, String>,
    deployed: &[Output],
) -> Result<bool, TemplateError> {
    let resolver = StackResolver::new(&prepared.scope, known, exports);
    let mut count = 0;
    for (key, output) in &prepared.template.outputs {
        if !prepared.scope.holds(output.condition.as_deref()) {
            continue;
        }
        let at = |error: template::EvalError| error.at(&format!("/Outputs/{key}/Value"));
        let value = evaluate_partly(&output.value, &resolver).map_err(at)?;
        let export =
            output.export_name.as_ref().map(|name| evaluate_partly(name, &resolver).map_err(at)).transpose()?;
        count += 1;
        let same = deployed.iter().any(|one| {
            one.key == *key
                && one.description == output.description
                && is_text(&value, Some(&one.value))
                && export.as_ref().map_or(one.export.is_none(), |export| is_text(export, one.export.as_deref()))
        });
        if !same {
            return Ok(true);
        }
    }
    Ok(count != deployed.len())
}

/// Whether a value is known to be this text.
fn is_text(value: &Partial, text: Option<&str>) -> bool {
    value.is_known() && value.value.as_ref().map(crate::outputs::text_of).as_deref() == text
}

#[cfg(test)]
mod tests;
