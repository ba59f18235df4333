//! The transform of a whole template.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{TransformError, unsupported};
use crate::globals::Globals;
use crate::parameters::Parameters;
use crate::references::Renames;
use crate::resource::{Generated, SamResource};
use crate::value::Properties;
use crate::{arn, function, layer_version, simple_table};

/// The name by which a template asks for the transform.
pub const TRANSFORM_NAME: &str = "AWS::Serverless-2016-10-31";

/// What the transform knows beside the template.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Values of the template's parameters; a parameter that is not here has its default.
    pub parameters: BTreeMap<String, Value>,
    /// The region of the stack. It decides the partition in ARNs.
    pub region: String,
}

/// What the transform of one resource may read and change.
pub(crate) struct Scope<'a> {
    /// The template's parameters.
    pub parameters: &'a Parameters,
    /// `aws`, `aws-cn`, …
    pub partition: &'static str,
    /// The template's resources: an S3 event changes its bucket.
    pub resources: &'a mut Map<String, Value>,
    /// The template's conditions: some properties make new ones.
    pub conditions: &'a mut Map<String, Value>,
}

/// Transforms a template with `AWS::Serverless::*` resources into one with plain resources, without `Transform` and
/// `Globals`.
///
/// # Errors
/// Every resource that is invalid or that Kobel does not transform: see [`crate::document_message`].
pub fn transform(template: &Value, context: &Context) -> Result<Value, Vec<TransformError>> {
    let mut resources = with_globals(template).map_err(|error| vec![error])?;
    let original_types = types(&resources);
    let parameters = visible_parameters(template, context);
    let mut conditions = template.get("Conditions").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut renames = Renames::default();
    let mut errors = Vec::new();

    for logical_id in in_order(&resources) {
        let source = resources.get(&logical_id).cloned().unwrap_or_default();
        let mut scope = Scope {
            parameters: &parameters,
            partition: arn::partition(&context.region),
            resources: &mut resources,
            conditions: &mut conditions,
        };
        match generate(&logical_id, &source, &mut scope) {
            Err(error) => errors.push(error),
            Ok(generated) => {
                note_renames(&logical_id, &source, &generated, &mut renames);
                resources.shift_remove(&logical_id);
                errors.extend(merge(&logical_id, generated, &original_types, &mut resources));
            }
        }
    }
    if !errors.is_empty() {
        let mut seen = Vec::new();
        errors.retain(|error| {
            !seen.contains(&error.message) && {
                seen.push(error.message.clone());
                true
            }
        });
        return Err(errors);
    }
    Ok(renames.apply(&assembled(template, resources, conditions)))
}

/// The resources with the properties of `Globals` merged in.
fn with_globals(template: &Value) -> Result<Map<String, Value>, TransformError> {
    let resources = match template.get("Resources").and_then(Value::as_object) {
        Some(resources) if !resources.is_empty() => resources,
        _ => return Err(TransformError::structure("'Resources' section is required")),
    };
    if !resources.values().all(Value::is_object) {
        return Err(TransformError::structure(
            "All 'Resources' must be Objects. If you're using YAML, this may be an indentation issue.",
        ));
    }
    let globals = Globals::new(template)?;
    let mut out = Map::new();
    for (logical_id, resource) in resources {
        let mut resource = resource.clone();
        if is_serverless(&resource) {
            let properties = match resource.get("Properties") {
                None => Properties::new(),
                Some(Value::Object(properties)) => properties.clone(),
                Some(_) => {
                    return Err(TransformError::resource(logical_id, "Attribute 'Properties' should be a map."));
                }
            };
            resource["Properties"] = Value::Object(globals.merge(logical_id, &resource, properties)?);
        }
        out.insert(logical_id.clone(), resource);
    }
    Ok(out)
}

fn is_serverless(resource: &Value) -> bool {
    resource.get("Type").and_then(Value::as_str).is_some_and(|name| name.starts_with("AWS::Serverless::"))
}

fn types(resources: &Map<String, Value>) -> BTreeMap<String, String> {
    let type_of = |resource: &Value| resource.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
    resources.iter().map(|(id, resource)| (id.clone(), type_of(resource))).collect()
}

fn visible_parameters(template: &Value, context: &Context) -> Parameters {
    let mut values = context.parameters.clone();
    for (name, declaration) in template.get("Parameters").and_then(Value::as_object).into_iter().flatten() {
        if let Some(default) = declaration.get("Default").filter(|_| !values.contains_key(name)) {
            values.insert(name.clone(), default.clone());
        }
    }
    values.entry("AWS::Region".to_owned()).or_insert_with(|| context.region.clone().into());
    values.entry("AWS::Partition".to_owned()).or_insert_with(|| arn::partition(&context.region).into());
    Parameters::new(values)
}

