//! The query protocol: members spelt out as `A.B.member.1=…`.

use std::collections::BTreeMap;

use super::{Notice, Unreadable, text};
use crate::schema::{List, Map, Shape, Structure};
use crate::{Fields, Parameters, Value};

/// How many parts a parameter's name may have.
const PARTS_MAX: usize = 32;

/// The parameters by the parts of their names.
#[derive(Debug, Default)]
struct Node<'a> {
    text: Option<&'a str>,
    children: BTreeMap<&'a str, Node<'a>>,
}

/// Reads an input out of the parameters.
pub(crate) fn input(
    schema: &'static Structure,
    parameters: &Parameters,
    notice: &mut Notice,
) -> Result<Fields, Unreadable> {
    let mut root = Node::default();
    for (name, value) in parameters.iter() {
        let mut node = &mut root;
        for (depth, part) in name.split('.').enumerate() {
            if depth == PARTS_MAX {
                return Err(Unreadable::Deep);
            }
            node = node.children.entry(part).or_default();
        }
        node.text.get_or_insert(value);
    }
    structure(schema, &root, notice)
}

fn structure(schema: &'static Structure, node: &Node<'_>, notice: &mut Notice) -> Result<Fields, Unreadable> {
    notice.down()?;
    let mut fields = Fields::empty(schema.members.len());
    for (index, member) in schema.members.iter().enumerate() {
        let Some(child) = member_of(node, member.query_name) else { continue };
        if !member.honoured {
            notice.ignore(member);
            continue;
        }
        notice.enter(member);
        if let Some(value) = value(member.shape, member.flattened, child, member.query_name, notice)? {
            fields.set(index, value);
        }
        notice.leave();
    }
    notice.up();
    Ok(fields)
}

/// A flattened member's name may itself have dots.
fn member_of<'n, 'a>(node: &'n Node<'a>, name: &str) -> Option<&'n Node<'a>> {
    name.split('.').try_fold(node, |node, part| node.children.get(part))
}

fn value(
    shape: &'static Shape,
    flattened: bool,
    node: &Node<'_>,
    name: &str,
    notice: &mut Notice,
) -> Result<Option<Value>, Unreadable> {
    match shape {
        Shape::Structure(schema) => Ok(Some(Value::Structure(structure(schema, node, notice)?))),
        Shape::List(list) => self::list(list, flattened, node, name, notice).map(Some),
        Shape::Map(map) => self::map(map, flattened, node, name, notice).map(Some),
        _ => node.text.map(|text| text::scalar(shape, text, name)).transpose(),
    }
}

fn list(
    list: &'static List,
    flattened: bool,
    node: &Node<'_>,
    name: &str,
    notice: &mut Notice,
) -> Result<Value, Unreadable> {
    notice.down()?;
    let mut items = Vec::new();
    for (_, item) in numbered(elements(node, flattened || list.flattened, list.element_name)) {
        items.extend(value(list.element, false, item, name, notice)?);
    }
    // SQS takes a single value without its number.
    if let (true, Some(text)) = (items.is_empty(), node.text.filter(|text| !text.is_empty())) {
        items.push(text::scalar(list.element, text, name)?);
    }
    notice.up();
    Ok(Value::List(items))
}

fn map(
    map: &'static Map,
    flattened: bool,
    node: &Node<'_>,
    name: &str,
    notice: &mut Notice,
) -> Result<Value, Unreadable> {
    notice.down()?;
    let mut entries = Vec::new();
    for (_, entry) in numbered(elements(node, flattened || map.flattened, "entry")) {
        let Some(key) = entry.children.get(map.key_name).and_then(|key| key.text) else { continue };
        let item = entry.children.get(map.value_name);
        let item = item.map(|item| value(map.value, false, item, name, notice)).transpose()?.flatten();
        if let Some(item) = item {
            entries.push((key.to_owned(), item));
        }
    }
    notice.up();
    Ok(Value::Map(entries))
}

/// The node whose children are the numbered elements: clients of either habit are understood.
fn elements<'n, 'a>(node: &'n Node<'a>, flattened: bool, wrapper: &str) -> &'n Node<'a> {
    let wrapped = node.children.get(wrapper).or_else(|| node.children.get("member"));
    if flattened && node.children.keys().any(|key| key.parse::<u32>().is_ok()) { node } else { wrapped.unwrap_or(node) }
}

/// The children that are named by numbers, in their order.
fn numbered<'n, 'a>(node: &'n Node<'a>) -> BTreeMap<u32, &'n Node<'a>> {
    node.children.iter().filter_map(|(key, child)| Some((key.parse().ok()?, child))).collect()
}
