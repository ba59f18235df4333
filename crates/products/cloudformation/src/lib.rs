//! CloudFormation: stacks and change sets, and the engine that brings a stack's resources to what its template wants
//! by way of the resource providers of the other services.
//!
//! - [`CloudFormation`] is the service; its operations are in `operations/`.
//! - `document` reads templates, `changes` compares them with what is deployed, `plan` decides what to do next: all
//!   without I/O. `engine` carries it out.
//!
//! Invariants: every step of an operation is durable before it is done, so that an operation which a crash has
//! interrupted is carried on where it stood; a step that is repeated has the same context; a stack has one operation
//! at a time; nothing is deleted while something that needs it is there.

mod begin;
mod change_set;
mod changes;
mod document;
mod engine;
mod error;
mod event;
mod intake;
mod operation;
mod operations;
mod outputs;
mod plan;
mod resolver;
mod resource;
mod service;
mod source;
mod stack;
mod state;
mod status;
mod story;

pub use event::StackEvent;
pub use service::CloudFormation;
pub use status::{ResourceStatus, StackStatus};
