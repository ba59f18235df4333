//! Event streams: replies that are a sequence of events (`application/vnd.amazon.eventstream`).

pub(crate) mod frame;

use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use crate::read::json::Names;
use crate::schema::{Location, Member, Protocol, Shape, Structure};
use crate::write::{cbor, content_type, json, xml};
use crate::{ByteStream, Error, Fields, Shaped, Value};
use frame::{Frame, Header};

/// The content type of a reply that is an event stream.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The events of a reply, which go to the client as they come.
///
/// An error ends the stream: as an exception where the model has one of that name, else as an error of its code.
pub struct EventStream {
    schema: &'static Structure,
    events: BoxStream<'static, Result<Fields, Error>>,
}

impl EventStream {
    /// `E` is the union of the operation's events; each has exactly one member set.
    pub fn new<E: Shaped>(events: impl Stream<Item = Result<E, Error>> + Send + 'static) -> EventStream {
        EventStream { schema: E::SCHEMA, events: events.map(|event| event.map(Shaped::into_fields)).boxed() }
    }

    /// The frames. Protocols without a place for the other members of the output begin with an event of them:
    /// `initial` is their encoding.
    pub(crate) fn encode(self, protocol: Protocol, initial: Option<Vec<u8>>) -> ByteStream {
        let schema = self.schema;
        let initial = initial.map(|payload| {
            let headers = event_headers("initial-response", content_type(protocol));
            Frame { headers, payload: payload.into() }.encode()
        });
        let events = self.events.scan(false, move |ended, event| {
            let frame = (!*ended).then(|| match event {
                Ok(fields) => event_frame(schema, &fields, protocol).and_then(Frame::encode),
                Err(error) => {
                    *ended = true;
                    error_frame(schema, &error, protocol).encode()
                }
            });
            std::future::ready(frame)
        });
        ByteStream::new(stream::iter(initial).chain(events), None)
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("schema", &self.schema.name).finish_non_exhaustive()
    }
}

fn event_headers(event_type: &str, content_type: &str) -> Vec<(String, Header)> {
    vec![
        (":message-type".to_owned(), Header::String("event".to_owned())),
        (":event-type".to_owned(), Header::String(event_type.to_owned())),
        (":content-type".to_owned(), Header::String(content_type.to_owned())),
    ]
}

/// The event that is set in a union.
fn event_frame(schema: &Structure, union: &Fields, protocol: Protocol) -> Result<Frame, Error> {
    let set = schema.members.iter().enumerate().find_map(|(index, member)| Some((member, union.get(index)?)));
    let Some((member, Value::Structure(fields))) = set else {
        return Err(Error::internal("an event without a member"));
    };
    let Shape::Structure(event) = member.shape else { return Err(Error::internal("an event that is no structure")) };
    let (content_type, payload) = payload(event, fields, protocol);
    let mut headers = event_headers(member.wire_name, content_type);
    for (index, member) in event.members.iter().enumerate() {
        if let (Location::EventHeader, Some(value)) = (member.location, fields.get(index)) {
            headers.extend(header(value).map(|header| (member.wire_name.to_owned(), header)));
        }
    }
    Ok(Frame { headers, payload: payload.into() })
}

/// The content type and the bytes of an event: those of the member that is its payload, or of all that are no headers.
fn payload(event: &'static Structure, fields: &Fields, protocol: Protocol) -> (&'static str, Vec<u8>) {
    let Some(index) = event.members.iter().position(|member| member.location == Location::EventPayload) else {
        return (body_type(protocol), body(event, fields, protocol));
    };
    match (event.members[index].shape, fields.get(index)) {
        (Shape::Structure(schema), Some(Value::Structure(fields))) => {
            (body_type(protocol), body(schema, fields, protocol))
        }
        (Shape::String(_), Some(Value::String(text))) => ("text/plain", text.clone().into_bytes()),
        (_, Some(Value::Blob(bytes))) => ("application/octet-stream", bytes.to_vec()),
        _ => ("application/octet-stream", Vec::new()),
    }
}

fn body_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::RpcV2Cbor => "application/cbor",
        Protocol::RestXml | Protocol::Query => "text/xml",
        Protocol::RestJson | Protocol::Json10 | Protocol::Json11 => "application/json",
    }
}

fn body(schema: &'static Structure, fields: &Fields, protocol: Protocol) -> Vec<u8> {
    let in_body = |member: &Member| member.location == Location::Body;
    match protocol {
        Protocol::RpcV2Cbor => cbor::body(schema, fields),
        Protocol::RestXml | Protocol::Query => {
            let mut out = String::new();
            xml::structure(schema.name, "", schema, fields, xml::Dialect::Rest, in_body, &mut out);
            out.into_bytes()
        }
        Protocol::RestJson | Protocol::Json10 | Protocol::Json11 => {
            let mut out = Vec::new();
            json::structure(schema, fields, Names::Wire, in_body, &mut out);
            out
        }
    }
}

/// A member that travels as a header of its event.
fn header(value: &Value) -> Option<Header> {
    match value {
        Value::Boolean(flag) => Some(Header::Boolean(*flag)),
        Value::Integer(number) => match i32::try_from(*number) {
            Ok(number) => Some(Header::Integer(number)),
            Err(_) => Some(Header::Long(*number)),
        },
        Value::Blob(bytes) => Some(Header::Bytes(bytes.clone())),
        Value::String(text) => Some(Header::String(text.clone())),
        Value::Timestamp(moment) => Some(Header::Timestamp(*moment)),
        _ => None,
    }
}

fn error_frame(schema: &Structure, error: &Error, protocol: Protocol) -> Frame {
    let string = |name: &str, value: &str| (name.to_owned(), Header::String(value.to_owned()));
    let named = schema
        .members
        .iter()
        .find(|member| matches!(member.shape, Shape::Structure(shape) if shape.name == error.code));
    let Some(member) = named else {
        let code = string(":error-code", &error.code);
        let message = string(":error-message", &error.message);
        return Frame { headers: vec![string(":message-type", "error"), code, message], payload: Vec::new().into() };
    };
    let mut payload = serde_json::Map::from_iter([("message".to_owned(), error.message.clone().into())]);
    payload.extend(error.members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let payload = match protocol {
        Protocol::RpcV2Cbor => cbor::error(&error.code, &error.message, &error.members),
        _ => serde_json::Value::Object(payload).to_string().into_bytes(),
    };
    let headers = vec![
        string(":message-type", "exception"),
        string(":exception-type", member.wire_name),
        string(":content-type", body_type(protocol)),
    ];
    Frame { headers, payload: payload.into() }
}

#[cfg(test)]
mod tests;
