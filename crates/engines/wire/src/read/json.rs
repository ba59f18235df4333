//! JSON bodies, and JSON by model names for calls from inside.

use serde_json::Value as Json;

use super::{Notice, Unreadable, text};
use crate::schema::{Member, Shape, Structure};
use crate::{Fields, Value};

/// By which names members are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// As the protocol has them.
    Wire,
    /// As the model has them; blobs are text.
    Model,
}

/// Parses a body; an empty one is `{}`.
pub(crate) fn parse(body: &[u8]) -> Result<Json, Unreadable> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Json::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| Unreadable::Body(error.to_string()))
}

/// Reads the members that `wanted` wants of a structure.
pub(crate) fn structure(
    schema: &'static Structure,
    json: Json,
    names: Names,
    notice: &mut Notice,
    wanted: fn(&Member) -> bool,
) -> Result<Fields, Unreadable> {
    let Json::Object(mut object) = json else {
        return Err(Unreadable::Body(format!("{} can not be converted to a structure", kind(&json))));
    };
    notice.down()?;
    let mut fields = Fields::empty(schema.members.len());
    for (index, member) in schema.members.iter().enumerate().filter(|(_, member)| wanted(member)) {
        let Some(json) = take(&mut object, member, names).filter(|json| !json.is_null()) else { continue };
        if !member.honoured {
            notice.ignore(member);
            continue;
        }
        notice.enter(member);
        fields.set(index, value(member.shape, json, names, member.wire_name, notice)?);
        notice.leave();
    }
    notice.up();
    Ok(fields)
}

fn take(object: &mut serde_json::Map<String, Json>, member: &Member, names: Names) -> Option<Json> {
    if names == Names::Wire {
        return object.get_mut(member.wire_name).map(Json::take);
    }
    let exact = object.get_mut(member.name).map(Json::take);
    // Workflows write `LogGroupName` for `logGroupName`.
    exact.or_else(|| object.get_mut(&capitalised(member.name)).map(Json::take))
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// Reads one value. `member` names it in a complaint.
pub(crate) fn value(
    shape: &'static Shape,
    json: Json,
    names: Names,
    member: &str,
    notice: &mut Notice,
) -> Result<Value, Unreadable> {
    let wrong = |json: &Json, wanted: &str| {
        Unreadable::member(member, format!("{} can not be converted to {wanted}", kind(json)))
    };
    match (shape, json) {
        (Shape::Document, json) => Ok(Value::Document(json)),
        (Shape::String(_), Json::String(text)) => Ok(Value::String(text)),
        (Shape::Boolean, Json::Bool(boolean)) => Ok(Value::Boolean(boolean)),
        (Shape::Integer(_) | Shape::Long(_), Json::Number(number)) => {
            let whole = whole(&number).and_then(|number| text::integer(shape, number));
            whole.ok_or_else(|| Unreadable::member(member, format!("{number} is not an integer of its size")))
        }
        (Shape::Float | Shape::Double, Json::Number(number)) => {
            Ok(Value::Double(number.as_f64().ok_or_else(|| wrong(&Json::Null, "a number"))?))
        }
        (Shape::Float | Shape::Double, Json::String(word)) => match text::double(&word) {
            Some(number) if !number.is_finite() => Ok(Value::Double(number)),
            _ => Err(wrong(&Json::String(word), "a number")),
        },
        (Shape::Timestamp(_), Json::Number(number)) => {
            let moment = number.as_f64().and_then(text::epoch);
            moment.map(Value::Timestamp).ok_or_else(|| Unreadable::member(member, "not a timestamp"))
        }
        (Shape::Timestamp(_), Json::String(text)) => text::scalar(shape, &text, member),
        (Shape::Blob { .. }, json) => blob(json, names, member),
        (Shape::List(list), Json::Array(items)) => {
            notice.down()?;
            // A null among the elements is left out, as services do.
            let items = items.into_iter().filter(|item| !item.is_null());
            let items = items.map(|item| value(list.element, item, names, member, notice));
            let items = items.collect::<Result<_, _>>()?;
            notice.up();
            Ok(Value::List(items))
        }
        (Shape::Map(map), Json::Object(object)) => {
            notice.down()?;
            let entries = object.into_iter().filter(|(_, item)| !item.is_null());
            let entries = entries.map(|(key, item)| Ok((key, value(map.value, item, names, member, notice)?)));
            let entries = entries.collect::<Result<_, Unreadable>>()?;
            notice.up();
            Ok(Value::Map(entries))
        }
        (Shape::Structure(schema), json @ Json::Object(_)) => {
            structure(schema, json, names, notice, |_| true).map(Value::Structure)
        }
        (shape, json) => Err(wrong(&json, noun(shape))),
    }
}

fn blob(json: Json, names: Names, member: &str) -> Result<Value, Unreadable> {
    match (json, names) {
        (Json::String(text), Names::Wire) => {
            text::blob(&text).map(Value::Blob).ok_or_else(|| Unreadable::member(member, "not base64"))
        }
        (Json::String(text), Names::Model) => Ok(Value::Blob(text.into())),
        // A workflow gives a payload as JSON.
        (json, Names::Model) => Ok(Value::Blob(json.to_string().into())),
        (json, Names::Wire) => {
            Err(Unreadable::member(member, format!("{} can not be converted to a blob", kind(&json))))
        }
    }
}

/// The integer that a number is without loss.
fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let double = number.as_f64()?;
        (double.fract() == 0.0 && double.abs() < 9_007_199_254_740_992.0).then_some(double as i64)
    })
}

/// The words of AWS's complaints.
fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "NULL_VALUE",
        Json::Bool(true) => "TRUE_VALUE",
        Json::Bool(false) => "FALSE_VALUE",
        Json::Number(_) => "NUMBER_VALUE",
        Json::String(_) => "STRING_VALUE",
        Json::Array(_) => "START_ARRAY",
        Json::Object(_) => "START_OBJECT",
    }
}

fn noun(shape: &Shape) -> &'static str {
    match shape {
        Shape::String(_) => "a String",
        Shape::Boolean => "a Boolean",
        Shape::Integer(_) => "an Integer",
        Shape::Long(_) => "a Long",
        Shape::Float | Shape::Double => "a number",
        Shape::Blob { .. } => "a blob",
        Shape::Timestamp(_) => "a timestamp",
        Shape::List(_) => "a list",
        Shape::Map(_) => "a map",
        Shape::Structure(_) | Shape::Document => "a structure",
    }
}
