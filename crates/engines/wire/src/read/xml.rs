//! XML bodies.

mod element;

use super::{Notice, Unreadable, text};
use crate::schema::{List, Map, Member, Shape, Structure};
use crate::{Fields, Value};
pub(crate) use element::{Element, parse};

/// Reads the members that `wanted` wants of a structure out of its element.
pub(crate) fn structure(
    schema: &'static Structure,
    element: &Element,
    notice: &mut Notice,
    wanted: fn(&Member) -> bool,
) -> Result<Fields, Unreadable> {
    notice.down()?;
    let mut fields = Fields::empty(schema.members.len());
    for (index, member) in schema.members.iter().enumerate().filter(|(_, member)| wanted(member)) {
        if !is_set(member, element) {
            continue;
        }
        if !member.honoured {
            notice.ignore(member);
            continue;
        }
        notice.enter(member);
        fields.set(index, self::member(member, element, notice)?);
        notice.leave();
    }
    notice.up();
    Ok(fields)
}

fn is_set(member: &Member, element: &Element) -> bool {
    if member.attribute { element.attribute(member.wire_name).is_some() } else { element.has(member.wire_name) }
}

fn member(member: &Member, element: &Element, notice: &mut Notice) -> Result<Value, Unreadable> {
    let name = member.wire_name;
    if let Some(value) = element.attribute(name).filter(|_| member.attribute) {
        return text::scalar(member.shape, value, name);
    }
    match member.shape {
        Shape::List(list) if member.flattened || list.flattened => items(list, element.all(name), name, notice),
        Shape::Map(map) if member.flattened || map.flattened => entries(map, element.all(name), name, notice),
        shape => {
            let child = element.all(name).next().expect("the member is set");
            value(shape, child, name, notice)
        }
    }
}

fn value(shape: &'static Shape, element: &Element, name: &str, notice: &mut Notice) -> Result<Value, Unreadable> {
    match shape {
        Shape::Structure(schema) => structure(schema, element, notice, |_| true).map(Value::Structure),
        Shape::List(list) => items(list, element.children.iter(), name, notice),
        Shape::Map(map) => entries(map, element.all("entry"), name, notice),
        _ => text::scalar(shape, &element.text, name),
    }
}

fn items<'a>(
    list: &'static List,
    elements: impl Iterator<Item = &'a Element>,
    name: &str,
    notice: &mut Notice,
) -> Result<Value, Unreadable> {
    notice.down()?;
    let items = elements.map(|element| value(list.element, element, name, notice)).collect::<Result<_, _>>()?;
    notice.up();
    Ok(Value::List(items))
}

fn entries<'a>(
    map: &'static Map,
    elements: impl Iterator<Item = &'a Element>,
    name: &str,
    notice: &mut Notice,
) -> Result<Value, Unreadable> {
    notice.down()?;
    let mut entries = Vec::new();
    for element in elements {
        let (Some(key), Some(item)) = (element.all(map.key_name).next(), element.all(map.value_name).next()) else {
            return Err(Unreadable::member(name, "an entry lacks its key or its value"));
        };
        entries.push((key.text.clone(), value(map.value, item, name, notice)?));
    }
    notice.up();
    Ok(Value::Map(entries))
}
