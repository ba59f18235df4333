//! References to parameters, put in place where the transform must know a value.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use template::functions::sub::{self, Part};
use template::functions::text;

/// The parameters that the transform can see: the template's, with `AWS::Region` and `AWS::Partition`.
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    values: BTreeMap<String, Value>,
}

impl Parameters {
    /// Parameters by name.
    pub fn new(values: BTreeMap<String, Value>) -> Parameters {
        Parameters { values }
    }

    /// The value with every `Ref` to a parameter, and `${…}` of one in `Fn::Sub`, replaced. All else stays.
    pub fn resolve(&self, value: &Value) -> Value {
        match crate::value::only_entry(value) {
            Some(("Ref", Value::String(name))) => match self.values.get(name) {
                Some(known) => return known.clone(),
                None => return value.clone(),
            },
            Some(("Fn::Sub", Value::String(template))) => {
                return Value::Object(Map::from_iter([(
                    "Fn::Sub".to_owned(),
                    Value::String(self.substitute(template)),
                )]));
            }
            Some(("Fn::Sub", Value::Array(items))) => return self.resolve_sub_list(items),
            _ => {}
        }
        match value {
            Value::Object(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), self.resolve(value))).collect())
            }
            Value::Array(items) => items.iter().map(|item| self.resolve(item)).collect(),
            other => other.clone(),
        }
    }

    fn resolve_sub_list(&self, items: &[Value]) -> Value {
        let resolved = items.iter().enumerate().map(|(index, item)| match (index, item) {
            (0, Value::String(template)) => Value::String(self.substitute(template)),
            _ => self.resolve(item),
        });
        Value::Object(Map::from_iter([("Fn::Sub".to_owned(), resolved.collect())]))
    }

    fn substitute(&self, template: &str) -> String {
        let replaced = |part: Part<'_>| match part {
            Part::Text(text) => text.to_owned(),
            Part::Literal(name) => format!("${{!{name}}}"),
            Part::Variable(name) => self.values.get(name).and_then(text).unwrap_or_else(|| format!("${{{name}}}")),
        };
        sub::parts(template).into_iter().map(replaced).collect()
    }
}
