use std::collections::BTreeMap;

use serde_json::{Map, Value};
use wire::Error;

use crate::attribute::Attributes;
use crate::error;

/// How many keys a policy may have.
const KEYS_MAX: usize = 5;
/// The product of the numbers of values of all keys.
const COMBINATIONS_MAX: usize = 150;

/// A subscription's filter policy, compiled. All keys must match, each by one of its conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    keys: Vec<(String, Vec<Condition>)>,
    body: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Equals(Value),
    AnythingBut(Vec<Value>),
    AnythingButPrefix(String),
    Prefix(String),
    Suffix(String),
    EqualsIgnoreCase(String),
    Numeric(Vec<(String, f64)>),
    Exists(bool),
}

impl Filter {
    /// From a subscription's attributes; matches all where there is no policy.
    pub fn of(attributes: &BTreeMap<String, String>) -> Result<Filter, Error> {
        let Some(policy) = attributes.get("FilterPolicy").filter(|policy| !policy.is_empty()) else {
            return Ok(Filter::default());
        };
        let body = match attributes.get("FilterPolicyScope").map(String::as_str) {
            None | Some("MessageAttributes") => false,
            Some("MessageBody") => true,
            Some(scope) => return Err(refused(format!("FilterPolicyScope: Invalid value [{scope}]."))),
        };
        let Ok(Value::Object(policy)) = serde_json::from_str(policy) else {
            return Err(refused("FilterPolicy: failed to parse JSON."));
        };
        let keys: Vec<_> =
            policy.iter().map(|(key, value)| key_conditions(key, value, body)).collect::<Result<_, _>>()?;
        if keys.len() > KEYS_MAX {
            return Err(refused("FilterPolicy: Filter policy can not have more than 5 keys"));
        }
        if keys.iter().map(|(_, conditions)| conditions.len()).product::<usize>() > COMBINATIONS_MAX {
            return Err(refused("FilterPolicy: Filter policy is too complex"));
        }
        Ok(Filter { keys, body })
    }

    pub fn matches(&self, attributes: &Attributes, message: &str) -> bool {
        if self.keys.is_empty() {
            return true;
        }
        let values: Map<String, Value> = if self.body {
            let Ok(Value::Object(body)) = serde_json::from_str(message) else { return false };
            body
        } else {
            attributes.iter().filter_map(|(name, a)| Some((name.clone(), a.filter_value()?))).collect()
        };
        self.keys.iter().all(|(key, conditions)| {
            let value = values.get(key);
            conditions.iter().any(|condition| condition.holds(value))
        })
    }
}

fn refused(detail: impl std::fmt::Display) -> Error {
    error::invalid(format!("Attributes Reason: {detail}"))
}

fn key_conditions(key: &str, value: &Value, body: bool) -> Result<(String, Vec<Condition>), Error> {
    match value {
        Value::Array(conditions) if conditions.is_empty() => Err(refused("FilterPolicy: Empty arrays are not allowed")),
        Value::Array(conditions) if key != "$or" => {
            Ok((key.to_owned(), conditions.iter().map(condition).collect::<Result<_, _>>()?))
        }
        Value::Array(_) => Err(error::not_implemented("`$or` in filter policies")),
        Value::Object(_) if body => Err(error::not_implemented("nested filter policies")),
        Value::Object(_) => {
            let message = "FilterPolicy: Filter policy scope MessageAttributes does not support nested filter policy";
            Err(refused(message))
        }
        _ => Err(refused(format!("FilterPolicy: \"{key}\" must be an object or an array"))),
    }
}

fn condition(value: &Value) -> Result<Condition, Error> {
    let Value::Object(object) = value else { return Ok(Condition::Equals(value.clone())) };
    let mut entries = object.iter();
    let (Some((operator, operand)), None) = (entries.next(), entries.next()) else {
        return Err(refused("FilterPolicy: Only one key allowed in match expression"));
    };
    let text = || {
        let message = || refused(format!("FilterPolicy: {operator} match pattern must be a string"));
        operand.as_str().map(str::to_owned).ok_or_else(message)
    };
    match operator.as_str() {
        "prefix" => text().map(Condition::Prefix),
        "suffix" => text().map(Condition::Suffix),
        "equals-ignore-case" => text().map(|text| Condition::EqualsIgnoreCase(text.to_lowercase())),
        "exists" => {
            let message = || refused("FilterPolicy: exists match pattern must be either true or false.");
            operand.as_bool().map(Condition::Exists).ok_or_else(message)
        }
        "anything-but" => match operand {
            Value::Array(values) => Ok(Condition::AnythingBut(values.clone())),
            Value::Object(inner) => match inner.get("prefix").and_then(Value::as_str) {
                Some(prefix) if inner.len() == 1 => Ok(Condition::AnythingButPrefix(prefix.to_owned())),
                _ => {
                    let inner = inner.keys().next().cloned().unwrap_or_default();
                    Err(refused(format!("FilterPolicy: Unsupported anything-but pattern: {inner}")))
                }
            },
            value => Ok(Condition::AnythingBut(vec![value.clone()])),
        },
        "numeric" => numeric(operand).map(Condition::Numeric),
        "cidr" | "wildcard" => Err(error::not_implemented(&format!("`{operator}` in filter policies"))),
        _ => Err(refused(format!("FilterPolicy: Unrecognized match type {operator}"))),
    }
}

