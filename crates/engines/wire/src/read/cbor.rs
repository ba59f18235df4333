//! CBOR bodies of RPC v2.

use minicbor::Decoder;
use minicbor::data::{Tag, Type};

use super::{Notice, Unreadable, text};
use crate::schema::{Shape, Structure};
use crate::{Fields, Value};

/// Reads an input; an empty body has no members.
pub(crate) fn input(schema: &'static Structure, body: &[u8], notice: &mut Notice) -> Result<Fields, Unreadable> {
    if body.is_empty() {
        return Ok(Fields::empty(schema.members.len()));
    }
    structure(schema, &mut Decoder::new(body), notice)
}

fn structure(schema: &'static Structure, decoder: &mut Decoder<'_>, notice: &mut Notice) -> Result<Fields, Unreadable> {
    notice.down()?;
    let mut fields = Fields::empty(schema.members.len());
    let mut left = decoder.map().map_err(malformed)?;
    while more(&mut left, decoder)? {
        let key = string(decoder)?;
        let member = schema.members.iter().enumerate().find(|(_, member)| member.wire_name == key);
        match member {
            Some(_) if skip_null(decoder)? => {}
            Some((index, member)) if member.honoured => {
                notice.enter(member);
                fields.set(index, value(member.shape, decoder, member.wire_name, notice)?);
                notice.leave();
            }
            Some((_, member)) => {
                notice.ignore(member);
                skip(decoder, notice)?;
            }
            None => skip(decoder, notice)?,
        }
    }
    notice.up();
    Ok(fields)
}

fn value(
    shape: &'static Shape,
    decoder: &mut Decoder<'_>,
    member: &str,
    notice: &mut Notice,
) -> Result<Value, Unreadable> {
    let wrong = |detail: &str| Unreadable::member(member, detail);
    match shape {
        Shape::String(_) => string(decoder).map(Value::String),
        Shape::Boolean => decoder.bool().map(Value::Boolean).map_err(malformed),
        Shape::Integer(_) | Shape::Long(_) => {
            let whole = integer(decoder)?.and_then(|number| text::integer(shape, number));
            whole.ok_or_else(|| wrong("not an integer of its size"))
        }
        Shape::Float | Shape::Double => Ok(Value::Double(double(decoder)?)),
        Shape::Timestamp(_) => {
            let tagged = decoder.tag().map_err(malformed)? == Tag::new(1);
            let moment = text::epoch(double(decoder)?).filter(|_| tagged);
            moment.map(Value::Timestamp).ok_or_else(|| wrong("not a timestamp"))
        }
        Shape::Blob { .. } => bytes(decoder).map(|bytes| Value::Blob(bytes.into())),
        Shape::Structure(schema) => structure(schema, decoder, notice).map(Value::Structure),
        Shape::List(list) => {
            notice.down()?;
            let mut items = Vec::new();
            let mut left = decoder.array().map_err(malformed)?;
            while more(&mut left, decoder)? {
                if !skip_null(decoder)? {
                    items.push(value(list.element, decoder, member, notice)?);
                }
            }
            notice.up();
            Ok(Value::List(items))
        }
        Shape::Map(map) => {
            notice.down()?;
            let mut entries = Vec::new();
            let mut left = decoder.map().map_err(malformed)?;
            while more(&mut left, decoder)? {
                let key = string(decoder)?;
                if !skip_null(decoder)? {
                    entries.push((key, value(map.value, decoder, member, notice)?));
                }
            }
            notice.up();
            Ok(Value::Map(entries))
        }
        Shape::Document => Err(wrong("documents have no form in this protocol")),
    }
}

/// Whether another element follows; consumes the end of an indefinite collection.
fn more(left: &mut Option<u64>, decoder: &mut Decoder<'_>) -> Result<bool, Unreadable> {
    match left {
        Some(0) => Ok(false),
        Some(count) => {
            *count -= 1;
            Ok(true)
        }
        None if kind(decoder)? == Type::Break => {
            decoder.set_position(decoder.position() + 1);
            Ok(false)
        }
        None => Ok(true),
    }
}

fn kind(decoder: &Decoder<'_>) -> Result<Type, Unreadable> {
    decoder.datatype().map_err(malformed)
}

fn skip_null(decoder: &mut Decoder<'_>) -> Result<bool, Unreadable> {
    let null = matches!(kind(decoder)?, Type::Null | Type::Undefined);
    if null {
        decoder.set_position(decoder.position() + 1);
    }
    Ok(null)
}

fn skip(decoder: &mut Decoder<'_>, notice: &mut Notice) -> Result<(), Unreadable> {
    notice.down()?;
    decoder.skip().map_err(malformed)?;
    notice.up();
    Ok(())
}

fn string(decoder: &mut Decoder<'_>) -> Result<String, Unreadable> {
    if kind(decoder)? == Type::StringIndef {
        let parts = decoder.str_iter().map_err(malformed)?;
        return parts.collect::<Result<String, _>>().map_err(malformed);
    }
    decoder.str().map(str::to_owned).map_err(malformed)
}

fn bytes(decoder: &mut Decoder<'_>) -> Result<Vec<u8>, Unreadable> {
    if kind(decoder)? == Type::BytesIndef {
        let parts = decoder.bytes_iter().map_err(malformed)?;
        return parts.collect::<Result<Vec<_>, _>>().map(|parts| parts.concat()).map_err(malformed);
    }
    decoder.bytes().map(<[u8]>::to_vec).map_err(malformed)
}

/// An integer, or a float that is one.
fn integer(decoder: &mut Decoder<'_>) -> Result<Option<i64>, Unreadable> {
    if matches!(kind(decoder)?, Type::F16 | Type::F32 | Type::F64) {
        let number = double(decoder)?;
        return Ok((number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64));
    }
    decoder.int().map(|number| i64::try_from(i128::from(number)).ok()).map_err(malformed)
}

fn double(decoder: &mut Decoder<'_>) -> Result<f64, Unreadable> {
    match kind(decoder)? {
        Type::F16 => half(decoder),
        Type::F32 => decoder.f32().map(f64::from).map_err(malformed),
        Type::F64 => decoder.f64().map_err(malformed),
        _ => decoder.int().map(|number| i128::from(number) as f64).map_err(malformed),
    }
}

/// Reads a half float: a sign, five bits of exponent, ten of fraction.
fn half(decoder: &mut Decoder<'_>) -> Result<f64, Unreadable> {
    let at = decoder.position();
    let bits = decoder.input().get(at + 1..at + 3).ok_or_else(|| malformed("ends early"))?;
    decoder.set_position(at + 3);
    let bits = u16::from_be_bytes([bits[0], bits[1]]);
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    Ok(if bits & 0x8000 == 0 { size } else { -size })
}

fn malformed(detail: impl std::fmt::Display) -> Unreadable {
    Unreadable::Body(detail.to_string())
}
