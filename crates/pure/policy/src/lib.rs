//! Resource policies: whether a policy document lets a principal do something to a resource.
//!
//! Invariants: no I/O, no async. What this evaluator does not understand (an unknown condition operator or key)
//! never lets anybody in, and always applies where it denies. A deny outweighs every allow.

mod condition;
mod document;
mod request;
mod wildcard;

pub use document::{Document, DocumentError};
pub use request::{Decision, Request};
pub use wildcard::wildcard;

#[cfg(test)]
mod tests;
