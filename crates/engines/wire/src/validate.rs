//! Validation of inputs by the tables, in AWS's sentences.

mod family;
mod pattern;
mod violation;

use crate::schema::{self, Member, Protocol, Range, Shape, Structure, Text, TimestampForm};
use crate::write::text;
use crate::{Error, Fields, Value};
use violation::{Broken, Violation, constraints};

/// How many violations are told at once.
const VIOLATIONS_MAX: usize = 20;
/// How many bytes of a value a sentence shows.
const SHOWN_BYTES_MAX: usize = 4_096;

/// Checks an input against its tables: what is required, lengths, ranges, patterns, enumerations.
pub fn validate(
    service: &schema::Service,
    protocol: Protocol,
    structure: &'static Structure,
    fields: &Fields,
) -> Result<(), Error> {
    let mut check = Check::default();
    check.structure(structure, fields);
    if check.violations.is_empty() {
        return Ok(());
    }
    check.violations.truncate(VIOLATIONS_MAX);
    Err(family::error(service, protocol, structure, &check.violations))
}

/// A walk over an input.
#[derive(Default)]
struct Check {
    path: Vec<String>,
    violations: Vec<Violation>,
}

impl Check {
    fn structure(&mut self, structure: &'static Structure, fields: &Fields) {
        for (index, member) in structure.members.iter().enumerate().filter(|(_, member)| member.honoured) {
            match fields.get(index) {
                // A streamed body is not among the fields.
                None if member.required && !is_streamed(member.shape) => {
                    self.path.push(lower_camel(member.name));
                    self.violate(member, None, Broken::Missing);
                    self.path.pop();
                }
                None => {}
                Some(value) => {
                    self.path.push(lower_camel(member.name));
                    self.value(member, member.shape, value);
                    self.path.pop();
                }
            }
        }
    }

    fn value(&mut self, member: &'static Member, shape: &'static Shape, value: &Value) {
        match (shape, value) {
            (Shape::Structure(structure), Value::Structure(fields)) => self.structure(structure, fields),
            (Shape::List(list), Value::List(items)) => {
                self.length(member, shape, value, items.len() as u64, list.min, list.max);
                if items.iter().any(|item| breaks(list.element, item)) {
                    self.elements(member, "Member must", list.element, shape, value);
                }
                for (at, item) in items.iter().enumerate().filter(|(_, item)| nests(item)) {
                    self.below(&format!("{}.member", at + 1), member, list.element, item);
                }
            }
            (Shape::Map(map), Value::Map(entries)) => {
                self.length(member, shape, value, entries.len() as u64, map.min, map.max);
                if entries.iter().any(|(key, _)| breaks_text(map.key, key)) {
                    self.elements(member, "Map keys must", map.key, shape, value);
                }
                if entries.iter().any(|(_, item)| breaks(map.value, item)) {
                    self.elements(member, "Map value must", map.value, shape, value);
                }
                for (key, item) in entries.iter().filter(|(_, item)| nests(item)) {
                    self.below(&format!("{key}.member"), member, map.value, item);
                }
            }
            (shape, value) => self.scalar(member, shape, value),
        }
    }

    fn below(&mut self, step: &str, member: &'static Member, shape: &'static Shape, value: &Value) {
        self.path.push(step.to_owned());
        self.value(member, shape, value);
        self.path.pop();
    }

    fn scalar(&mut self, member: &'static Member, shape: &'static Shape, value: &Value) {
        match (shape, value) {
            (Shape::String(text), Value::String(string)) => {
                let length = string.chars().count() as u64;
                self.length(member, shape, value, length, text.min, text.max);
                if let Some(regex) = text.pattern.filter(|regex| !pattern::fits(regex, string)) {
                    self.violate(member, Some((shape, value)), Broken::Constraint(violation::pattern(regex)));
                }
                if !text.allowed.is_empty() && !text.allowed.contains(&string.as_str()) {
                    let sentence = violation::enumeration(text.allowed);
                    self.violate(member, Some((shape, value)), Broken::Enumeration(sentence));
                }
            }
            (Shape::Integer(range) | Shape::Long(range), Value::Integer(number)) => {
                if let Some(max) = range.max.filter(|max| number > max) {
                    self.violate(member, Some((shape, value)), Broken::Constraint(violation::greatest(max)));
                }
                if let Some(min) = range.min.filter(|min| number < min) {
                    self.violate(member, Some((shape, value)), Broken::Constraint(violation::least(min)));
                }
            }
            (Shape::Blob { min, max, .. }, Value::Blob(bytes)) => {
                self.length(member, shape, value, bytes.len() as u64, *min, *max);
            }
            _ => {}
        }
    }

