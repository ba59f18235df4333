//! `errors.rs`: a table and a function for each modelled error.

use std::collections::BTreeSet;

use super::config::Config;
use super::emit::File;
use super::model::{Model, Shape};
use super::names;

pub fn write(model: &Model, config: &Config) -> String {
    let mut file =
        File::with_docs("//! The errors that the model names. Each function takes the message that the caller sees.");
    file.line("use wire::Error;");
    file.line("use wire::schema::ErrorShape;");
    file.line("");
    let mut taken = BTreeSet::new();
    for shape in model.shapes().filter(|shape| shape.flag("exception")) {
        if taken.insert(names::snake(shape.name)) {
            error(&mut file, shape, config);
        }
    }
    file.finish()
}

fn error(file: &mut File, shape: Shape, config: &Config) {
    let given = config.errors.get(shape.name);
    let is_fault = shape.flag("fault") || shape.error("fault") == true;
    let usual = if is_fault { 500 } else { 400 };
    let modelled = shape.error("httpStatusCode").as_u64().unwrap_or(usual);
    let status = given.and_then(|given| given.status).map_or(modelled, u64::from);
    let code = shape.error("code").as_str().unwrap_or(shape.name);
    let code = given.and_then(|given| given.query_code.as_deref()).unwrap_or(code);
    let constant = names::shout(shape.name);
    file.line(format_args!("/// The table of `{}`.", shape.name));
    file.line(format_args!("pub static {constant}: ErrorShape = ErrorShape {{"));
    file.line(format_args!("    name: {:?},", shape.name));
    file.line(format_args!("    query_code: {code:?},"));
    file.line(format_args!("    status: {status},"));
    file.line(format_args!("    sender: {},", status < 500));
    file.line("};");
    file.line("");
    file.line(format_args!("/// The error `{}`.", shape.name));
    file.line(format_args!("pub fn {}(message: impl Into<String>) -> Error {{", names::snake(shape.name)));
    file.line(format_args!("    Error::modelled(&{constant}, message)"));
    file.line("}");
    file.line("");
}
