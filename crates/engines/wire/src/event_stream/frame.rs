//! Frames of event streams. Numbers are big endian:
//!
//! ```text
//! total length: u32 · length of headers: u32 · CRC-32 of these: u32 · headers · payload · CRC-32 of all before: u32
//! header: length of name: u8 · name · type: u8 · value
//! ```

use base::Timestamp;
use bytes::{BufMut, Bytes, BytesMut};

use crate::Error;

/// The largest payload of a frame.
const PAYLOAD_BYTES_MAX: usize = 24 * 1024 * 1024;
/// The largest headers of a frame.
const HEADERS_BYTES_MAX: usize = 128 * 1024;
/// The largest value of a header.
const VALUE_BYTES_MAX: usize = 32_767;
/// Lengths and checksums.
const OVERHEAD_BYTES: usize = 16;

/// One message of an event stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) headers: Vec<(String, Header)>,
    pub(crate) payload: Bytes,
}

/// The value of a header. The format has bytes, shorts and UUIDs too; no model has members of these types.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Header {
    Boolean(bool),
    Integer(i32),
    Long(i64),
    Bytes(Bytes),
    String(String),
    Timestamp(Timestamp),
}

impl Header {
    /// The number of its type; a boolean is in it.
    fn kind(&self) -> u8 {
        match self {
            Self::Boolean(true) => 0,
            Self::Boolean(false) => 1,
            Self::Integer(_) => 4,
            Self::Long(_) => 5,
            Self::Bytes(_) => 6,
            Self::String(_) => 7,
            Self::Timestamp(_) => 8,
        }
    }
}

impl Frame {
    /// Fails where the frame would be larger than the format allows.
    pub(crate) fn encode(self) -> Result<Bytes, Error> {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            put_header(name, value, &mut headers)?;
        }
        if headers.len() > HEADERS_BYTES_MAX || self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Error::internal(format!("an event of {} bytes", headers.len() + self.payload.len())));
        }
        let total = OVERHEAD_BYTES + headers.len() + self.payload.len();
        let mut frame = BytesMut::with_capacity(total);
        frame.put_u32(total as u32);
        frame.put_u32(headers.len() as u32);
        frame.put_u32(crc32fast::hash(&frame));
        frame.put_slice(&headers);
        frame.put_slice(&self.payload);
        frame.put_u32(crc32fast::hash(&frame));
        Ok(frame.freeze())
    }
}

fn put_header(name: &str, value: &Header, out: &mut Vec<u8>) -> Result<(), Error> {
    let too_long = || Error::internal(format!("a header `{name}` that is too long for an event"));
    out.put_u8(u8::try_from(name.len()).map_err(|_| too_long())?);
    out.put_slice(name.as_bytes());
    out.put_u8(value.kind());
    match value {
        Header::Boolean(_) => {}
        Header::Integer(number) => out.put_i32(*number),
        Header::Long(number) => out.put_i64(*number),
        Header::Timestamp(moment) => out.put_i64(moment.millis()),
        Header::Bytes(bytes) => put_sized(bytes, out).ok_or_else(too_long)?,
        Header::String(text) => put_sized(text.as_bytes(), out).ok_or_else(too_long)?,
    }
    Ok(())
}

fn put_sized(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if bytes.len() > VALUE_BYTES_MAX {
        return None;
    }
    out.put_u16(bytes.len() as u16);
    out.put_slice(bytes);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn an_empty_frame_is_lengths_and_checksums() {
        let frame = Frame { headers: Vec::new(), payload: Bytes::new() };
        // The CRC-32 of `0000001000000000` is 05c248eb, that of the twelve bytes 7d98c8ff.
        assert_eq!(hex(&frame.encode().unwrap()), "000000100000000005c248eb7d98c8ff");
    }

    #[test]
    fn headers_carry_their_type() {
        let cases = [
            (Header::Boolean(true), "016100"),
            (Header::Boolean(false), "016101"),
            (Header::Integer(-2), "016104fffffffe"),
            (Header::Long(1), "0161050000000000000001"),
            (Header::Bytes(Bytes::from_static(b"\x00\xff")), "016106000200ff"),
            (Header::String("hi".to_owned()), "01610700026869"),
            (Header::Timestamp(Timestamp::from_secs(1)), "01610800000000000003e8"),
        ];
        for (header, expected) in cases {
            let mut out = Vec::new();
            put_header("a", &header, &mut out).unwrap();
            assert_eq!(hex(&out), expected, "{header:?}");
        }
    }

    #[test]
    fn what_the_format_cannot_carry_is_an_error() {
        let frame = Frame { headers: Vec::new(), payload: vec![0; PAYLOAD_BYTES_MAX + 1].into() };
        assert!(frame.encode().is_err());
        let long = Header::String("x".repeat(VALUE_BYTES_MAX + 1));
        let frame = Frame { headers: vec![("a".to_owned(), long)], payload: Bytes::new() };
        assert!(frame.encode().is_err());
    }
}