fn numeric(operand: &Value) -> Result<Vec<(String, f64)>, Error> {
    let malformed = || refused("FilterPolicy: Value of numeric must be an array of operators and numbers");
    let parts = operand.as_array().filter(|parts| !parts.is_empty() && parts.len() % 2 == 0).ok_or_else(malformed)?;
    let bound = |pair: &[Value]| {
        let operator = pair[0].as_str().filter(|op| ["=", "<", "<=", ">", ">="].contains(op)).ok_or_else(malformed)?;
        let number =
            pair[1].as_f64().ok_or_else(|| refused(format!("FilterPolicy: Value of {operator} must be numeric")));
        Ok((operator.to_owned(), number?))
    };
    let bounds: Vec<(String, f64)> = parts.chunks(2).map(bound).collect::<Result<_, Error>>()?;
    match &bounds[..] {
        [(_, bottom), (_, top)] if bottom >= top => Err(refused("FilterPolicy: Bottom must be less than top")),
        _ => Ok(bounds),
    }
}

impl Condition {
    /// Whether the value of the key, if there is one, fulfils the condition; of an array, one element must.
    fn holds(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Condition::Exists(wanted), value) => value.is_some() == *wanted,
            (_, None) => false,
            (Condition::AnythingBut(_) | Condition::AnythingButPrefix(_), Some(Value::Array(elements))) => {
                elements.iter().all(|element| self.holds_one(element))
            }
            (_, Some(Value::Array(elements))) => elements.iter().any(|element| self.holds_one(element)),
            (_, Some(value)) => self.holds_one(value),
        }
    }

    fn holds_one(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Condition::Equals(wanted) => same(value, wanted),
            Condition::AnythingBut(values) => !values.iter().any(|unwanted| same(value, unwanted)),
            Condition::AnythingButPrefix(prefix) => !text.is_some_and(|text| text.starts_with(prefix.as_str())),
            Condition::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix.as_str())),
            Condition::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix.as_str())),
            Condition::EqualsIgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == *wanted),
            Condition::Numeric(bounds) => value.as_f64().is_some_and(|number| {
                bounds.iter().all(|(operator, bound)| match operator.as_str() {
                    "=" => number == *bound,
                    "<" => number < *bound,
                    "<=" => number <= *bound,
                    ">" => number > *bound,
                    _ => number >= *bound,
                })
            }),
            Condition::Exists(wanted) => *wanted,
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::attribute::Attribute;

    fn filter(policy: Value, scope: &str) -> Result<Filter, Error> {
        let attribute = |name: &str, value: String| (name.to_owned(), value);
        Filter::of(&BTreeMap::from([
            attribute("FilterPolicy", policy.to_string()),
            attribute("FilterPolicyScope", scope.to_owned()),
        ]))
    }

    #[test]
    fn policies_select_by_attributes() {
        let attribute = |data_type: &str, value: &str| Attribute {
            data_type: data_type.to_owned(),
            text: Some(value.to_owned()),
            binary: None,
        };
        let attributes = Attributes::from([
            ("kind".to_owned(), attribute("String", "hazel")),
            ("price".to_owned(), attribute("Number", "12.50")),
            ("tags".to_owned(), attribute("String.Array", r#"["a","b"]"#)),
        ]);
        let cases = [
            (json!({"kind": ["oak", "hazel"]}), true),
            (json!({"kind": ["oak"]}), false),
            (json!({"kind": [{"prefix": "ha"}], "price": [{"numeric": [">", 10, "<=", 12.5]}]}), true),
            (json!({"kind": [{"suffix": "zel"}]}), true),
            (json!({"kind": [{"anything-but": ["hazel"]}]}), false),
            (json!({"kind": [{"anything-but": {"prefix": "o"}}]}), true),
            (json!({"kind": [{"equals-ignore-case": "HAZEL"}]}), true),
            (json!({"absent": [{"exists": false}]}), true),
            (json!({"absent": [{"exists": true}]}), false),
            (json!({"tags": ["b"]}), true),
            (json!({"price": [12.5]}), true),
            (json!({}), true),
        ];
        for (policy, expected) in cases {
            let filter = filter(policy.clone(), "MessageAttributes").expect("compiles");
            assert_eq!(filter.matches(&attributes, "body"), expected, "{policy}");
        }
    }

    #[test]
    fn policies_select_by_body() {
        let filter = filter(json!({"kind": ["oak"]}), "MessageBody").expect("compiles");
        assert!(filter.matches(&Attributes::new(), r#"{"kind":"oak"}"#));
        assert!(!filter.matches(&Attributes::new(), r#"{"kind":"beech"}"#));
        assert!(!filter.matches(&Attributes::new(), "no JSON"));
    }

    #[test]
    fn malformed_policies_are_refused() {
        let cases = [
            (json!({"k": []}), "Empty arrays are not allowed"),
            (json!({"k": "v"}), "must be an object or an array"),
            (json!({"k": {"n": ["v"]}}), "does not support nested"),
            (json!({"k": [{"like": "v"}]}), "Unrecognized match type like"),
            (json!({"k": [{"prefix": 1}]}), "prefix match pattern must be a string"),
            (json!({"k": [{"numeric": [">", 5, "<", 1]}]}), "Bottom must be less than top"),
            (json!({"k": [{"numeric": [">", "x"]}]}), "Value of > must be numeric"),
        ];
        for (policy, message) in cases {
            let error = filter(policy, "MessageAttributes").expect_err(message);
            assert!(error.message.contains(message), "{}", error.message);
        }
    }
}
