//! What CloudFormation checks of a template before anything is made, in its own sentences.

use indexmap::IndexMap;
use serde_json::Value;

use crate::condition;
use crate::document::Template;
use crate::error::TemplateError;
use crate::limits::{LOGICAL_ID_CHARS_MAX, MAPPINGS_MAX, OUTPUTS_MAX, PARAMETERS_MAX, RESOURCES_MAX};
use crate::pointer::join;
use crate::references::{path_of, references};
use crate::scope::PSEUDO_PARAMETERS;

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
];

const RESOURCE_ATTRIBUTES: [&str; 11] = [
    "Condition",
    "Connectors",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "IgnoreGlobals",
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
];

/// The document as a whole and the form of its sections.
pub fn root(value: &Value) -> Result<(), TemplateError> {
    let Some(sections) = value.as_object() else {
        return Err(TemplateError::new("", "Template format error: unsupported structure."));
    };
    nulls(value, "")?;
    let is_known = |name: &String| SECTIONS.contains(&name.as_str()) || name == "Transform";
    let unknown: Vec<&str> = sections.keys().filter(|name| !is_known(name)).map(String::as_str).collect();
    if let Some(first) = unknown.first() {
        let message = format!("Invalid template property or properties [{}]", unknown.join(", "));
        return Err(TemplateError::new(join("", first), message));
    }
    if value.get("AWSTemplateFormatVersion").is_some_and(|version| version != "2010-09-09") {
        let message = "Template format error: [/AWSTemplateFormatVersion] The only supported value is 2010-09-09.";
        return Err(TemplateError::new("/AWSTemplateFormatVersion", message));
    }
    if value.get("Description").is_some_and(|text| !text.is_string()) {
        let message = "Template format error: Description must be a string.";
        return Err(TemplateError::new("/Description", message));
    }
    for name in ["Parameters", "Mappings", "Conditions", "Resources", "Outputs", "Rules", "Metadata"] {
        if sections.get(name).is_some_and(|section| !section.is_object()) {
            let message = format!("Template format error: {name} must be an object.");
            return Err(TemplateError::new(format!("/{name}"), message));
        }
    }
    match sections.get("Resources").and_then(Value::as_object) {
        Some(resources) if !resources.is_empty() => Ok(()),
        _ => {
            let message = "Template format error: At least one Resources member must be defined.";
            Err(TemplateError::new("/Resources", message))
        }
    }
}

fn nulls(value: &Value, path: &str) -> Result<(), TemplateError> {
    match value {
        Value::Null => {
            let message = format!("Template format error: [{path}] 'null' values are not allowed in templates");
            Err(TemplateError::new(path, message))
        }
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| nulls(value, &join(path, key))),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, value)| nulls(value, &format!("{path}/{index}")))
        }
        _ => Ok(()),
    }
}

/// A name of a parameter, resource or output.
pub fn logical_id(kind: &str, id: &str, path: &str) -> Result<(), TemplateError> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let message = format!("Template format error: {kind} name {id} is non alphanumeric.");
        return Err(TemplateError::new(path, message));
    }
    if id.len() > LOGICAL_ID_CHARS_MAX {
        let message =
            format!("Template format error: {kind} name {id} is longer than {LOGICAL_ID_CHARS_MAX} characters.");
        return Err(TemplateError::new(path, message));
    }
    Ok(())
}

/// The form of one resource.
pub fn resource(value: &Value, path: &str) -> Result<(), TemplateError> {
    let Some(attributes) = value.as_object() else {
        return Err(TemplateError::new(path, "Template format error: Any Resources member must be an object."));
    };
    let Some(resource_type) = attributes.get("Type") else {
        let message = format!("Template format error: [{path}] Every Resources object must contain a Type member.");
        return Err(TemplateError::new(path, message));
    };
    let in_attribute = |name: &str, message: String| Err(TemplateError::new(join(path, name), message));
    if !resource_type.is_string() {
        let message = format!("Template format error: [{path}/Type] Every Type member must be a string.");
        return in_attribute("Type", message);
    }
    if let Some(name) = attributes.keys().find(|name| !RESOURCE_ATTRIBUTES.contains(&name.as_str())) {
        return in_attribute(name, format!("Invalid template resource property '{name}'"));
    }
    if attributes.get("Properties").is_some_and(|properties| !properties.is_object()) {
        let message = format!("Template format error: [{path}/Properties] Every Properties member must be an object.");
        return in_attribute("Properties", message);
    }
    if attributes.get("Condition").is_some_and(|condition| !condition.is_string()) {
        return in_attribute("Condition", "Template format error: Every Condition member must be a string.".to_owned());
    }
    let is_list_of_ids = |value: &Value| match value {
        Value::Array(items) => items.iter().all(Value::is_string),
        other => other.is_string(),
    };
    if attributes.get("DependsOn").is_some_and(|ids| !is_list_of_ids(ids)) {
        let message = "Template format error: DependsOn must be a string or list of strings.".to_owned();
        return in_attribute("DependsOn", message);
    }
    Ok(())
}

