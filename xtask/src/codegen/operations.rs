//! `operations.rs`: a table and a unit struct for each operation.

use std::collections::BTreeSet;

use super::emit::File;
use super::model::{Model, Operation};
use super::names;
use super::selection::Selection;

pub fn write(_: &Model, selection: &Selection) -> Result<String, String> {
    let mut file = File::new();
    file.line("use wire::schema::Operation;");
    file.line("");
    file.line("use crate::{errors, schemas, structures};");
    file.line("");
    let types: BTreeSet<String> = selection
        .shapes
        .values()
        .filter(|shape| shape.is_structure())
        .map(|shape| names::type_name(shape.name))
        .collect();
    for operation in &selection.operations {
        if types.contains(operation.name) {
            return Err(format!("`{}` is both an operation and a structure", operation.name));
        }
        one(&mut file, operation, selection);
    }
    Ok(file.finish())
}

/// The name of the structure that stands for the input that the model leaves out.
pub fn absent_input(operation: &Operation) -> String {
    format!("{}Input", operation.name)
}

/// The name of the structure that stands for the output that the model leaves out.
pub fn absent_output(operation: &Operation) -> String {
    format!("{}Output", operation.name)
}

fn one(file: &mut File, operation: &Operation, selection: &Selection) {
    let name = operation.name;
    let ends = |shape: Option<super::model::Shape>, absent: String| match shape {
        Some(shape) => (names::type_name(shape.name), selection.static_name(shape.name).to_owned()),
        None => (absent.clone(), names::shout(&absent)),
    };
    let (input, input_schema) = ends(operation.input(), absent_input(operation));
    let (output, output_schema) = ends(operation.output(), absent_output(operation));
    let constant = names::shout(name);
    file.line(format_args!("pub(crate) static {constant}: Operation = Operation {{"));
    file.line(format_args!("    name: {name:?},"));
    file.line(format_args!("    method: {:?},", operation.method()));
    file.line(format_args!("    uri: {:?},", operation.uri()));
    file.line(format_args!("    status: {},", operation.status()));
    file.line(format_args!("    input: &schemas::{input_schema},"));
    file.line(format_args!("    output: &schemas::{output_schema},"));
    file.line(format_args!("    result_wrapper: {:?},", operation.result_wrapper()));
    let errors: Vec<String> =
        operation.errors().iter().map(|error| format!("&errors::{}", names::shout(error.name))).collect();
    file.line(format_args!("    errors: &[{}],", errors.join(", ")));
    file.line(format_args!("    checksum_required: {},", operation.checksum_required()));
    file.line("};");
    file.line("");
    file.line(format_args!("/// The operation `{name}`."));
    file.line(format_args!("pub struct {name};"));
    file.line("");
    file.line(format_args!("impl wire::Operation for {name} {{"));
    file.line(format_args!("    type Input = structures::{input};"));
    file.line(format_args!("    type Output = structures::{output};"));
    file.line(format_args!("    const SCHEMA: &'static Operation = &{constant};"));
    file.line("}");
    file.line("");
}
