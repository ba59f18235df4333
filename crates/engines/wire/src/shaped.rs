use crate::schema;
use crate::value::{Fields, Value};

/// A typed operation, as generated: ties the name to its input and output.
pub trait Operation: 'static {
    type Input: Shaped;
    type Output: Shaped;
    const SCHEMA: &'static schema::Operation;
}

/// A struct that a schema describes. Generated; both directions are total for validated values.
pub trait Shaped: Sized + Send + 'static {
    const SCHEMA: &'static schema::Structure;

    /// Takes the honoured members out of `fields`. Fails only where a value does not have its member's shape or
    /// a required member is missing, which validation has excluded.
    fn from_fields(fields: Fields) -> Result<Self, Unshaped>;

    fn into_fields(self) -> Fields;
}

/// A value that does not have its member's shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("member `{member}` of `{structure}` is missing or of the wrong shape")]
pub struct Unshaped {
    pub structure: &'static str,
    pub member: &'static str,
}

impl Value {
    /// The typed struct in a structure value.
    pub fn into_shaped<T: Shaped>(self) -> Result<T, Unshaped> {
        match self {
            Value::Structure(fields) => T::from_fields(fields),
            _ => Err(Unshaped { structure: T::SCHEMA.name, member: "" }),
        }
    }
}
