//! The template as a document: its sections, read from a plain JSON value.

use indexmap::IndexMap;
use serde_json::Value;

use crate::error::TemplateError;
use crate::parameter::Parameter;
use crate::validate;

/// A CloudFormation template. Every map keeps the order of the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    /// `Description`.
    pub description: Option<String>,
    /// `Metadata`.
    pub metadata: Option<Value>,
    /// `Transform`: a macro's name, or `{"Name": …, "Parameters": …}`.
    pub transforms: Vec<Value>,
    /// `Parameters`.
    pub parameters: IndexMap<String, Parameter>,
    /// `Rules`, as written.
    pub rules: IndexMap<String, Value>,
    /// `Mappings`: two levels of keys, then a string or a list.
    pub mappings: IndexMap<String, Value>,
    /// `Conditions`, as written.
    pub conditions: IndexMap<String, Value>,
    /// `Resources`; never empty.
    pub resources: IndexMap<String, Resource>,
    /// `Outputs`.
    pub outputs: IndexMap<String, Output>,
}

/// A member of `Resources`.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// `Type`, as `AWS::SQS::Queue`.
    pub resource_type: String,
    /// `Properties`: an object, empty when there are none.
    pub properties: Value,
    /// `DependsOn`: logical ids.
    pub depends_on: Vec<String>,
    /// `Condition`: the name of the condition under which the resource exists.
    pub condition: Option<String>,
    /// `DeletionPolicy`.
    pub deletion_policy: RetentionPolicy,
    /// `UpdateReplacePolicy`.
    pub update_replace_policy: RetentionPolicy,
    /// `Metadata`.
    pub metadata: Option<Value>,
    /// `CreationPolicy`.
    pub creation_policy: Option<Value>,
    /// `UpdatePolicy`.
    pub update_policy: Option<Value>,
}

/// What becomes of a resource that the stack no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetentionPolicy {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays.
    Retain,
    /// It stays, unless its own creation is rolled back.
    RetainExceptOnCreate,
    /// A snapshot stays.
    Snapshot,
}

/// A member of `Outputs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// `Value`, with functions.
    pub value: Value,
    /// `Description`.
    pub description: Option<String>,
    /// `Condition`.
    pub condition: Option<String>,
    /// `Export.Name`, with functions.
    pub export_name: Option<Value>,
}

impl Template {
    /// Reads a template. References are not checked here, since a transform may still make what they name: see
    /// [`Template::check_references`].
    ///
    /// # Errors
    /// The first fault of the document's form.
    pub fn from_json(value: &Value) -> Result<Template, TemplateError> {
        validate::root(value)?;
        let section = |name: &str| value.get(name).and_then(Value::as_object).into_iter().flatten();
        let as_written = |name: &str| section(name).map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut template = Template {
            description: value.get("Description").and_then(Value::as_str).map(str::to_owned),
            metadata: value.get("Metadata").cloned(),
            transforms: list(value.get("Transform")),
            rules: as_written("Rules"),
            mappings: as_written("Mappings"),
            conditions: as_written("Conditions"),
            ..Template::default()
        };
        for (name, parameter) in section("Parameters") {
            template.parameters.insert(name.clone(), Parameter::from_json(name, parameter)?);
        }
        validate::mappings(&template.mappings)?;
        for (id, resource) in section("Resources") {
            template.resources.insert(id.clone(), Resource::from_json(id, resource)?);
        }
        for (name, output) in section("Outputs") {
            template.outputs.insert(name.clone(), Output::from_json(name, output)?);
        }
        validate::sizes(&template)?;
        Ok(template)
    }

    /// Whether the template asks for a macro of this name, as `AWS::Serverless-2016-10-31`.
    pub fn has_transform(&self, name: &str) -> bool {
        let name_of = |transform: &Value| transform.as_str().or_else(|| transform.get("Name")?.as_str()) == Some(name);
        self.transforms.iter().any(name_of)
    }

    /// Checks that every name that is used exists, and that resources do not need each other in a circle.
    ///
    /// # Errors
    /// `Template format error: Unresolved resource dependencies […]`, `Circular dependency between resources: […]`
    /// and their like.
    pub fn check_references(&self) -> Result<(), TemplateError> {
        validate::names(self)?;
        crate::graph::creation_order(self, None).map(|_| ())
    }
}

impl Resource {
    fn from_json(id: &str, value: &Value) -> Result<Resource, TemplateError> {
        let path = crate::pointer::join("/Resources", id);
        validate::logical_id("Resource", id, &path)?;
        validate::resource(value, &path)?;
        let policy = |name: &str| match value.get(name) {
            None => Ok(RetentionPolicy::Delete),
            Some(policy) => retention(policy, name, &path),
        };
        Ok(Resource {
            resource_type: value["Type"].as_str().unwrap_or_default().to_owned(),
            properties: value.get("Properties").cloned().unwrap_or_else(|| Value::Object(Default::default())),
            depends_on: list(value.get("DependsOn")).iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            condition: value.get("Condition").and_then(Value::as_str).map(str::to_owned),
            deletion_policy: policy("DeletionPolicy")?,
            update_replace_policy: policy("UpdateReplacePolicy")?,
            metadata: value.get("Metadata").cloned(),
            creation_policy: value.get("CreationPolicy").cloned(),
            update_policy: value.get("UpdatePolicy").cloned(),
        })
    }
}

impl Output {
    fn from_json(name: &str, value: &Value) -> Result<Output, TemplateError> {
        let path = crate::pointer::join("/Outputs", name);
        validate::logical_id("Output", name, &path)?;
        let Some(result) = value.get("Value") else {
            let message = "Template format error: Every Outputs member must contain a Value object";
            return Err(TemplateError::new(path, message));
        };
        Ok(Output {
            value: result.clone(),
            description: value.get("Description").and_then(Value::as_str).map(str::to_owned),
            condition: value.get("Condition").and_then(Value::as_str).map(str::to_owned),
            export_name: value.get("Export").and_then(|export| export.get("Name")).cloned(),
        })
    }
}

fn retention(policy: &Value, name: &str, path: &str) -> Result<RetentionPolicy, TemplateError> {
    let allows_create = name == "DeletionPolicy";
    match policy.as_str() {
        Some("Delete") => Ok(RetentionPolicy::Delete),
        Some("Retain") => Ok(RetentionPolicy::Retain),
        Some("RetainExceptOnCreate") if allows_create => Ok(RetentionPolicy::RetainExceptOnCreate),
        Some("Snapshot") => Ok(RetentionPolicy::Snapshot),
        Some(other) => {
            let message =
                format!("Template error: Unrecognized {name} {other} for resource {}", path.replace("/Resources/", ""));
            Err(TemplateError::new(format!("{path}/{name}"), message))
        }
        None => {
            let message = format!("Template format error: Every {name} member must be a string.");
            Err(TemplateError::new(format!("{path}/{name}"), message))
        }
    }
}

/// One value or a list of them, as a list.
fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
    }
}

#[cfg(test)]
mod tests;
