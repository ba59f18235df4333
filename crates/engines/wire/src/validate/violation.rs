use crate::schema::{List, Map, Range, Shape, Text};

/// What a member must be and is not.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Violation {
    /// Lower camel case: `vpcConfig.subnetIds`.
    pub(super) path: String,
    /// The member's name in the model.
    pub(super) member: &'static str,
    /// The value as the sentence shows it; `None` for a missing or a sensitive one.
    pub(super) value: Option<String>,
    pub(super) broken: Broken,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Broken {
    Missing,
    /// `Member must …`, with the whole rest of the sentence.
    Constraint(String),
    Enumeration(String),
}

impl Violation {
    /// AWS's sentence.
    pub(super) fn sentence(&self) -> String {
        let constraint = match &self.broken {
            Broken::Missing => "Member must not be null",
            Broken::Constraint(text) | Broken::Enumeration(text) => text,
        };
        let value = match (&self.broken, &self.value) {
            (Broken::Missing, _) => "Value null".to_owned(),
            (_, Some(value)) => format!("Value '{value}'"),
            // Of a sensitive member nothing is echoed.
            (_, None) => "Value".to_owned(),
        };
        format!("{value} at '{}' failed to satisfy constraint: {constraint}", self.path)
    }
}

/// The sentences of a shape's constraints, in AWS's order.
pub(super) fn constraints(shape: &Shape) -> Vec<String> {
    match shape {
        Shape::String(text) => of_text(text),
        Shape::Integer(range) | Shape::Long(range) => of_range(range),
        Shape::Blob { min, max, .. } => of_length(*min, *max),
        Shape::List(List { min, max, .. }) | Shape::Map(Map { min, max, .. }) => of_length(*min, *max),
        _ => Vec::new(),
    }
}

fn of_text(text: &Text) -> Vec<String> {
    let mut sentences = of_length(text.min, text.max);
    sentences.extend(text.pattern.map(pattern));
    if !text.allowed.is_empty() {
        sentences.push(enumeration(text.allowed));
    }
    sentences
}

fn of_length(min: u64, max: Option<u64>) -> Vec<String> {
    let mut sentences: Vec<String> = max.map(longest).into_iter().collect();
    if min > 0 {
        sentences.push(shortest(min));
    }
    sentences
}

fn of_range(range: &Range) -> Vec<String> {
    let max = range.max.map(greatest);
    let min = range.min.map(least);
    max.into_iter().chain(min).collect()
}

pub(super) fn longest(max: u64) -> String {
    format!("Member must have length less than or equal to {max}")
}

pub(super) fn shortest(min: u64) -> String {
    format!("Member must have length greater than or equal to {min}")
}

pub(super) fn greatest(max: i64) -> String {
    format!("Member must have value less than or equal to {max}")
}

pub(super) fn least(min: i64) -> String {
    format!("Member must have value greater than or equal to {min}")
}

pub(super) fn pattern(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

pub(super) fn enumeration(allowed: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", allowed.join(", "))
}
