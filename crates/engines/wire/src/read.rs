//! Readers: from a request's parts to the members of an input.

pub(crate) mod cbor;
pub(crate) mod json;
mod notice;
mod query;
pub(crate) mod text;
mod unreadable;
pub(crate) mod xml;

use base64::Engine;
use bytes::Bytes;
use http::HeaderMap;

use crate::detect::Labels;
use crate::schema::{Location, Member, Operation, Protocol, Shape, Structure};
use crate::{Fields, Parameters, Value};
pub use notice::Notice;
pub use unreadable::Unreadable;

/// The parts of a request that carry members.
#[derive(Debug)]
pub struct Parts<'a> {
    pub labels: &'a Labels,
    pub query: &'a Parameters,
    pub headers: &'a HeaderMap,
    /// Of a form; for the query protocol.
    pub form: Option<&'a Parameters>,
    /// Empty where the body is streamed.
    pub body: &'a Bytes,
}

/// Reads an input. Members that Kobel does not honour are named in `notice`.
pub fn read(
    operation: &'static Operation,
    protocol: Protocol,
    parts: &Parts<'_>,
    notice: &mut Notice,
) -> Result<Fields, Unreadable> {
    let schema = operation.input;
    match protocol {
        Protocol::Json10 | Protocol::Json11 => {
            json::structure(schema, json::parse(parts.body)?, json::Names::Wire, notice, |_| true)
        }
        Protocol::RpcV2Cbor => cbor::input(schema, parts.body, notice),
        Protocol::Query => query::input(schema, parts.form.unwrap_or(parts.query), notice),
        Protocol::RestJson | Protocol::RestXml => rest(schema, protocol, parts, notice),
    }
}

/// Whether the body of a request is the streamed payload of the operation.
pub fn streams(schema: &Structure) -> bool {
    schema.payload.is_some_and(|index| matches!(schema.members[index].shape, Shape::Blob { streaming: true, .. }))
}

fn rest(
    schema: &'static Structure,
    protocol: Protocol,
    parts: &Parts<'_>,
    notice: &mut Notice,
) -> Result<Fields, Unreadable> {
    let mut fields = match schema.payload {
        Some(_) => Fields::empty(schema.members.len()),
        None => body(schema, protocol, parts.body, notice)?,
    };
    for (index, member) in schema.members.iter().enumerate() {
        let value = if schema.payload == Some(index) {
            payload(member, protocol, parts.body, notice)?
        } else {
            elsewhere(member, parts)?
        };
        match value {
            Some(value) if member.honoured => fields.set(index, value),
            Some(_) => notice.ignore(member),
            None => {}
        }
    }
    Ok(fields)
}

/// The members of a body that is no payload of one member.
fn body(
    schema: &'static Structure,
    protocol: Protocol,
    body: &[u8],
    notice: &mut Notice,
) -> Result<Fields, Unreadable> {
    let in_body = |member: &Member| member.location == Location::Body;
    if body.is_empty() || !schema.members.iter().any(in_body) {
        return Ok(Fields::empty(schema.members.len()));
    }
    match protocol {
        Protocol::RestXml => xml::structure(schema, &xml::parse(body)?, notice, in_body),
        _ => json::structure(schema, json::parse(body)?, json::Names::Wire, notice, in_body),
    }
}

/// The member that is the whole body.
fn payload(
    member: &'static Member,
    protocol: Protocol,
    body: &Bytes,
    notice: &mut Notice,
) -> Result<Option<Value>, Unreadable> {
    if body.is_empty() {
        return Ok(None);
    }
    if !member.honoured {
        return Ok(Some(Value::Boolean(true)));
    }
    notice.enter(member);
    let value = match member.shape {
        Shape::Blob { .. } => Value::Blob(body.clone()),
        Shape::String(_) => Value::String(
            String::from_utf8(body.to_vec()).map_err(|_| Unreadable::member(member.wire_name, "not UTF-8"))?,
        ),
        Shape::Structure(schema) if protocol == Protocol::RestXml => {
            Value::Structure(xml::structure(schema, &xml::parse(body)?, notice, |_| true)?)
        }
        shape => json::value(shape, json::parse(body)?, json::Names::Wire, member.wire_name, notice)?,
    };
    notice.leave();
    Ok(Some(value))
}

/// A member in a label, a query string or a header.
fn elsewhere(member: &Member, parts: &Parts<'_>) -> Result<Option<Value>, Unreadable> {
    let name = member.wire_name;
    match member.location {
        Location::Body | Location::Status | Location::EventHeader | Location::EventPayload => Ok(None),
        Location::Label => {
            let text = parts.labels.iter().find(|(label, _)| *label == name || *label == member.name);
            text.map(|(_, text)| scalar(member, text)).transpose()
        }
        Location::Query => in_query(member, parts.query),
        Location::Header => in_header(member, parts.headers),
        Location::Headers => Ok(prefixed(name, parts.headers)),
    }
}

fn scalar(member: &Member, text: &str) -> Result<Value, Unreadable> {
    let shape = if member.honoured { member.shape } else { &crate::schema::OPAQUE };
    text::scalar(shape, text, member.wire_name)
}

fn in_query(member: &Member, query: &Parameters) -> Result<Option<Value>, Unreadable> {
    let name = member.wire_name;
    match member.shape {
        Shape::List(list) => {
            let items = query.all(name).map(|text| text::scalar(list.element, text, name));
            let items = items.collect::<Result<Vec<_>, _>>()?;
            Ok((!items.is_empty()).then_some(Value::List(items)))
        }
        Shape::Map(map) => {
            let entries = query.iter().map(|(key, text)| Ok((key.to_owned(), text::scalar(map.value, text, name)?)));
            let entries = entries.collect::<Result<Vec<_>, Unreadable>>()?;
            Ok((!entries.is_empty()).then_some(Value::Map(entries)))
        }
        _ => query.get(name).map(|text| scalar(member, text)).transpose(),
    }
}

fn in_header(member: &Member, headers: &HeaderMap) -> Result<Option<Value>, Unreadable> {
    let name = member.wire_name;
    let Some(raw) = headers.get(name) else { return Ok(None) };
    let text = String::from_utf8_lossy(raw.as_bytes());
    match member.shape {
        Shape::List(list) => {
            let all = headers.get_all(name).iter().map(|raw| String::from_utf8_lossy(raw.as_bytes()));
            let all: Vec<String> = all.flat_map(|line| split(&line)).collect();
            let items = all.iter().map(|text| text::scalar(list.element, text, name));
            items.collect::<Result<_, _>>().map(|items| Some(Value::List(items)))
        }
        Shape::String(string) if string.json_value => {
            let json = base64::engine::general_purpose::STANDARD.decode(text.as_bytes());
            let json = json.ok().and_then(|json| String::from_utf8(json).ok());
            json.map(|json| Some(Value::String(json))).ok_or_else(|| Unreadable::member(name, "not base64"))
        }
        _ => scalar(member, &text).map(Some),
    }
}

fn split(line: &str) -> Vec<String> {
    line.split(',').map(|part| part.trim().trim_matches('"').to_owned()).filter(|part| !part.is_empty()).collect()
}

fn prefixed(prefix: &str, headers: &HeaderMap) -> Option<Value> {
    let entries: Vec<(String, Value)> = headers
        .iter()
        .filter_map(|(name, value)| {
            let key = name.as_str().strip_prefix(&prefix.to_ascii_lowercase())?;
            Some((key.to_owned(), Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned())))
        })
        .collect();
    (!entries.is_empty()).then_some(Value::Map(entries))
}
