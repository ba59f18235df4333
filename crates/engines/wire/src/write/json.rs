//! JSON bodies, and JSON by model names for calls from inside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::text;
use crate::read::json::Names;
use crate::schema::{Member, Shape, Structure, TimestampForm};
use crate::{Fields, Value};

/// Writes the members that `wanted` wants of a structure.
pub(crate) fn structure(
    schema: &Structure,
    fields: &Fields,
    names: Names,
    wanted: fn(&Member) -> bool,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    let mut first = true;
    for (index, member) in schema.members.iter().enumerate().filter(|(_, member)| wanted(member)) {
        let Some(value) = fields.get(index) else { continue };
        separate(&mut first, out);
        string(if names == Names::Wire { member.wire_name } else { member.name }, out);
        out.push(b':');
        self::value(member.shape, value, names, out);
    }
    out.push(b'}');
}

/// Writes one value.
pub(crate) fn value(shape: &Shape, value: &Value, names: Names, out: &mut Vec<u8>) {
    match (shape, value) {
        (Shape::Structure(schema), Value::Structure(fields)) => structure(schema, fields, names, |_| true, out),
        (Shape::List(list), Value::List(items)) => {
            out.push(b'[');
            let mut first = true;
            for item in items {
                separate(&mut first, out);
                self::value(list.element, item, names, out);
            }
            out.push(b']');
        }
        (Shape::Map(map), Value::Map(entries)) => {
            out.push(b'{');
            let mut first = true;
            for (key, item) in entries {
                separate(&mut first, out);
                string(key, out);
                out.push(b':');
                self::value(map.value, item, names, out);
            }
            out.push(b'}');
        }
        (shape, value) => scalar(shape, value, names, out),
    }
}

fn scalar(shape: &Shape, value: &Value, names: Names, out: &mut Vec<u8>) {
    match value {
        Value::Boolean(boolean) => out.extend_from_slice(if *boolean { b"true" } else { b"false" }),
        Value::Integer(integer) => out.extend_from_slice(integer.to_string().as_bytes()),
        Value::Double(number) if number.is_finite() => out.extend_from_slice(text::double(*number).as_bytes()),
        Value::Double(number) => string(&text::double(*number), out),
        Value::String(text) => string(text, out),
        Value::Blob(bytes) => blob(bytes, names, out),
        Value::Timestamp(moment) => {
            let default = if names == Names::Wire { TimestampForm::Epoch } else { TimestampForm::Iso8601 };
            let form = text::form(shape, default);
            let text = text::timestamp(*moment, form);
            if form == TimestampForm::Epoch { out.extend_from_slice(text.as_bytes()) } else { string(&text, out) }
        }
        Value::Document(json) => serde_json::to_writer(&mut *out, json).expect("JSON is written to memory"),
        // A value that does not fit its shape; the generated code makes none.
        Value::List(_) | Value::Map(_) | Value::Structure(_) => out.extend_from_slice(b"null"),
    }
}

fn blob(bytes: &Bytes, names: Names, out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if names == Names::Model => string(text, out),
        _ => string(&STANDARD.encode(bytes), out),
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, text).expect("a string is written to memory");
}

fn separate(first: &mut bool, out: &mut Vec<u8>) {
    if !*first {
        out.push(b',');
    }
    *first = false;
}
