//! Checks a resource's properties against the table that its type declares.

use serde_json::Value;

use crate::error::TransformError;
use crate::value::{Properties, only_entry};

/// A property of a SAM resource or event.
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub is_required: bool,
    /// What it may be.
    pub kind: Kind,
    /// Whether a function may stand in its place.
    pub accepts_functions: bool,
}

/// What a property may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Anything: CloudFormation checks it.
    Any,
    String,
    Boolean,
    Integer,
    Map,
    List,
    StringOrMap,
    StringOrStringList,
    BooleanOrMap,
    /// A list of strings or maps.
    ListOfStringOrMap,
    /// A string, a map, or a list of them.
    Policies,
    /// A map of maps.
    MapOfMaps,
    /// A map of strings.
    MapOfStrings,
    /// A map of integers or maps.
    MapOfIntegersOrMaps,
}

/// An optional property in the place of which a function may stand.
pub const fn optional(name: &'static str, kind: Kind) -> Property {
    Property { name, is_required: false, kind, accepts_functions: true }
}

/// A required property in the place of which a function may stand.
pub const fn required(name: &'static str, kind: Kind) -> Property {
    Property { name, is_required: true, kind, accepts_functions: true }
}

/// An optional property that takes no function.
pub const fn literal(name: &'static str, kind: Kind) -> Property {
    Property { name, is_required: false, kind, accepts_functions: false }
}

/// A property that is passed on unread.
pub const fn passed(name: &'static str, is_required: bool) -> Property {
    Property { name, is_required, kind: Kind::Any, accepts_functions: false }
}

/// Checks that there are only known properties, that none is missing, and that each is of its kind.
///
/// # Errors
/// The first fault, as one of the resource `logical_id` of type `resource_type`.
pub fn check<'a>(
    logical_id: &str,
    resource_type: &str,
    table: impl Iterator<Item = &'a Property> + Clone,
    properties: &Properties,
) -> Result<(), TransformError> {
    if let Some(name) = properties.keys().find(|name| !table.clone().any(|property| property.name == *name)) {
        let sentence = format!("property {name} not defined for resource of type {resource_type}");
        return Err(TransformError::resource(logical_id, sentence));
    }
    for property in table {
        match properties.get(property.name).filter(|value| !value.is_null()) {
            None if property.is_required => {
                let sentence = format!("Missing required property '{}'.", property.name);
                return Err(TransformError::resource(logical_id, sentence));
            }
            Some(value) if !property.allows(value) => return Err(property.wrong_kind(logical_id)),
            _ => {}
        }
    }
    Ok(())
}

impl Property {
    fn allows(&self, value: &Value) -> bool {
        (self.accepts_functions && only_entry(value).is_some()) || is_kind(value, self.kind)
    }

    fn wrong_kind(&self, logical_id: &str) -> TransformError {
        let noun = match self.kind {
            Kind::String => "string",
            Kind::Boolean => "boolean",
            Kind::Map => "map",
            Kind::List => "list",
            _ => {
                return TransformError::resource(logical_id, format!("Type of property '{}' is invalid.", self.name));
            }
        };
        TransformError::resource(logical_id, format!("Property '{}' should be a {noun}.", self.name))
    }
}

fn is_kind(value: &Value, kind: Kind) -> bool {
    let items_are = |kind: Kind| value.as_array().is_some_and(|items| items.iter().all(|item| is_kind(item, kind)));
    let entries_are = |test: fn(&Value) -> bool| value.as_object().is_some_and(|entries| entries.values().all(test));
    match kind {
        Kind::Any => true,
        Kind::String => value.is_string(),
        Kind::Boolean => value.is_boolean(),
        Kind::Integer => value.is_i64() || value.is_u64() || value.is_boolean(),
        Kind::Map => value.is_object(),
        Kind::List => value.is_array(),
        Kind::StringOrMap => value.is_string() || value.is_object(),
        Kind::StringOrStringList => value.is_string() || items_are(Kind::String),
        Kind::BooleanOrMap => value.is_boolean() || value.is_object(),
        Kind::ListOfStringOrMap => items_are(Kind::StringOrMap),
        Kind::Policies => value.is_string() || value.is_object() || items_are(Kind::StringOrMap),
        Kind::MapOfMaps => entries_are(Value::is_object),
        Kind::MapOfStrings => entries_are(Value::is_string),
        Kind::MapOfIntegersOrMaps => entries_are(|value| is_kind(value, Kind::Integer) || value.is_object()),
    }
}
