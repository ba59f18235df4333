//! Amazon SNS: topics, subscriptions of queues and functions, filter policies, fan-out.
//!
//! Invariants: a published message becomes one delivery for each subscription that wants it, all in one batch, before
//! Publish answers; topics and subscriptions are held in memory, messages are not.

mod attribute;
mod envelope;
mod error;
mod filter;
mod operations;
mod permission;
mod publish;
mod resources;
mod service;
mod target;
mod topics;

pub use service::Sns;

#[cfg(test)]
mod tests;
