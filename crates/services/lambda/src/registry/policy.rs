use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The largest resource policy, in bytes.
pub const POLICY_BYTES_MAX: usize = 20_480;

/// A resource policy: who else may use a function, a version or an alias.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// In the order in which they were added.
    pub statements: Vec<Map<String, Value>>,
}

impl Policy {
    /// The document as GetPolicy gives it.
    pub fn document(&self) -> String {
        json!({"Version": "2012-10-17", "Id": "default", "Statement": self.statements}).to_string()
    }

    pub fn position(&self, sid: &str) -> Option<usize> {
        self.statements.iter().position(|statement| statement.get("Sid").and_then(Value::as_str) == Some(sid))
    }
}
