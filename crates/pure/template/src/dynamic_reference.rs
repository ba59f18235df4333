//! Dynamic references: `{{resolve:ssm:name:1}}` in a string stands for a value of another service.

use serde_json::Value;

use crate::pointer::join;

const START: &str = "{{resolve:";

/// A dynamic reference in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicReference {
    /// `ssm`, `ssm-secure` or `secretsmanager`.
    pub service: String,
    /// What the service is asked for: the rest, up to the closing braces.
    pub reference: String,
    /// The whole text, braces included: what the value is put in place of.
    pub text: String,
    /// Where the string stands, as a JSON pointer.
    pub path: String,
}

/// The dynamic references of a value in the order of the text.
pub fn dynamic_references(value: &Value) -> Vec<DynamicReference> {
    let mut found = Vec::new();
    collect(value, "", &mut found);
    found
}

fn collect(value: &Value, path: &str, found: &mut Vec<DynamicReference>) {
    match value {
        Value::String(text) => found.extend(in_text(text, path)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, &format!("{path}/{index}"), found));
        }
        Value::Object(entries) => entries.iter().for_each(|(key, value)| collect(value, &join(path, key), found)),
        _ => {}
    }
}

fn in_text<'a>(text: &'a str, path: &'a str) -> impl Iterator<Item = DynamicReference> + 'a {
    text.match_indices(START).filter_map(move |(start, _)| {
        let inner = &text[start + START.len()..];
        let inner = &inner[..inner.find("}}")?];
        let (service, reference) = inner.split_once(':')?;
        Some(DynamicReference {
            service: service.to_owned(),
            reference: reference.to_owned(),
            text: format!("{START}{inner}}}}}"),
            path: path.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_references_within_text() {
        let value =
            json!({"a": ["x{{resolve:ssm:n:1}}y{{resolve:secretsmanager:arn:aws:s:SecretString:k}}", "{{resolve:ssm"]});
        let found = dynamic_references(&value);
        let shown: Vec<_> = found.iter().map(|one| (one.service.as_str(), one.reference.as_str())).collect();
        assert_eq!(shown, [("ssm", "n:1"), ("secretsmanager", "arn:aws:s:SecretString:k")]);
        assert_eq!((found[0].text.as_str(), found[0].path.as_str()), ("{{resolve:ssm:n:1}}", "/a/0"));
    }
}
