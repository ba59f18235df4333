//! What is wrong with a template's text, and how it is shown.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::node::Span;

/// One sentence about a place in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The sentence, CloudFormation's own where it has one.
    pub message: String,
    /// The place it speaks of.
    pub span: Span,
    /// What is the matter just there, in a few words.
    pub label: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without label and help.
    pub fn new(message: impl Into<String>, span: Span) -> Diagnostic {
        Diagnostic { message: message.into(), span, label: None, help: None }
    }

    /// Adds what is the matter at the place.
    pub fn with_label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// Adds what to do.
    pub fn with_help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Line and column (in characters, both from 1) of the place.
    pub fn line_and_column(&self, source: &str) -> (usize, usize) {
        line_and_column(source, self.span.start)
    }

    /// The diagnostic as people read it: file, line, column, the line itself. Without colour.
    pub fn render(&self, file_name: &str, source: &str) -> String {
        let span = self.first_line(source);
        let annotation = AnnotationKind::Primary.span(span.start..span.end);
        let annotation = match &self.label {
            Some(label) => annotation.label(label.as_str()),
            None => annotation,
        };
        let snippet = Snippet::source(source).path(file_name).line_start(1).annotation(annotation);
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message.as_str())).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group]).to_string()
    }

    /// The part of the place on its first line, within the text and on character boundaries.
    fn first_line(&self, source: &str) -> Span {
        let start = floor_boundary(source, self.span.start);
        let end = floor_boundary(source, self.span.end.max(start));
        let line_end = source[start..].find('\n').map_or(source.len(), |offset| start + offset);
        let text = source[start..end.min(line_end)].trim_end();
        Span::new(start, start + text.len())
    }
}

/// Line and column (in characters, both from 1) of a byte offset.
pub fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = &source[..floor_boundary(source, offset)];
    let line_start = before.rfind('\n').map_or(0, |index| index + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn floor_boundary(source: &str, offset: usize) -> usize {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
