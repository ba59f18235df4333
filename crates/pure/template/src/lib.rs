//! The CloudFormation template language: text to tree, tree to document, functions to values.
//!
//! - [`parse`] reads YAML or JSON into a [`Node`]: a tree that keeps the order of keys and where each value stands
//!   in the text. Short forms (`!Sub`) are already their long forms (`Fn::Sub`).
//! - [`Template`] is the document: parameters, mappings, conditions, resources, outputs. It is read from a plain
//!   JSON value, so that it serves a template as written and one that a transform has made.
//! - [`evaluate`] computes intrinsic functions with what a [`Resolver`] answers; [`evaluate_partly`] also copes with
//!   what is not known yet, such as the attributes of resources that do not exist.
//! - [`check_rules`] holds parameters against the `Rules` section; [`dynamic_references`] finds `{{resolve:…}}`.
//! - [`dependencies`] and [`creation_order`] give the graph of resources.
//!
//! Invariants: no I/O, no panic on any input, bounded work ([`limits`]); messages are CloudFormation's own sentences.

pub mod condition;
pub mod diagnostic;
pub mod document;
pub mod dynamic_reference;
pub mod error;
pub mod evaluate;
pub mod functions;
pub mod graph;
mod json;
pub mod limits;
pub mod node;
pub mod parameter;
pub mod parse;
pub mod pointer;
pub mod references;
pub mod resolver;
pub mod rule;
mod scalar;
pub mod scope;
mod tag;
mod validate;
mod yaml;

pub use condition::evaluate_conditions;
pub use diagnostic::Diagnostic;
pub use document::{Output, Resource, RetentionPolicy, Template};
pub use dynamic_reference::{DynamicReference, dynamic_references};
pub use error::{EvalError, TemplateError};
pub use evaluate::{Partial, evaluate, evaluate_partly};
pub use graph::{creation_order, dependencies};
pub use node::{Key, Node, NodeValue, Span};
pub use parameter::{Parameter, ParameterType, parameter_values};
pub use parse::parse;
pub use references::{Reference, references};
pub use resolver::{Resolved, Resolver};
pub use rule::check_rules;
pub use scope::{PseudoParameters, Scope};
