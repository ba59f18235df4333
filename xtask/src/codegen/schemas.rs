//! `schemas.rs`: the constant tables of the shapes.

use super::config::Config;
use super::emit::{File, literal};
use super::model::{Model, Shape};
use super::selection::{Member, Selection};

pub fn write(model: &Model, config: &Config, selection: &Selection) -> Result<String, String> {
    let mut file = File::new();
    file.line("#[allow(unused_imports, reason = \"not every service has every kind of shape\")]");
    file.line("use wire::schema::{List, Location, Map, Member, OPAQUE, Range, Shape, Structure, Text, TimestampForm};");
    file.line("");
    for shape in selection.shapes.values() {
        if shape.is_structure() {
            structure(&mut file, *shape, model, config, selection)?;
        } else {
            let name = selection.static_name(shape.name);
            let value = plain(*shape, model, config, selection)?;
            file.line(format_args!("pub(crate) static {name}: Shape = {value};"));
        }
    }
    for operation in selection.operations.iter().filter(|operation| operation.input().is_none()) {
        empty(&mut file, &super::operations::absent_input(operation));
    }
    for operation in selection.operations.iter().filter(|operation| operation.output().is_none()) {
        empty(&mut file, &super::operations::absent_output(operation));
    }
    Ok(file.finish())
}

fn empty(file: &mut File, name: &str) {
    let constant = super::names::shout(name);
    file.line(format_args!("pub(crate) static {constant}: Structure = Structure::new({name:?}, &[]);"));
}

fn structure(
    file: &mut File,
    shape: Shape,
    model: &Model,
    config: &Config,
    selection: &Selection,
) -> Result<(), String> {
    let name = selection.static_name(shape.name);
    file.line(format_args!("pub(crate) static {name}: Structure = Structure::new({:?}, &[", shape.name));
    let members = selection.members(shape.name);
    for one in members {
        file.line(format_args!("    {},", member(shape, one, model, config, selection)?));
    }
    let mut end = "])".to_owned();
    if let Some(xml_name) = xml_name(shape, config, selection) {
        end += &format!(".xml_name({xml_name:?})");
    }
    if let Some(payload) = shape.text("payload") {
        let index = members.iter().position(|member| member.reference.name == payload);
        end += &format!(".payload({})", index.ok_or_else(|| format!("`{}` lacks its payload", shape.name))?);
    }
    if shape.flag("eventstream") {
        end += ".event_stream()";
    }
    if shape.flag("union") {
        end += ".union()";
    }
    file.line(format_args!("{end};"));
    if selection.parts.contains(shape.name) {
        file.line(format_args!("static {name}_SHAPE: Shape = Shape::Structure(&{name});"));
    }
    Ok(())
}

fn xml_name(shape: Shape, config: &Config, selection: &Selection) -> Option<String> {
    if let Some(name) = config.xml_names.get(shape.name) {
        return Some(name.clone());
    }
    let of_input =
        selection.operations.iter().filter(|operation| operation.input().is_some_and(|i| i.name == shape.name));
    let of_input = of_input.filter_map(|operation| operation.input_xml_name()).next();
    of_input.or(shape.text("locationName")).map(str::to_owned)
}

fn member(
    structure: Shape,
    member: &Member,
    model: &Model,
    config: &Config,
    selection: &Selection,
) -> Result<String, String> {
    let reference = member.reference;
    let mut text = format!("Member::new({:?}, {})", reference.name, shape_reference(member, selection));
    let wire_name = wire_name(member, model);
    if wire_name != reference.name {
        text += &format!(".wire({wire_name:?})");
    }
    if let Some(name) = config.query_name(structure.name, reference.name) {
        text += &format!(".query({name:?})");
    }
    for (flag, location) in [("eventheader", "EventHeader"), ("eventpayload", "EventPayload")] {
        if reference.flag(flag) {
            text += &format!(".at(Location::{location})");
        }
    }
    if let Some(location) = reference.text("location") {
        text += &format!(".at(Location::{})", self::location(location)?);
    }
    let traits = [
        (member.required, ".required()"),
        (!member.honoured, ".ignored()"),
        (reference.flag("flattened"), ".flattened()"),
        (reference.flag("xmlAttribute"), ".attribute()"),
        (reference.flag("idempotencyToken"), ".idempotency_token()"),
    ];
    for (_, call) in traits.into_iter().filter(|(holds, _)| *holds) {
        text += call;
    }
    Ok(text)
}

/// A flattened list whose elements have a name goes by that name, as botocore has it.
fn wire_name<'m>(member: &Member<'m>, model: &'m Model) -> &'m str {
    let reference = member.reference;
    let own = reference.text("locationName").unwrap_or(reference.name);
    if reference.target.kind() == "list" && reference.flag("flattened") {
        return reference.target.part("member", model).text("locationName").unwrap_or(own);
    }
    own
}

