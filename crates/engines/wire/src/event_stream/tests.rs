use bytes::{Buf, Bytes};

use super::*;
use crate::schema::Text;

static TEXT: Shape = Shape::String(Text::ANY);
static BLOB: Shape = Shape::Blob { min: 0, max: None, streaming: false };
static CHUNK: Structure = Structure::new("Chunk", &[Member::new("Payload", &BLOB).at(Location::EventPayload)]);
static CHUNK_SHAPE: Shape = Shape::Structure(&CHUNK);
static TICK: Structure =
    Structure::new("Tick", &[Member::new("kind", &TEXT).at(Location::EventHeader), Member::new("text", &TEXT)]);
static TICK_SHAPE: Shape = Shape::Structure(&TICK);
static TIMEOUT: Structure = Structure::new("SessionTimeoutException", &[Member::new("message", &TEXT)]);
static TIMEOUT_SHAPE: Shape = Shape::Structure(&TIMEOUT);
static EVENTS: Structure = Structure::new(
    "Events",
    &[
        Member::new("PayloadChunk", &CHUNK_SHAPE),
        Member::new("tick", &TICK_SHAPE),
        Member::new("SessionTimeoutException", &TIMEOUT_SHAPE),
    ],
)
.event_stream();

fn union(index: usize, event: Fields) -> Fields {
    let mut union = Fields::empty(3);
    union.set(index, Value::Structure(event));
    union
}

fn chunk(text: &'static str) -> Fields {
    union(0, Fields(vec![Some(Value::Blob(Bytes::from_static(text.as_bytes())))]))
}

fn tick(kind: &str, text: &str) -> Fields {
    union(1, Fields(vec![Some(Value::String(kind.into())), Some(Value::String(text.into()))]))
}

fn events(events: impl IntoIterator<Item = Result<Fields, Error>>) -> EventStream {
    let events: Vec<_> = events.into_iter().collect();
    EventStream { schema: &EVENTS, events: stream::iter(events).boxed() }
}

fn encode(events: EventStream, protocol: Protocol, initial: Option<Vec<u8>>) -> Bytes {
    let whole = events.encode(protocol, initial).collect(1 << 20);
    futures_executor::block_on(whole).expect("no error").expect("it fits")
}

/// The frames as `name=value;…|payload`, checked as a client checks them.
fn decode(mut bytes: Bytes) -> Vec<String> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let length = (&bytes[..4]).get_u32() as usize;
        let mut frame = bytes.split_to(length);
        assert_eq!(crc32fast::hash(&frame[..8]), (&frame[8..12]).get_u32());
        assert_eq!(crc32fast::hash(&frame[..length - 4]), (&frame[length - 4..]).get_u32());
        frame.truncate(length - 4);
        frame.advance(4);
        let headers_length = frame.get_u32() as usize;
        frame.advance(4);
        let mut headers = frame.split_to(headers_length);
        let mut text = String::new();
        while !headers.is_empty() {
            let name_length = headers.get_u8() as usize;
            let name = headers.split_to(name_length);
            assert_eq!(headers.get_u8(), 7, "strings alone are used here");
            let value_length = headers.get_u16() as usize;
            let value = headers.split_to(value_length);
            text += &format!("{}={};", std::str::from_utf8(&name).unwrap(), std::str::from_utf8(&value).unwrap());
        }
        frames.push(format!("{text}|{}", std::str::from_utf8(&frame).unwrap()));
    }
    frames
}

#[test]
fn events_are_frames_in_their_order() {
    let binary = ":message-type=event;:event-type=PayloadChunk;:content-type=application/octet-stream;";
    let json = ":message-type=event;:event-type=tick;:content-type=application/json;kind=minor;";
    assert_eq!(
        decode(encode(
            events([Ok(chunk("one")), Ok(tick("minor", "tock")), Ok(chunk("two"))]),
            Protocol::RestJson,
            None
        )),
        [format!("{binary}|one"), format!("{json}|{{\"text\":\"tock\"}}"), format!("{binary}|two")]
    );
}

#[test]
fn protocols_without_headers_begin_with_the_output() {
    let frames = decode(encode(events([Ok(chunk("one"))]), Protocol::Json11, Some(b"{}".to_vec())));
    let initial = ":message-type=event;:event-type=initial-response;:content-type=application/x-amz-json-1.1;|{}";
    assert_eq!((frames.len(), frames[0].as_str()), (2, initial));
}

#[test]
fn an_error_that_no_event_has_ends_the_stream_with_its_code() {
    let broken = Error::new("ServiceException", 500, "no more");
    let frames = decode(encode(events([Ok(chunk("one")), Err(broken), Ok(chunk("never"))]), Protocol::RestJson, None));
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1], ":message-type=error;:error-code=ServiceException;:error-message=no more;|");
}

#[test]
fn an_error_that_an_event_has_is_an_exception() {
    let over = Error::new("SessionTimeoutException", 400, "over");
    let frames = decode(encode(events([Err(over)]), Protocol::Json11, None));
    let headers = ":message-type=exception;:exception-type=SessionTimeoutException;:content-type=application/json;";
    assert_eq!(frames, [format!("{headers}|{{\"message\":\"over\"}}")]);
}
