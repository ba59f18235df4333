//! Between [`Value`]s and the types of the generated structs' fields.

use std::collections::BTreeMap;

use base::Timestamp;
use bytes::Bytes;

use crate::schema::Structure;
use crate::{Fields, Shaped, Unshaped, Value};

/// Any JSON, as the field of a struct.
pub type Document = serde_json::Value;

/// A type of a field, as it comes out of a value.
pub trait FromValue: Sized {
    /// Fails where the value has another shape. A failure at a leaf leaves the names to the structure around it.
    fn from_value(value: Value) -> Result<Self, Unshaped>;
}

/// A type of a field, as it becomes a value.
pub trait IntoValue {
    fn into_value(self) -> Value;
}

/// Names of the failure are filled in by the structure around the leaf.
const LEAF: Unshaped = Unshaped { structure: "", member: "" };

/// The members of one structure while its struct is being filled.
pub struct Members {
    fields: Fields,
    schema: &'static Structure,
}

impl Members {
    pub fn new(fields: Fields, schema: &'static Structure) -> Members {
        Members { fields, schema }
    }

    /// The member at `index`, which must be there.
    pub fn required<T: FromValue>(&mut self, index: usize) -> Result<T, Unshaped> {
        match self.optional(index)? {
            Some(value) => Ok(value),
            None => Err(self.unshaped(index)),
        }
    }

    /// The member at `index`, if it is there.
    pub fn optional<T: FromValue>(&mut self, index: usize) -> Result<Option<T>, Unshaped> {
        match self.fields.take(index) {
            None => Ok(None),
            Some(value) => T::from_value(value).map(Some).map_err(|error| self.named(index, error)),
        }
    }

    fn named(&self, index: usize, error: Unshaped) -> Unshaped {
        if error == LEAF { self.unshaped(index) } else { error }
    }

    fn unshaped(&self, index: usize) -> Unshaped {
        Unshaped { structure: self.schema.name, member: self.schema.members[index].name }
    }
}

impl Fields {
    /// Sets the member at `index`.
    pub fn put(&mut self, index: usize, value: impl IntoValue) {
        self.set(index, value.into_value());
    }

    /// Sets the member at `index` if there is a value.
    pub fn put_optional(&mut self, index: usize, value: Option<impl IntoValue>) {
        if let Some(value) = value {
            self.set(index, value.into_value());
        }
    }
}

impl<T: Shaped> Shaped for Box<T> {
    const SCHEMA: &'static Structure = T::SCHEMA;

    fn from_fields(fields: Fields) -> Result<Box<T>, Unshaped> {
        T::from_fields(fields).map(Box::new)
    }

    fn into_fields(self) -> Fields {
        (*self).into_fields()
    }
}

impl<T: Shaped> FromValue for T {
    fn from_value(value: Value) -> Result<T, Unshaped> {
        value.into_shaped()
    }
}

impl<T: Shaped> IntoValue for T {
    fn into_value(self) -> Value {
        Value::Structure(self.into_fields())
    }
}

impl FromValue for bool {
    fn from_value(value: Value) -> Result<bool, Unshaped> {
        match value {
            Value::Boolean(boolean) => Ok(boolean),
            _ => Err(LEAF),
        }
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::Boolean(self)
    }
}

impl FromValue for i64 {
    fn from_value(value: Value) -> Result<i64, Unshaped> {
        match value {
            Value::Integer(integer) => Ok(integer),
            _ => Err(LEAF),
        }
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::Integer(self)
    }
}

impl FromValue for i32 {
    fn from_value(value: Value) -> Result<i32, Unshaped> {
        i64::from_value(value).and_then(|integer| i32::try_from(integer).map_err(|_| LEAF))
    }
}

impl IntoValue for i32 {
    fn into_value(self) -> Value {
        Value::Integer(self.into())
    }
}

impl FromValue for f64 {
    fn from_value(value: Value) -> Result<f64, Unshaped> {
        match value {
            Value::Double(double) => Ok(double),
            Value::Integer(integer) => Ok(integer as f64),
            _ => Err(LEAF),
        }
    }
}

impl IntoValue for f64 {
    fn into_value(self) -> Value {
        Value::Double(self)
    }
}

impl FromValue for f32 {
    fn from_value(value: Value) -> Result<f32, Unshaped> {
        f64::from_value(value).map(|double| double as f32)
    }
}

impl IntoValue for f32 {
    fn into_value(self) -> Value {
        Value::Double(self.into())
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<String, Unshaped> {
        match value {
            Value::String(string) => Ok(string),
            _ => Err(LEAF),
        }
    }
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::String(self)
    }
}

impl FromValue for Bytes {
    fn from_value(value: Value) -> Result<Bytes, Unshaped> {
        match value {
            Value::Blob(bytes) => Ok(bytes),
            _ => Err(LEAF),
        }
    }
}

impl IntoValue for Bytes {
    fn into_value(self) -> Value {
        Value::Blob(self)
    }
}

impl FromValue for Timestamp {
    fn from_value(value: Value) -> Result<Timestamp, Unshaped> {
        match value {
            Value::Timestamp(timestamp) => Ok(timestamp),
            _ => Err(LEAF),
        }
    }
}

impl IntoValue for Timestamp {
    fn into_value(self) -> Value {
        Value::Timestamp(self)
    }
}

impl FromValue for Document {
    fn from_value(value: Value) -> Result<Document, Unshaped> {
        match value {
            Value::Document(document) => Ok(document),
            _ => Err(LEAF),
        }
    }
}

impl IntoValue for Document {
    fn into_value(self) -> Value {
        Value::Document(self)
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Result<Vec<T>, Unshaped> {
        match value {
            Value::List(list) => list.into_iter().map(T::from_value).collect(),
            _ => Err(LEAF),
        }
    }
}

impl<T: IntoValue> IntoValue for Vec<T> {
    fn into_value(self) -> Value {
        Value::List(self.into_iter().map(T::into_value).collect())
    }
}

impl<T: FromValue> FromValue for BTreeMap<String, T> {
    fn from_value(value: Value) -> Result<BTreeMap<String, T>, Unshaped> {
        match value {
            Value::Map(map) => map.into_iter().map(|(key, value)| Ok((key, T::from_value(value)?))).collect(),
            _ => Err(LEAF),
        }
    }
}

impl<T: IntoValue> IntoValue for BTreeMap<String, T> {
    fn into_value(self) -> Value {
        Value::Map(self.into_iter().map(|(key, value)| (key, value.into_value())).collect())
    }
}
