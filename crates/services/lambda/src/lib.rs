//! AWS Lambda: functions, versions and aliases; their invocation, synchronous, asynchronous and by event source
//! mappings; concurrency, logs and metrics.
//!
//! Invariants: a synchronous invocation touches no disk and waits for no lock of the control plane; an event that was
//! accepted is a delivery on disk; a version's code is checked and unpacked before the version can be invoked.

mod admission;
mod code;
mod configuration;
mod dead_letter;
mod environment;
mod error;
mod event;
mod image;
mod invoke;
mod layer;
mod mapping;
mod operations;
mod output;
mod package;
mod page;
mod pool;
mod registry;
mod resources;
mod service;
mod snapshot;
#[cfg(test)]
mod staged;

pub use invoke::Invoker;
pub use output::LogLine;
pub use service::{Lambda, Settings};
