//! The tree of a template: values with their place in the text.

use serde_json::{Map, Number, Value};

/// A half-open range of byte offsets in the source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

impl Span {
    /// A range of byte offsets.
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end: end.max(start) }
    }
}

/// A mapping's key and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key as text. CloudFormation has no other keys.
    pub name: String,
    /// Where the key stands.
    pub span: Span,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: NodeValue,
    /// Where it stands; for a mapping or sequence from its first to its last entry.
    pub span: Span,
}

/// The value of a [`Node`].
#[derive(Debug, Clone, PartialEq)]
pub enum NodeValue {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`, and YAML 1.1's `yes`, `no`, `on`, `off`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping in the order of the text; keys are unique.
    Mapping(Vec<(Key, Node)>),
}

impl Node {
    /// A node of a value at a place.
    pub fn new(value: NodeValue, span: Span) -> Node {
        Node { value, span }
    }

    /// The value under `key` when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            NodeValue::Mapping(entries) => entries.iter().find(|(k, _)| k.name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The text when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The plain JSON value: order kept, places forgotten.
    pub fn to_json(&self) -> Value {
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Bool(value) => Value::Bool(*value),
            NodeValue::Number(number) => Value::Number(number.clone()),
            NodeValue::String(text) => Value::String(text.clone()),
            NodeValue::Sequence(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            NodeValue::Mapping(entries) => Value::Object(
                entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    fn stands_beside_its_key(&self) -> bool {
        match &self.value {
            NodeValue::Null | NodeValue::Sequence(_) => false,
            NodeValue::Bool(_) | NodeValue::Number(_) | NodeValue::String(_) => true,
            NodeValue::Mapping(entries) => {
                matches!(entries.as_slice(), [(key, _)] if key.name == "Ref" || key.name.starts_with("Fn::"))
            }
        }
    }

    /// Where a path such as `/Resources/Queue/Properties/Name` stands: the value where it is a scalar or a
    /// function call, else its key; an item of a sequence where it begins. A path that leads nowhere gives the deepest place that exists, so that an error about something
    /// missing points at what lacks it.
    pub fn locate(&self, path: &str) -> Span {
        let mut node = self;
        let mut span = self.span;
        for step in crate::pointer::steps(path) {
            match &node.value {
                NodeValue::Mapping(entries) => match entries.iter().find(|(key, _)| key.name == step) {
                    Some((key, value)) => {
                        span = match key.span == Span::default() || value.stands_beside_its_key() {
                            true => value.span,
                            false => key.span,
                        };
                        node = value;
                    }
                    None => return span,
                },
                NodeValue::Sequence(items) => match step.parse::<usize>().ok().and_then(|index| items.get(index)) {
                    Some(item) => {
                        span = item.span;
                        node = item;
                    }
                    None => return span,
                },
                _ => return span,
            }
        }
        span
    }
}

impl From<&Node> for Value {
    fn from(node: &Node) -> Value {
        node.to_json()
    }
}
