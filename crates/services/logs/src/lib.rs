//! Amazon CloudWatch Logs: groups, streams and their events.
//!
//! The events of one PutLogEvents call are one row, a compressed chunk; the rows of a stream stand in the order of
//! time, so that reading a span of time reads only its chunks.
//!
//! Invariants: events are durable when PutLogEvents answers; events are never held in memory, groups and streams are.

mod chunk;
mod error;
mod groups;
mod operations;
mod pattern;
mod position;
mod resource;
mod service;

pub use service::Logs;

#[cfg(test)]
mod tests;