fn shape_reference(member: &Member, selection: &Selection) -> String {
    let target = member.reference.target;
    if !member.is_described() {
        return "&OPAQUE".to_owned();
    }
    if member.is_streaming() {
        return "&Shape::Blob { min: 0, max: None, streaming: true }".to_owned();
    }
    part_reference(target, selection)
}

fn part_reference(target: Shape, selection: &Selection) -> String {
    let name = selection.static_name(target.name);
    if target.is_structure() { format!("&{name}_SHAPE") } else { format!("&{name}") }
}

fn location(location: &str) -> Result<&'static str, String> {
    match location {
        "uri" => Ok("Label"),
        "querystring" => Ok("Query"),
        "header" => Ok("Header"),
        "headers" => Ok("Headers"),
        "statusCode" => Ok("Status"),
        _ => Err(format!("unknown location `{location}`")),
    }
}

/// The value of a shape that is not a structure.
fn plain(shape: Shape, model: &Model, config: &Config, selection: &Selection) -> Result<String, String> {
    if shape.flag("document") {
        return Ok("Shape::Document".to_owned());
    }
    match shape.kind() {
        "string" | "character" => Ok(format!("Shape::String({})", string(shape, config))),
        "boolean" => Ok("Shape::Boolean".to_owned()),
        "integer" => Ok(format!("Shape::Integer({})", range(shape))),
        "long" => Ok(format!("Shape::Long({})", range(shape))),
        "float" => Ok("Shape::Float".to_owned()),
        "double" => Ok("Shape::Double".to_owned()),
        "blob" => Ok(blob(shape)),
        "timestamp" => Ok(format!("Shape::Timestamp(TimestampForm::{})", timestamp_form(shape)?)),
        "list" => Ok(format!("Shape::List({})", list(shape, model, selection))),
        "map" => Ok(format!("Shape::Map({})", map(shape, model, config, selection))),
        kind => Err(format!("`{}` has the unknown type `{kind}`", shape.name)),
    }
}

fn string(shape: Shape, config: &Config) -> String {
    let mut text = format!("Text::ANY{}", bounds(shape));
    if let Some(pattern) = shape.text("pattern") {
        text += &format!(".pattern({})", literal(pattern));
    }
    let allowed = shape.allowed();
    if !allowed.is_empty() && !config.open.iter().any(|name| name == shape.name) {
        text += &format!(".allowed(&{allowed:?})");
    }
    if shape.flag("jsonvalue") {
        text += ".json_value()";
    }
    if shape.flag("sensitive") {
        text += ".sensitive()";
    }
    text
}

fn range(shape: Shape) -> String {
    format!("Range::ANY{}", bounds(shape))
}

fn bounds(shape: Shape) -> String {
    let mut text = String::new();
    for bound in ["min", "max"] {
        let is_trivial = bound == "min" && shape.kind() != "integer" && shape.kind() != "long";
        match shape.number(bound) {
            Some(0) if is_trivial => {}
            Some(number) => text += &format!(".{bound}({number})"),
            None => {}
        }
    }
    text
}

fn blob(shape: Shape) -> String {
    let min = shape.number("min").unwrap_or(0);
    let max = shape.number("max");
    format!("Shape::Blob {{ min: {min}, max: {max:?}, streaming: {} }}", shape.flag("streaming"))
}

fn timestamp_form(shape: Shape) -> Result<&'static str, String> {
    match shape.text("timestampFormat") {
        None => Ok("Default"),
        Some("unixTimestamp") => Ok("Epoch"),
        Some("iso8601") => Ok("Iso8601"),
        Some("rfc822") => Ok("HttpDate"),
        Some(form) => Err(format!("`{}` has the unknown timestamp format `{form}`", shape.name)),
    }
}

fn list(shape: Shape, model: &Model, selection: &Selection) -> String {
    let element = shape.part("member", model);
    let mut text = format!("List::of({}){}", part_reference(element.target, selection), bounds(shape));
    if let Some(name) = element.text("locationName") {
        text += &format!(".element_name({name:?})");
    }
    if shape.flag("flattened") {
        text += ".flattened()";
    }
    text
}

fn map(shape: Shape, model: &Model, config: &Config, selection: &Selection) -> String {
    let (key, value) = (shape.part("key", model), shape.part("value", model));
    let parts = (part_reference(key.target, selection), part_reference(value.target, selection));
    let mut text = format!("Map::of({}, {}){}", parts.0, parts.1, bounds(shape));
    let given = (key.text("locationName").unwrap_or("key"), value.text("locationName").unwrap_or("value"));
    let named = config.map_names.get(shape.name).map(|(key, value)| (key.as_str(), value.as_str()));
    let names = named.unwrap_or(given);
    if names != ("key", "value") {
        text += &format!(".names({:?}, {:?})", names.0, names.1);
    }
    if shape.flag("flattened") {
        text += ".flattened()";
    }
    text
}
