//! The SAM transform (`AWS::Serverless-2016-10-31`): a template with `AWS::Serverless::*` resources becomes one with
//! plain CloudFormation resources.
//!
//! [`transform`] is the whole of it: a template and the values of its parameters in, a template or errors out. Its
//! output equals that of the official translator (aws-sam-translator), logical ids and hashes included, so that a
//! template means the same here as at AWS; `tests/official/` compares.
//!
//! - One file per resource type (`function`, `simple_table`, `layer_version`) and per event type (`events/`).
//! - [`resource`] holds what goes in (a SAM resource) and what comes out (generated resources); [`properties`]
//!   checks properties against the tables that each type declares.
//!
//! Invariants: no I/O, no panic on any input; a type or property that Kobel does not transform is an error that
//! names the resource, never dropped.

mod arn;
mod error;
mod events;
mod function;
mod globals;
mod iam;
mod layer_version;
mod location;
mod logical_id;
mod managed_policies;
mod parameters;
mod policies;
mod policy_templates;
mod properties;
mod references;
mod resource;
mod role;
mod simple_table;
mod tags;
mod transform;
mod value;

pub use error::{TransformError, document_message};
pub use transform::{Context, TRANSFORM_NAME, transform};
