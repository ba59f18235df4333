//! What goes into the transform, and what comes out of it.

use serde_json::{Value, json};

use crate::error::TransformError;
use crate::properties::{self, Property};
use crate::value::{Properties, is_truthy};

/// Attributes that a SAM resource hands to the resource that takes its place.
const ATTRIBUTES: [&str; 5] = ["DeletionPolicy", "UpdatePolicy", "Condition", "UpdateReplacePolicy", "Metadata"];
/// Attributes that a SAM resource hands to every resource that is made for it.
const PASSED_ON: [&str; 3] = ["Condition", "DeletionPolicy", "UpdateReplacePolicy"];

/// A resource of a SAM type.
#[derive(Debug, Clone)]
pub struct SamResource {
    /// Its logical id.
    pub logical_id: String,
    /// Its properties, checked against its type's table.
    pub properties: Properties,
    /// `DependsOn` as written.
    pub depends_on: Option<Value>,
    /// The attributes that go to the resource in its place.
    pub attributes: Properties,
}

impl SamResource {
    /// Reads a resource and checks its properties.
    ///
    /// # Errors
    /// A property is unknown, missing or of a wrong kind.
    pub fn new(logical_id: &str, source: &Value, table: &[Property]) -> Result<SamResource, TransformError> {
        let resource_type = source.get("Type").and_then(Value::as_str).unwrap_or_default();
        if logical_id.is_empty() || !logical_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(TransformError::resource(logical_id, "Logical ids must be alphanumeric."));
        }
        let properties = source.get("Properties").and_then(Value::as_object).cloned().unwrap_or_default();
        properties::check(logical_id, resource_type, table.iter(), &properties)?;
        let attribute = |name: &&str| source.get(*name).map(|value| ((*name).to_owned(), value.clone()));
        Ok(SamResource {
            logical_id: logical_id.to_owned(),
            properties,
            depends_on: source.get("DependsOn").cloned(),
            attributes: ATTRIBUTES.iter().filter_map(attribute).collect(),
        })
    }

    /// A property, when it is there and not null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.properties.get(name).filter(|value| !value.is_null())
    }

    /// A property, when it is there and Python would take it for true.
    pub fn truthy(&self, name: &str) -> Option<&Value> {
        self.properties.get(name).filter(|value| is_truthy(value))
    }

    /// The attributes for every resource made for this one.
    pub fn passed_on(&self) -> Properties {
        passed_on(&self.attributes)
    }

    /// A fault of this resource.
    pub fn error(&self, sentence: impl AsRef<str>) -> TransformError {
        TransformError::resource(&self.logical_id, sentence)
    }
}

/// Of a resource's attributes those that every resource made for it also has.
pub fn passed_on(attributes: &Properties) -> Properties {
    let attribute = |name: &&str| attributes.get(*name).map(|value| ((*name).to_owned(), value.clone()));
    PASSED_ON.iter().filter_map(attribute).collect()
}

/// A plain CloudFormation resource that the transform makes.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Its logical id.
    pub logical_id: String,
    /// Its type.
    pub resource_type: &'static str,
    /// `DependsOn`.
    pub depends_on: Option<Value>,
    /// `Condition`, `DeletionPolicy` and their like.
    pub attributes: Properties,
    /// Its properties.
    pub properties: Properties,
}

impl Generated {
    /// A resource without properties.
    pub fn new(logical_id: impl Into<String>, resource_type: &'static str, attributes: Properties) -> Generated {
        Generated {
            logical_id: logical_id.into(),
            resource_type,
            depends_on: None,
            attributes,
            properties: Properties::new(),
        }
    }

    /// Sets a property.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.properties.insert(name.to_owned(), value.into());
    }

    /// Sets a property when there is a value.
    pub fn set_some(&mut self, name: &str, value: Option<&Value>) {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            self.set(name, value.clone());
        }
    }

    /// Takes properties over by name.
    pub fn take(&mut self, from: &Properties, names: &[&str]) {
        names.iter().for_each(|name| self.set_some(name, from.get(*name)));
    }

    /// The resource as it stands in a template.
    pub fn to_json(&self) -> Value {
        let mut out = Properties::new();
        out.insert("Type".to_owned(), json!(self.resource_type));
        if let Some(ids) = self.depends_on.as_ref().filter(|ids| is_truthy(ids)) {
            out.insert("DependsOn".to_owned(), ids.clone());
        }
        out.extend(self.attributes.clone());
        out.insert("Properties".to_owned(), Value::Object(self.properties.clone()));
        Value::Object(out)
    }
}
