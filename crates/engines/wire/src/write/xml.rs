//! XML bodies, of S3 and of the query protocol.

use super::text;
use crate::schema::{List, Map, Member, Shape, Structure, TimestampForm};
use crate::{Fields, Value};

/// By which names members are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Rest,
    Query,
}

impl Dialect {
    fn name(self, member: &Member) -> &'static str {
        match self {
            Dialect::Rest => member.wire_name,
            Dialect::Query => member.query_name,
        }
    }
}

/// Writes the members that `wanted` wants of a structure, without an element around them.
pub(crate) fn members(
    schema: &Structure,
    fields: &Fields,
    dialect: Dialect,
    wanted: fn(&Member) -> bool,
    out: &mut String,
) {
    for (index, member) in schema.members.iter().enumerate().filter(|(_, member)| wanted(member)) {
        if let Some(value) = fields.get(index).filter(|_| !member.attribute) {
            self::member(member, value, dialect, out);
        }
    }
}

/// Writes a structure in the element `name`; `namespace` is the value of its `xmlns`, if it has one.
pub(crate) fn structure(
    name: &str,
    namespace: &str,
    schema: &Structure,
    fields: &Fields,
    dialect: Dialect,
    wanted: fn(&Member) -> bool,
    out: &mut String,
) {
    out.push('<');
    out.push_str(name);
    if !namespace.is_empty() {
        attribute("xmlns", namespace, out);
    }
    for (index, member) in schema.members.iter().enumerate().filter(|(_, member)| member.attribute) {
        let text = fields.get(index).and_then(|value| text::scalar(member.shape, value, TimestampForm::Iso8601));
        if let Some(text) = text {
            if member.wire_name.starts_with("xsi:") {
                attribute("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance", out);
            }
            attribute(member.wire_name, &text, out);
        }
    }
    out.push('>');
    members(schema, fields, dialect, wanted, out);
    close(name, out);
}

fn member(member: &Member, value: &Value, dialect: Dialect, out: &mut String) {
    let name = dialect.name(member);
    match (member.shape, value) {
        (Shape::List(list), Value::List(list_items)) if member.flattened || list.flattened => {
            items(list, list_items, name, dialect, out);
        }
        (Shape::Map(map), Value::Map(map_entries)) if member.flattened || map.flattened => {
            entries(map, map_entries, name, dialect, out);
        }
        (shape, value) => element(name, shape, value, dialect, out),
    }
}

fn element(name: &str, shape: &Shape, value: &Value, dialect: Dialect, out: &mut String) {
    if let (Shape::Structure(schema), Value::Structure(fields)) = (shape, value) {
        return structure(name, "", schema, fields, dialect, |_| true, out);
    }
    open(name, out);
    match (shape, value) {
        (Shape::List(list), Value::List(list_items)) => items(list, list_items, list.element_name, dialect, out),
        (Shape::Map(map), Value::Map(map_entries)) => entries(map, map_entries, "entry", dialect, out),
        (shape, value) => {
            if let Some(text) = text::scalar(shape, value, TimestampForm::Iso8601) {
                escape(&text, out);
            }
        }
    }
    close(name, out);
}

fn items(list: &List, items: &[Value], name: &str, dialect: Dialect, out: &mut String) {
    for item in items {
        element(name, list.element, item, dialect, out);
    }
}

fn entries(map: &Map, entries: &[(String, Value)], name: &str, dialect: Dialect, out: &mut String) {
    for (key, item) in entries {
        open(name, out);
        leaf(map.key_name, key, out);
        element(map.value_name, map.value, item, dialect, out);
        close(name, out);
    }
}

/// An element that holds text.
pub(crate) fn leaf(name: &str, text: &str, out: &mut String) {
    open(name, out);
    escape(text, out);
    close(name, out);
}

pub(crate) fn open(name: &str, out: &mut String) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

pub(crate) fn close(name: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, out);
    out.push('"');
}

/// Escapes markup, and control characters as S3 does.
pub(crate) fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(letter),
            control if control.is_control() => {
                out.push_str(&format!("&#x{:x};", u32::from(control)));
            }
            _ => out.push(letter),
        }
    }
}
