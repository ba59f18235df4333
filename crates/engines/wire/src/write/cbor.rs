//! CBOR bodies of RPC v2.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::data::Tag;

use crate::schema::{Shape, Structure};
use crate::{Fields, Value};

type Written<'e> = Result<&'e mut Encoder<Vec<u8>>, minicbor::encode::Error<Infallible>>;

/// Writes a structure.
pub(crate) fn body(schema: &Structure, fields: &Fields) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    structure(schema, fields, &mut encoder).expect("CBOR is written to memory");
    encoder.into_writer()
}

fn structure<'e>(schema: &Structure, fields: &Fields, encoder: &'e mut Encoder<Vec<u8>>) -> Written<'e> {
    let set = schema.members.iter().enumerate().filter_map(|(index, member)| Some((member, fields.get(index)?)));
    encoder.map(set.clone().count() as u64)?;
    for (member, value) in set {
        encoder.str(member.wire_name)?;
        self::value(member.shape, value, encoder)?;
    }
    Ok(encoder)
}

fn value<'e>(shape: &Shape, value: &Value, encoder: &'e mut Encoder<Vec<u8>>) -> Written<'e> {
    match (shape, value) {
        (Shape::Structure(schema), Value::Structure(fields)) => structure(schema, fields, encoder),
        (Shape::List(list), Value::List(items)) => {
            encoder.array(items.len() as u64)?;
            for item in items {
                self::value(list.element, item, encoder)?;
            }
            Ok(encoder)
        }
        (Shape::Map(map), Value::Map(entries)) => {
            encoder.map(entries.len() as u64)?;
            for (key, item) in entries {
                encoder.str(key)?;
                self::value(map.value, item, encoder)?;
            }
            Ok(encoder)
        }
        (_, Value::Boolean(boolean)) => encoder.bool(*boolean),
        (_, Value::Integer(integer)) => encoder.i64(*integer),
        (_, Value::Double(number)) => encoder.f64(*number),
        (_, Value::String(text)) => encoder.str(text),
        (_, Value::Blob(bytes)) => encoder.bytes(bytes),
        (_, Value::Timestamp(moment)) if moment.millis() % 1_000 == 0 => encoder.tag(Tag::new(1))?.i64(moment.secs()),
        (_, Value::Timestamp(moment)) => encoder.tag(Tag::new(1))?.f64(moment.secs_f64()),
        // Documents have no form in this protocol; other values here do not fit their shape.
        _ => encoder.null(),
    }
}

/// Writes an error: its type, its message and its members.
pub(crate) fn error(kind: &str, message: &str, members: &[(&'static str, serde_json::Value)]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    let write = |encoder: &mut Encoder<Vec<u8>>| -> Result<(), minicbor::encode::Error<Infallible>> {
        encoder.map(2 + members.len() as u64)?.str("__type")?.str(kind)?.str("message")?.str(message)?;
        for (name, value) in members {
            encoder.str(name)?;
            json(value, encoder)?;
        }
        Ok(())
    };
    write(&mut encoder).expect("CBOR is written to memory");
    encoder.into_writer()
}

fn json<'e>(value: &serde_json::Value, encoder: &'e mut Encoder<Vec<u8>>) -> Written<'e> {
    match value {
        serde_json::Value::Null => encoder.null(),
        serde_json::Value::Bool(boolean) => encoder.bool(*boolean),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => encoder.i64(integer),
            None => encoder.f64(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => encoder.str(text),
        serde_json::Value::Array(items) => {
            encoder.array(items.len() as u64)?;
            for item in items {
                json(item, encoder)?;
            }
            Ok(encoder)
        }
        serde_json::Value::Object(object) => {
            encoder.map(object.len() as u64)?;
            for (key, item) in object {
                encoder.str(key)?;
                json(item, encoder)?;
            }
            Ok(encoder)
        }
    }
}
