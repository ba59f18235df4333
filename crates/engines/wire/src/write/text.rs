//! Values as text: in a header or an XML element.

use base::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Value;
use crate::schema::{Shape, TimestampForm};

/// A scalar as text; `default` is the form of its timestamps. `None` for what is no scalar.
pub(crate) fn scalar(shape: &Shape, value: &Value, default: TimestampForm) -> Option<String> {
    Some(match value {
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Double(number) => double(*number),
        Value::String(text) => text.clone(),
        Value::Blob(bytes) => STANDARD.encode(bytes),
        Value::Timestamp(moment) => timestamp(*moment, form(shape, default)),
        Value::Document(json) => json.to_string(),
        Value::List(_) | Value::Map(_) | Value::Structure(_) => return None,
    })
}

/// The form that the shape demands, or else the default.
pub(crate) fn form(shape: &Shape, default: TimestampForm) -> TimestampForm {
    match shape {
        Shape::Timestamp(form) if *form != TimestampForm::Default => *form,
        _ => default,
    }
}

pub(crate) fn timestamp(moment: Timestamp, form: TimestampForm) -> String {
    match form {
        TimestampForm::Epoch | TimestampForm::Default => epoch(moment),
        TimestampForm::Iso8601 => moment.iso8601(),
        TimestampForm::HttpDate => moment.http_date(),
    }
}

/// Seconds, with milliseconds where there are any.
pub(crate) fn epoch(moment: Timestamp) -> String {
    let (seconds, millis) = (moment.secs(), moment.millis().rem_euclid(1_000));
    match millis {
        0 => seconds.to_string(),
        _ if seconds >= 0 => format!("{seconds}.{millis:03}"),
        _ => moment.secs_f64().to_string(),
    }
}

/// A number, or the words for what is none.
pub(crate) fn double(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        serde_json::Number::from_f64(number).map(|number| number.to_string()).unwrap_or_default()
    }
}
