//! What the evaluator must ask others for.

use serde_json::Value;

use crate::error::EvalError;

/// The answer to a question about a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// It is this.
    Value(Value),
    /// There is nothing, and what holds it is left out (`AWS::NoValue`).
    NoValue,
    /// It exists but is not known yet: a resource that is still to be made.
    Unknown,
}

impl Resolved {
    /// A known text.
    pub fn text(text: impl Into<String>) -> Resolved {
        Resolved::Value(Value::String(text.into()))
    }
}

/// Answers what names stand for. [`crate::Scope`] answers all that the template and its parameters tell; a stack
/// engine wraps it and adds resources and exports.
pub trait Resolver {
    /// `Ref`: a parameter, a pseudo parameter or a resource.
    ///
    /// # Errors
    /// The name is none of them.
    fn reference(&self, name: &str) -> Result<Resolved, EvalError>;

    /// `Fn::GetAtt`.
    ///
    /// # Errors
    /// The resource or its attribute does not exist.
    fn attribute(&self, logical_id: &str, attribute: &str) -> Result<Resolved, EvalError>;

    /// `Fn::ImportValue`.
    ///
    /// # Errors
    /// No stack exports the name.
    fn import(&self, export_name: &str) -> Result<Resolved, EvalError>;

    /// `Fn::FindInMap`: `None` when the mapping lacks the keys.
    fn mapping(&self, map: &str, first_key: &str, second_key: &str) -> Option<Value>;

    /// Whether a condition of the `Conditions` section holds; `None` when there is no such condition.
    fn condition(&self, name: &str) -> Option<bool>;

    /// `Fn::GetAZs`: the region's zones; an empty name means the stack's region.
    fn availability_zones(&self, region: &str) -> Vec<String>;
}