    fn length(
        &mut self,
        member: &'static Member,
        shape: &'static Shape,
        value: &Value,
        length: u64,
        min: u64,
        max: Option<u64>,
    ) {
        if let Some(max) = max.filter(|max| length > *max) {
            self.violate(member, Some((shape, value)), Broken::Constraint(violation::longest(max)));
        }
        if length < min {
            self.violate(member, Some((shape, value)), Broken::Constraint(violation::shortest(min)));
        }
    }

    /// One sentence for all elements of a list or a map, with all that an element must be.
    fn elements(&mut self, member: &'static Member, who: &str, element: &Shape, shape: &'static Shape, value: &Value) {
        let sentence = format!("{who} satisfy constraint: [{}]", constraints(element).join(", "));
        let enumerated = matches!(element, Shape::String(text) if !text.allowed.is_empty());
        let broken = if enumerated { Broken::Enumeration(sentence) } else { Broken::Constraint(sentence) };
        self.violate(member, Some((shape, value)), broken);
    }

    fn violate(&mut self, member: &'static Member, value: Option<(&'static Shape, &Value)>, broken: Broken) {
        if self.violations.len() < VIOLATIONS_MAX {
            let value = value.filter(|(shape, _)| !is_sensitive(shape)).map(|(shape, value)| shown(shape, value));
            self.violations.push(Violation { path: self.path.join("."), member: member.name, value, broken });
        }
    }
}

/// `FunctionName` as `functionName`.
fn lower_camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase().to_string() + letters.as_str()).unwrap_or_default()
}

fn is_streamed(shape: &Shape) -> bool {
    matches!(shape, Shape::Blob { streaming: true, .. })
}

fn nests(value: &Value) -> bool {
    matches!(value, Value::Structure(_) | Value::List(_) | Value::Map(_))
}

fn is_sensitive(shape: &Shape) -> bool {
    match shape {
        Shape::String(text) => text.sensitive,
        Shape::List(list) => is_sensitive(list.element),
        Shape::Map(map) => is_sensitive(map.key) || is_sensitive(map.value),
        // Code and messages are no part of a sentence.
        Shape::Blob { .. } => true,
        _ => false,
    }
}

/// Whether a scalar element breaks a constraint of its shape.
fn breaks(shape: &'static Shape, value: &Value) -> bool {
    match (shape, value) {
        (shape @ Shape::String(_), Value::String(text)) => breaks_text(shape, text),
        (Shape::Integer(range) | Shape::Long(range), Value::Integer(number)) => breaks_range(range, *number),
        _ => false,
    }
}

fn breaks_text(shape: &'static Shape, string: &str) -> bool {
    let Shape::String(text) = shape else { return false };
    let Text { min, max, pattern, allowed, .. } = text;
    let length = string.chars().count() as u64;
    length < *min
        || max.is_some_and(|max| length > max)
        || pattern.is_some_and(|regex| !pattern::fits(regex, string))
        || !allowed.is_empty() && !allowed.contains(&string)
}

fn breaks_range(range: &Range, number: i64) -> bool {
    range.min.is_some_and(|min| number < min) || range.max.is_some_and(|max| number > max)
}

/// A value as AWS's sentences print it: lists as `[a, b]`, maps as `{k=v}`.
fn shown(shape: &Shape, value: &Value) -> String {
    let mut text = show(shape, value);
    if text.len() > SHOWN_BYTES_MAX {
        let end = (0..=SHOWN_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

fn show(shape: &Shape, value: &Value) -> String {
    match (shape, value) {
        (Shape::List(list), Value::List(items)) => {
            let items: Vec<String> = items.iter().map(|item| show(list.element, item)).collect();
            format!("[{}]", items.join(", "))
        }
        (Shape::Map(map), Value::Map(entries)) => {
            let entries: Vec<String> = entries.iter().map(|(k, v)| format!("{k}={}", show(map.value, v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        (Shape::Structure(structure), Value::Structure(_)) => format!("{}(…)", structure.name),
        (shape, value) => text::scalar(shape, value, TimestampForm::Iso8601).unwrap_or_default(),
    }
}
