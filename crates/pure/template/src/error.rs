//! What is wrong with a template or with the values it is given.

use crate::diagnostic::Diagnostic;
use crate::node::Node;

/// A fault of the document: CloudFormation's sentence and the path of what it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// The sentence, as the `ValidationError` of the API carries it.
    pub message: String,
    /// Where in the document, as a JSON pointer; empty for the document as a whole.
    pub path: String,
}

impl TemplateError {
    /// A fault at a path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> TemplateError {
        TemplateError { message: message.into(), path: path.into() }
    }

    /// The fault with its place in the text that `root` was parsed from.
    pub fn diagnostic(&self, root: &Node) -> Diagnostic {
        Diagnostic::new(self.message.clone(), root.locate(&self.path))
    }
}

/// A function could not be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// CloudFormation's sentence.
    pub message: String,
    /// Where, relative to the evaluated value, as a JSON pointer.
    pub path: String,
}

impl EvalError {
    /// A fault of the evaluated value itself.
    pub fn new(message: impl Into<String>) -> EvalError {
        EvalError { message: message.into(), path: String::new() }
    }

    /// The same fault seen from one step further out.
    pub(crate) fn within(mut self, step: &str) -> EvalError {
        self.path = format!("{}{}", crate::pointer::join("", step), self.path);
        self
    }

    /// The fault as one of a document, where the evaluated value stood at `path`.
    pub fn at(self, path: &str) -> TemplateError {
        TemplateError { message: self.message, path: format!("{path}{}", self.path) }
    }
}
