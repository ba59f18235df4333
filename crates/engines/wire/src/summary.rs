//! An input for people: in the journal and in a log.

use serde_json::{Map, Value as Json};

use crate::schema::{Shape, Structure, TimestampForm};
use crate::write::text;
use crate::{Fields, Value};

/// How many characters of a value are shown.
const CHARACTERS_MAX: usize = 256;
/// How many elements of a list or a map are shown.
const ELEMENTS_MAX: usize = 10;

/// The members that are set, shortened; what is sensitive is `"***"`.
pub(crate) fn of(schema: &Structure, fields: &Fields) -> Json {
    let set = schema.members.iter().enumerate().filter_map(|(index, member)| Some((member, fields.get(index)?)));
    Json::Object(set.map(|(member, value)| (member.name.to_owned(), self::value(member.shape, value))).collect())
}

fn value(shape: &Shape, value: &Value) -> Json {
    match (shape, value) {
        (Shape::String(string), _) if string.sensitive => "***".into(),
        (Shape::Structure(schema), Value::Structure(fields)) => of(schema, fields),
        (Shape::List(list), Value::List(items)) => {
            items.iter().take(ELEMENTS_MAX).map(|item| self::value(list.element, item)).collect()
        }
        (Shape::Map(map), Value::Map(entries)) => {
            let entries = entries.iter().take(ELEMENTS_MAX);
            Json::Object(entries.map(|(key, item)| (key.clone(), self::value(map.value, item))).collect::<Map<_, _>>())
        }
        (_, Value::Boolean(boolean)) => (*boolean).into(),
        (_, Value::Integer(integer)) => (*integer).into(),
        (_, Value::Double(number)) => (*number).into(),
        (_, Value::Blob(bytes)) => match std::str::from_utf8(&bytes[..bytes.len().min(4 * CHARACTERS_MAX)]) {
            Ok(text) => shortened(text),
            Err(_) => format!("({} bytes)", bytes.len()).into(),
        },
        (_, Value::String(text)) => shortened(text),
        (shape, value) => text::scalar(shape, value, TimestampForm::Iso8601).map_or(Json::Null, |t| shortened(&t)),
    }
}

fn shortened(text: &str) -> Json {
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]).into(),
        None => text.into(),
    }
}
