//! Generated files carry their header, and no other file does.

use super::Finding;
use super::workspace::Source;
use crate::codegen::{HEADER, MODELS};

/// Whether the file says that it is generated.
pub fn is_generated(source: &Source) -> bool {
    source.text.starts_with(HEADER)
}

pub fn check(source: &Source, findings: &mut Vec<Finding>) {
    let belongs = source.path.starts_with(MODELS);
    let message = match (belongs, is_generated(source)) {
        (true, false) => "lies among the generated files without their header",
        (false, true) => "carries the header of generated files outside of their folder",
        _ => return,
    };
    findings.push(Finding { path: source.path.clone(), line: 0, message: message.to_owned() });
}
