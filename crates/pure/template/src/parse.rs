//! From text to tree.

use crate::diagnostic::Diagnostic;
use crate::limits::TEMPLATE_BYTES_MAX;
use crate::node::{Node, Span};

/// Reads a template: JSON when its first character is `{`, else YAML.
///
/// # Errors
/// The first fault of the text: not well-formed, a key twice, nested too deeply, too large, an unknown tag.
pub fn parse(source: &str) -> Result<Node, Diagnostic> {
    if source.len() > TEMPLATE_BYTES_MAX {
        let message = format!("Template may not exceed {TEMPLATE_BYTES_MAX} bytes in size.");
        return Err(Diagnostic::new(message, Span::default()));
    }
    let text = source.trim_start_matches('\u{feff}');
    let offset = source.len() - text.len();
    if !text.trim_start().starts_with('{') {
        return crate::yaml::parse(text).map_err(|fault| shifted(fault, offset));
    }
    match crate::json::parse(text) {
        Ok(node) => Ok(node),
        // YAML's flow style also begins with a brace: `{Resources: {…}}`.
        Err(fault) => match looks_like_json(text) {
            true => Err(shifted(fault, offset)),
            false => crate::yaml::parse(text).map_err(|fault| shifted(fault, offset)),
        },
    }
}

fn looks_like_json(text: &str) -> bool {
    let inner = text.trim_start().trim_start_matches('{').trim_start();
    inner.is_empty() || inner.starts_with('"') || inner.starts_with('}')
}

fn shifted(mut fault: Diagnostic, offset: usize) -> Diagnostic {
    fault.span = Span::new(fault.span.start + offset, fault.span.end + offset);
    fault
}

#[cfg(test)]
mod tests;
