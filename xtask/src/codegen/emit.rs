//! Pieces that several generated files share.

use std::fmt::Write;

use super::HEADER;

/// A generated file in the making.
pub struct File {
    text: String,
}

impl File {
    pub fn new() -> File {
        File { text: format!("{HEADER}\n\n") }
    }

    /// A file that begins with its module's docs.
    pub fn with_docs(docs: &str) -> File {
        File { text: format!("{HEADER}\n\n{docs}\n\n") }
    }

    pub fn line(&mut self, line: impl std::fmt::Display) {
        writeln!(self.text, "{line}").expect("writing to a string succeeds");
    }

    pub fn finish(self) -> String {
        let mut text = self.text.trim_end().to_owned();
        text.push('\n');
        text
    }
}

/// A Rust string literal; raw where escapes would hide a pattern.
pub fn literal(text: &str) -> String {
    if text.contains('\\') && !text.contains("\"#") && !text.chars().any(char::is_control) {
        return if text.contains('"') { format!("r#\"{text}\"#") } else { format!("r\"{text}\"") };
    }
    format!("{text:?}")
}
