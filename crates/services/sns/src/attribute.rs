use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model_sns::{MessageAttributeValue, errors};
use serde_json::{Value, json};
use wire::Error;

/// The attributes of a message, by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// An attribute of a message, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    pub data_type: String,
    pub text: Option<String>,
    pub binary: Option<Bytes>,
}

/// Checks the attributes of a Publish.
pub fn read(attributes: Option<BTreeMap<String, MessageAttributeValue>>) -> Result<Attributes, Error> {
    let read = |(name, value): (String, MessageAttributeValue)| {
        let MessageAttributeValue { data_type, string_value, binary_value } = value;
        let wrong = |detail: &str| {
            Err(errors::invalid_parameter_value_exception(format!("The message attribute '{name}' {detail}")))
        };
        let base = data_type.split('.').next().unwrap_or_default();
        match base {
            "String" | "Number" => match string_value.as_deref() {
                Some("") => wrong(&format!(
                    "must contain non-empty message attribute value for message attribute type '{base}'."
                )),
                None => wrong(&format!("with type '{base}' must use field 'String'.")),
                Some(text) if base == "Number" && text.parse::<f64>().is_err() => {
                    wrong(&format!("has invalid message attribute value for type 'Number': {text}"))
                }
                Some(_) => Ok((name, Attribute { data_type, text: string_value, binary: None })),
            },
            "Binary" => match &binary_value {
                Some(_) => Ok((name, Attribute { data_type, text: None, binary: binary_value })),
                None => wrong("with type 'Binary' must use field 'Binary'."),
            },
            _ => wrong(
                "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and \
                 String.",
            ),
        }
    };
    attributes.unwrap_or_default().into_iter().map(read).collect()
}

impl Attribute {
    /// As the envelope shows it.
    pub fn in_envelope(&self) -> Value {
        let value = match (&self.text, &self.binary) {
            (Some(text), _) => text.clone(),
            (None, Some(binary)) => STANDARD.encode(binary),
            (None, None) => String::new(),
        };
        json!({ "Type": self.data_type, "Value": value })
    }

    /// As a queue takes it with a raw message.
    pub fn in_queue(&self) -> Value {
        match (&self.text, &self.binary) {
            (Some(text), _) => json!({ "DataType": self.data_type, "StringValue": text }),
            (None, binary) => {
                let bytes = binary.as_deref().unwrap_or_default();
                json!({ "DataType": self.data_type, "BinaryValue": STANDARD.encode(bytes) })
            }
        }
    }

    /// What a filter policy compares: binary attributes are passed over.
    pub fn filter_value(&self) -> Option<Value> {
        let text = self.text.as_ref()?;
        match self.data_type.as_str() {
            "String.Array" => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.clone()))),
            data_type if data_type.starts_with("Number") => text.parse::<f64>().ok().map(Value::from),
            _ => Some(Value::from(text.clone())),
        }
    }

    pub fn bytes(&self) -> usize {
        let value = self.text.as_ref().map(String::len).or(self.binary.as_ref().map(Bytes::len)).unwrap_or(0);
        self.data_type.len() + value
    }
}
