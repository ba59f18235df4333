//! Logical ids that carry a hash of what they stand for, so that a change makes a new resource.

use serde_json::Value;
use sha1::{Digest, Sha1};

/// Hexadecimal digits of a hash in a logical id.
const HASH_LENGTH: usize = 10;

/// The first ten hexadecimal digits of the SHA-1 over the value as compact JSON with sorted keys; empty for what
/// Python takes for false. A string is hashed as it is.
pub fn hash(value: &Value) -> String {
    if !crate::value::is_truthy(value) {
        return String::new();
    }
    let text = match value {
        Value::String(text) => text.clone(),
        other => canonical_json(other),
    };
    let digest = Sha1::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..HASH_LENGTH].to_owned()
}

/// The part of a hash that the caller already has which goes into a logical id.
pub fn truncated(hash: &str) -> &str {
    hash.get(..HASH_LENGTH).unwrap_or(hash)
}

/// JSON as Python's `json.dumps(…, separators=(",", ":"), sort_keys=True)` writes it: only ASCII.
fn canonical_json(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| key.chars().map(u32::from).collect::<Vec<_>>());
            let parts: Vec<String> =
                entries.into_iter().map(|(key, value)| format!("{}:{}", quoted(key), canonical_json(value))).collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => {
            let parts: Vec<String> = items.iter().map(canonical_json).collect();
            format!("[{}]", parts.join(","))
        }
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_json_as_python_does() {
        let value = json!({"b": [1, "ü\u{1F600}\"\u{7f}"], "a": {"z": null, "y": true}});
        assert_eq!(canonical_json(&value), r#"{"a":{"y":true,"z":null},"b":[1,"\u00fc\ud83d\ude00\"\u007f"]}"#);
    }

    #[test]
    fn hashes_nothing_to_nothing() {
        assert_eq!(hash(&json!({})), "");
        assert_eq!(hash(&json!("abc")), "a9993e3647");
    }
}