/// The SAM resources in the order in which they are transformed: functions first, since their events change others.
fn in_order(resources: &Map<String, Value>) -> Vec<String> {
    let rank = |resource: &Value| match resource["Type"].as_str().unwrap_or_default() {
        "AWS::Serverless::Function" => 0,
        "AWS::Serverless::StateMachine" => 1,
        "AWS::Serverless::Api" | "AWS::Serverless::HttpApi" | "AWS::Serverless::WebSocketApi" => 2,
        "AWS::Serverless::Connector" => 4,
        _ => 3,
    };
    let is_ours = |resource: &Value| is_serverless(resource) || resource.get("Connectors").is_some();
    let mut ours: Vec<_> = resources.iter().filter(|(_, resource)| is_ours(resource)).collect();
    ours.sort_by_key(|(_, resource)| rank(resource));
    ours.into_iter().map(|(id, _)| id.clone()).collect()
}

fn generate(logical_id: &str, source: &Value, scope: &mut Scope<'_>) -> Result<Vec<Generated>, TransformError> {
    if source.get("Connectors").is_some() {
        return Err(unsupported(logical_id, "The attribute 'Connectors'"));
    }
    let read = |table| SamResource::new(logical_id, source, table);
    match source["Type"].as_str().unwrap_or_default() {
        "AWS::Serverless::Function" => function::generate(&read(&function::PROPERTIES)?, scope),
        "AWS::Serverless::SimpleTable" => simple_table::generate(&read(&simple_table::PROPERTIES)?),
        "AWS::Serverless::LayerVersion" => layer_version::generate(&read(&layer_version::PROPERTIES)?, scope),
        other => Err(unsupported(logical_id, &format!("The resource type {other}"))),
    }
}

/// Notes what references to a transformed resource become.
fn note_renames(logical_id: &str, source: &Value, generated: &[Generated], renames: &mut Renames) {
    match source["Type"].as_str().unwrap_or_default() {
        "AWS::Serverless::Function" => {
            for (property, resource_type) in function::REFERABLE {
                let last = generated.iter().rev().find(|resource| resource.resource_type == resource_type);
                if let Some(resource) = last {
                    let key = (logical_id.to_owned(), property.to_owned());
                    renames.properties.insert(key, resource.logical_id.clone());
                }
            }
        }
        "AWS::Serverless::LayerVersion" => {
            let layer = generated.iter().map(|layer| (logical_id.to_owned(), layer.logical_id.clone()));
            renames.ids.extend(layer);
        }
        _ => {}
    }
}

/// Puts generated resources into the template; a logical id that the template had before is an error.
fn merge(
    owner: &str,
    generated: Vec<Generated>,
    original_types: &BTreeMap<String, String>,
    resources: &mut Map<String, Value>,
) -> Vec<TransformError> {
    let mut errors = Vec::new();
    for resource in generated {
        let taken = original_types.get(&resource.logical_id).is_some_and(|original| {
            !matches!(
                (resource.resource_type, original.as_str()),
                ("AWS::Lambda::Function", "AWS::Serverless::Function")
                    | ("AWS::Lambda::LayerVersion", "AWS::Serverless::LayerVersion")
                    | ("AWS::DynamoDB::Table", "AWS::Serverless::SimpleTable")
                    | ("AWS::SNS::Topic", "AWS::SNS::Topic")
            )
        });
        if taken {
            errors.push(duplicate(owner, &resource));
        } else {
            resources.insert(resource.logical_id.clone(), resource.to_json());
        }
    }
    errors
}

fn duplicate(owner: &str, resource: &Generated) -> TransformError {
    let message = format!(
        "Transforming resource with id [{owner}] attempts to create a new resource with id [{}] and type \"{}\". A \
         resource with that id already exists within this template. Please use a different id for that resource.",
        resource.logical_id, resource.resource_type
    );
    TransformError { message, logical_id: Some(owner.to_owned()) }
}

fn assembled(template: &Value, resources: Map<String, Value>, conditions: Map<String, Value>) -> Value {
    let mut out = Map::new();
    for (name, section) in template.as_object().into_iter().flatten() {
        match name.as_str() {
            "Transform" | "Globals" | "Conditions" | "Resources" => {}
            _ => {
                out.insert(name.clone(), section.clone());
            }
        }
    }
    if !conditions.is_empty() || template.get("Conditions").is_some() {
        out.insert("Conditions".to_owned(), Value::Object(conditions));
    }
    out.insert("Resources".to_owned(), Value::Object(resources));
    Value::Object(out)
}
