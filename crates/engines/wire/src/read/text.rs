//! Values that travel as text: in a header, a label, a query string, a form or an XML element.

use base::Timestamp;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::Unreadable;
use crate::Value;
use crate::schema::Shape;

/// Padding is optional, as AWS has it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a scalar. `member` is its name on the wire.
pub(crate) fn scalar(shape: &Shape, text: &str, member: &str) -> Result<Value, Unreadable> {
    let wrong = |detail: &str| Unreadable::member(member, format!("{detail}: {}", excerpt(text)));
    match shape {
        Shape::String(_) => Ok(Value::String(text.to_owned())),
        Shape::Boolean => match text.trim() {
            "true" | "True" | "TRUE" | "1" => Ok(Value::Boolean(true)),
            "false" | "False" | "FALSE" | "0" => Ok(Value::Boolean(false)),
            _ => Err(wrong("not a boolean")),
        },
        Shape::Integer(_) | Shape::Long(_) => {
            let number = text.trim().parse::<i64>().map_err(|_| wrong("not an integer"))?;
            integer(shape, number).ok_or_else(|| wrong("not a 32-bit integer"))
        }
        Shape::Float | Shape::Double => double(text.trim()).map(Value::Double).ok_or_else(|| wrong("not a number")),
        Shape::Timestamp(_) => timestamp(text.trim()).map(Value::Timestamp).ok_or_else(|| wrong("not a timestamp")),
        Shape::Blob { .. } => blob(text).map(Value::Blob).ok_or_else(|| wrong("not base64")),
        Shape::Document => Ok(Value::Document(serde_json::Value::String(text.to_owned()))),
        Shape::List(_) | Shape::Map(_) | Shape::Structure(_) => Err(wrong("not a scalar")),
    }
}

/// Takes `number` if it fits the shape.
pub(crate) fn integer(shape: &Shape, number: i64) -> Option<Value> {
    let fits = !matches!(shape, Shape::Integer(_)) || i32::try_from(number).is_ok();
    fits.then_some(Value::Integer(number))
}

/// Reads a number, or the words by which JSON carries what is none.
pub(crate) fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

/// Reads base64.
pub(crate) fn blob(text: &str) -> Option<Bytes> {
    if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let dense: String = text.split_ascii_whitespace().collect();
        return BASE64.decode(dense).ok().map(Bytes::from);
    }
    BASE64.decode(text).ok().map(Bytes::from)
}

/// Reads a timestamp in any form: readers are generous, writers are exact.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<f64>() {
        return epoch(seconds);
    }
    // Clients may leave out the offset of UTC, or the time of day.
    Timestamp::parse_iso8601(text)
        .or_else(|| Timestamp::parse_http_date(text))
        .or_else(|| Timestamp::parse_iso8601(&format!("{text}Z")))
        .or_else(|| Timestamp::parse_iso8601(&format!("{text}T00:00:00Z")))
}

/// Seconds since the epoch, if they are of a year that a date can name.
pub(crate) fn epoch(seconds: f64) -> Option<Timestamp> {
    (seconds.is_finite() && seconds.abs() < 253_402_300_800.0).then(|| Timestamp::from_secs_f64(seconds))
}

/// Enough of a value to recognise it by.
pub(crate) fn excerpt(text: &str) -> &str {
    const CHARACTERS_MAX: usize = 64;
    text.char_indices().nth(CHARACTERS_MAX).map_or(text, |(at, _)| &text[..at])
}
