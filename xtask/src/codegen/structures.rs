//! `structures.rs`: plain structs and how they fill from and become values.

use super::emit::File;
use super::model::{Model, Shape};
use super::names;
use super::operations::{absent_input, absent_output};
use super::selection::{Member, Selection};

pub fn write(model: &Model, selection: &Selection) -> Result<String, String> {
    let mut bodies = File::new();
    for shape in selection.shapes.values().filter(|shape| shape.is_structure()) {
        let members = selection.members(shape.name);
        structure(&mut bodies, shape.name, selection.static_name(shape.name), members, model, selection)?;
    }
    for operation in &selection.operations {
        let absent_input = operation.input().is_none().then(|| absent_input(operation));
        let absent_output = operation.output().is_none().then(|| absent_output(operation));
        for name in [absent_input, absent_output].into_iter().flatten() {
            structure(&mut bodies, &name, &names::shout(&name), &[], model, selection)?;
        }
    }
    let bodies = bodies.finish();
    let bodies = bodies.split_once("\n\n").map_or("", |(_, rest)| rest);
    let mut file = File::new();
    for (word, path) in
        [("BTreeMap<", "std::collections::BTreeMap"), ("Timestamp", "base::Timestamp"), ("Bytes", "bytes::Bytes")]
    {
        if bodies.contains(word) {
            file.line(format_args!("use {path};"));
        }
    }
    file.line("use wire::schema::Structure;");
    file.line("use wire::{Fields, Members, Shaped, Unshaped};");
    file.line("");
    file.line("use crate::schemas;");
    file.line("");
    file.line(bodies);
    Ok(file.finish())
}

fn structure(
    file: &mut File,
    name: &str,
    constant: &str,
    members: &[Member],
    model: &Model,
    selection: &Selection,
) -> Result<(), String> {
    let rust_name = names::type_name(name);
    let mut fields = Vec::new();
    for (index, member) in members.iter().enumerate().filter(|(_, member)| member.is_field()) {
        let boxed = selection.is_recursive(name, member.reference.target);
        let plain = rust_type(member.reference.target, model)?;
        let plain = if boxed { format!("Box<{plain}>") } else { plain };
        fields.push((index, names::field(member.reference.name), member.required, plain));
    }
    file.line(format_args!("/// AWS's `{name}`."));
    file.line("#[derive(Clone, Debug, Default, PartialEq)]");
    if fields.is_empty() {
        file.line(format_args!("pub struct {rust_name} {{}}"));
    } else {
        file.line(format_args!("pub struct {rust_name} {{"));
        for (_, field, required, plain) in &fields {
            let full = if *required { plain.clone() } else { format!("Option<{plain}>") };
            file.line(format_args!("    pub {field}: {full},"));
        }
        file.line("}");
    }
    file.line("");
    file.line(format_args!("impl Shaped for {rust_name} {{"));
    file.line(format_args!("    const SCHEMA: &'static Structure = &schemas::{constant};"));
    file.line("");
    if fields.is_empty() {
        file.line(format_args!("    fn from_fields(_: Fields) -> Result<{rust_name}, Unshaped> {{"));
        file.line(format_args!("        Ok({rust_name} {{}})"));
        file.line("    }");
        file.line("");
        file.line("    fn into_fields(self) -> Fields {");
        file.line(format_args!("        Fields::empty({})", members.len()));
    } else {
        file.line(format_args!("    fn from_fields(fields: Fields) -> Result<{rust_name}, Unshaped> {{"));
        file.line("        let mut members = Members::new(fields, Self::SCHEMA);");
        file.line(format_args!("        Ok({rust_name} {{"));
        for (index, field, required, _) in &fields {
            let take = if *required { "required" } else { "optional" };
            file.line(format_args!("            {field}: members.{take}({index})?,"));
        }
        file.line("        })");
        file.line("    }");
        file.line("");
        file.line("    fn into_fields(self) -> Fields {");
        file.line(format_args!("        let mut fields = Fields::empty({});", members.len()));
        for (index, field, required, _) in &fields {
            let put = if *required { "put" } else { "put_optional" };
            file.line(format_args!("        fields.{put}({index}, self.{field});"));
        }
        file.line("        fields");
    }
    file.line("    }");
    file.line("}");
    file.line("");
    Ok(())
}

fn rust_type(shape: Shape, model: &Model) -> Result<String, String> {
    if shape.flag("document") {
        return Ok("wire::Document".to_owned());
    }
    let plain = match shape.kind() {
        "string" | "character" => "String".to_owned(),
        "boolean" => "bool".to_owned(),
        "integer" => "i32".to_owned(),
        "long" => "i64".to_owned(),
        "float" => "f32".to_owned(),
        "double" => "f64".to_owned(),
        "blob" => "Bytes".to_owned(),
        "timestamp" => "Timestamp".to_owned(),
        "list" => format!("Vec<{}>", rust_type(shape.part("member", model).target, model)?),
        "map" => format!("BTreeMap<String, {}>", rust_type(shape.part("value", model).target, model)?),
        "structure" => names::type_name(shape.name),
        kind => return Err(format!("`{}` has the unknown type `{kind}`", shape.name)),
    };
    Ok(plain)
}