/// Mappings have two levels of keys and then strings or lists.
pub fn mappings(mappings: &IndexMap<String, Value>) -> Result<(), TemplateError> {
    for (name, map) in mappings {
        let path = join("/Mappings", name);
        let levels = map.as_object().filter(|map| map.values().all(Value::is_object)).ok_or_else(|| {
            TemplateError::new(&path, format!("Template format error: Every Mappings member {name} must be a map"))
        })?;
        for (key, attributes) in levels {
            let wrong = attributes.as_object().into_iter().flatten().find(|(_, value)| value.is_object());
            if let Some((attribute, _)) = wrong {
                let message = "Template format error: Every Mappings attribute must be a String or a List.";
                return Err(TemplateError::new(join(&join(&path, key), attribute), message));
            }
        }
    }
    Ok(())
}

/// The quotas.
pub fn sizes(template: &Template) -> Result<(), TemplateError> {
    let sections = [
        ("Resources", "resources", template.resources.len(), RESOURCES_MAX),
        ("Parameters", "parameters", template.parameters.len(), PARAMETERS_MAX),
        ("Mappings", "mappings", template.mappings.len(), MAPPINGS_MAX),
        ("Outputs", "outputs", template.outputs.len(), OUTPUTS_MAX),
    ];
    match sections.into_iter().find(|(_, _, count, max)| count > max) {
        None => Ok(()),
        Some((section, noun, count, max)) => {
            let message =
                format!("Template format error: Number of {noun}, {count}, is greater than maximum allowed, {max}");
            Err(TemplateError::new(format!("/{section}"), message))
        }
    }
}

/// Every name that is used exists.
pub fn names(template: &Template) -> Result<(), TemplateError> {
    for (id, resource) in &template.resources {
        let path = join("/Resources", id);
        let missing = missing_names(template, &resource.properties);
        let place = missing.first().and_then(|name| path_of(&resource.properties, name));
        let place = place.map_or_else(|| format!("{path}/DependsOn"), |place| format!("{path}/Properties{place}"));
        let depends_on = resource.depends_on.iter().filter(|id| !template.resources.contains_key(*id)).cloned();
        unresolved("Resources", missing.into_iter().chain(depends_on).collect(), &place)?;
        if let Some(name) = resource.condition.as_ref().filter(|name| !template.conditions.contains_key(*name)) {
            let message = format!(
                "Template format error: Unresolved condition dependency {name} in the Resources block of the template"
            );
            return Err(TemplateError::new(format!("{path}/Condition"), message));
        }
        conditions(template, &resource.properties, &format!("{path}/Properties"))?;
    }
    for (name, output) in &template.outputs {
        let path = join("/Outputs", name);
        let mut missing = missing_names(template, &output.value);
        missing.extend(output.export_name.iter().flat_map(|name| missing_names(template, name)));
        unresolved("Outputs", missing, &format!("{path}/Value"))?;
        if let Some(name) = output.condition.as_ref().filter(|name| !template.conditions.contains_key(*name)) {
            let message = format!(
                "Template format error: Unresolved condition dependency {name} in the Outputs block of the template"
            );
            return Err(TemplateError::new(format!("{path}/Condition"), message));
        }
        conditions(template, &output.value, &format!("{path}/Value"))?;
    }
    Ok(())
}

/// The names of `value` that are neither resource nor, for `Ref`, parameter or pseudo parameter.
fn missing_names(template: &Template, value: &Value) -> Vec<String> {
    let exists = |name: &str, is_ref: bool| {
        let is_value = || template.parameters.contains_key(name) || PSEUDO_PARAMETERS.contains(&name);
        template.resources.contains_key(name) || (is_ref && is_value())
    };
    let mut missing: Vec<String> = Vec::new();
    for reference in references(value) {
        if !exists(&reference.name, reference.attribute.is_none()) && !missing.contains(&reference.name) {
            missing.push(reference.name);
        }
    }
    missing
}

fn unresolved(block: &str, missing: Vec<String>, path: &str) -> Result<(), TemplateError> {
    match missing.is_empty() {
        true => Ok(()),
        false => {
            let names = missing.join(", ");
            let message = format!(
                "Template format error: Unresolved resource dependencies [{names}] in the {block} block of the template"
            );
            Err(TemplateError::new(path, message))
        }
    }
}

fn conditions(template: &Template, value: &Value, path: &str) -> Result<(), TemplateError> {
    match condition::branch_conditions(value).into_iter().find(|name| !template.conditions.contains_key(name)) {
        None => Ok(()),
        Some(name) => {
            Err(TemplateError::new(path, format!("Template error: unresolved condition dependency {name} in Fn::If")))
        }
    }
}
