use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use template::{EvalError, Resolved, Resolver, Scope};

/// What is known of a resource while others are evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub resource_type: String,
    pub reference: String,
    pub attributes: Map<String, Value>,
}

/// Answers names with the template's scope, the resources known so far, and the exports of other stacks. Notes
/// which exports were asked for.
pub struct StackResolver<'a> {
    pub scope: &'a Scope,
    pub resources: &'a BTreeMap<String, Known>,
    pub exports: &'a BTreeMap<String, String>,
    pub imports: RefCell<BTreeSet<String>>,
}

impl<'a> StackResolver<'a> {
    pub fn new(
        scope: &'a Scope,
        resources: &'a BTreeMap<String, Known>,
        exports: &'a BTreeMap<String, String>,
    ) -> StackResolver<'a> {
        StackResolver { scope, resources, exports, imports: RefCell::default() }
    }

    /// The exports that were asked for since the last time.
    pub fn take_imports(&self) -> BTreeSet<String> {
        self.imports.take()
    }
}

impl Resolver for StackResolver<'_> {
    fn reference(&self, name: &str) -> Result<Resolved, EvalError> {
        match self.scope.reference(name)? {
            Resolved::Unknown => {
                Ok(self.resources.get(name).map_or(Resolved::Unknown, |known| Resolved::text(&known.reference)))
            }
            resolved => Ok(resolved),
        }
    }

    fn attribute(&self, logical_id: &str, attribute: &str) -> Result<Resolved, EvalError> {
        let Some(known) = self.resources.get(logical_id) else { return Ok(Resolved::Unknown) };
        match known.attributes.get(attribute) {
            Some(value) => Ok(Resolved::Value(value.clone())),
            None => Err(EvalError::new(format!(
                "Template error: resource {logical_id} of type {} does not support attribute {{{attribute}}} in \
                 Fn::GetAtt",
                known.resource_type
            ))),
        }
    }

    fn import(&self, export_name: &str) -> Result<Resolved, EvalError> {
        self.imports.borrow_mut().insert(export_name.to_owned());
        match self.exports.get(export_name) {
            Some(value) => Ok(Resolved::text(value)),
            None => Err(EvalError::new(format!("No export named {export_name} found."))),
        }
    }

    fn mapping(&self, map: &str, first_key: &str, second_key: &str) -> Option<Value> {
        self.scope.mapping(map, first_key, second_key)
    }

    fn condition(&self, name: &str) -> Option<bool> {
        self.scope.condition(name)
    }

    fn availability_zones(&self, region: &str) -> Vec<String> {
        self.scope.availability_zones(region)
    }
}
