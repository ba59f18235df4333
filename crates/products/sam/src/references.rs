//! References that change: `!Ref Fn.Alias` names a resource that the transform made, and a layer has a new id.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use template::functions::sub::{self, Part};

use crate::value::only_entry;

/// What the references of a template become.
#[derive(Debug, Default)]
pub struct Renames {
    /// New logical ids of resources, by the old ones.
    pub ids: BTreeMap<String, String>,
    /// Logical ids of resources that stand behind `Fn.Alias`, `Fn.DestinationQueue` and their like.
    pub properties: BTreeMap<(String, String), String>,
}

impl Renames {
    /// The template with its references changed.
    pub fn apply(&self, value: &Value) -> Value {
        if self.ids.is_empty() && self.properties.is_empty() {
            return value.clone();
        }
        self.traverse(value)
    }

    fn traverse(&self, value: &Value) -> Value {
        match only_entry(value) {
            Some(("Ref", Value::String(name))) => return call("Ref", Value::String(self.name(name))),
            Some(("Fn::GetAtt", Value::Array(parts))) => return call("Fn::GetAtt", self.attribute(parts)),
            Some(("Fn::Sub", Value::String(text))) => return call("Fn::Sub", Value::String(self.text(text))),
            Some(("Fn::Sub", Value::Array(items))) => {
                let changed = items.iter().enumerate().map(|(index, item)| match (index, item) {
                    (0, Value::String(text)) => Value::String(self.text(text)),
                    _ => self.traverse(item),
                });
                return call("Fn::Sub", changed.collect());
            }
            _ => {}
        }
        match value {
            Value::Object(entries) => {
                Value::Object(entries.iter().map(|(key, value)| self.entry(key, value)).collect())
            }
            Value::Array(items) => items.iter().map(|item| self.traverse(item)).collect(),
            other => other.clone(),
        }
    }

    fn entry(&self, key: &str, value: &Value) -> (String, Value) {
        let renamed = |id: &Value| match id.as_str().and_then(|id| self.ids.get(id)) {
            Some(new) => Value::String(new.clone()),
            None => id.clone(),
        };
        let value = match (key, value) {
            ("DependsOn", Value::String(_)) => renamed(value),
            ("DependsOn", Value::Array(ids)) => ids.iter().map(renamed).collect(),
            _ => self.traverse(value),
        };
        (key.to_owned(), value)
    }

    /// What a `Ref` names.
    fn name(&self, name: &str) -> String {
        let known = match name.split_once('.') {
            Some((id, property)) => self.properties.get(&(id.to_owned(), property.to_owned())),
            None => self.ids.get(name),
        };
        known.cloned().unwrap_or_else(|| name.to_owned())
    }

    /// `[Fn, DestinationQueue.Arn]` and `[Fn.DestinationQueue, Arn]` both mean the queue's attribute.
    fn attribute(&self, parts: &[Value]) -> Value {
        let texts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
        let Some(texts) = texts else {
            return parts.iter().map(|part| self.traverse(part)).collect();
        };
        let joined = texts.join(".");
        let steps: Vec<&str> = joined.split('.').collect();
        if let [id, property, rest @ ..] = steps.as_slice()
            && let Some(known) = self.properties.get(&((*id).to_owned(), (*property).to_owned()))
        {
            return [known.as_str()].iter().chain(rest).map(|step| Value::String((*step).to_owned())).collect();
        }
        let first = texts.first().map(|id| self.ids.get(*id).map_or(*id, String::as_str));
        first.into_iter().chain(texts.iter().skip(1).copied()).map(|part| Value::String(part.to_owned())).collect()
    }

    fn text(&self, text: &str) -> String {
        let changed = |part: Part<'_>| match part {
            Part::Text(text) => text.to_owned(),
            Part::Literal(name) => format!("${{!{name}}}"),
            Part::Variable(name) => format!("${{{}}}", self.variable(name)),
        };
        sub::parts(text).into_iter().map(changed).collect()
    }

    fn variable(&self, name: &str) -> String {
        let steps: Vec<&str> = name.split('.').collect();
        let (known, rest) = match steps.as_slice() {
            [id, property, rest @ ..] if self.has_property(id, property) => {
                (self.properties.get(&((*id).to_owned(), (*property).to_owned())), rest)
            }
            [id, rest @ ..] => (self.ids.get(*id), rest),
            [] => (None, &[][..]),
        };
        match known {
            Some(known) => [known.as_str()].iter().chain(rest).copied().collect::<Vec<_>>().join("."),
            None => name.to_owned(),
        }
    }

    fn has_property(&self, id: &str, property: &str) -> bool {
        self.properties.contains_key(&(id.to_owned(), property.to_owned()))
    }
}

fn call(function: &str, argument: Value) -> Value {
    Value::Object(Map::from_iter([(function.to_owned(), argument)]))
}
