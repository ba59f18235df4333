//! Amazon S3: buckets, objects, multipart uploads, event notifications.
//!
//! Invariants: an object is durable before it is acknowledged, and the deliveries that follow from it are in the same
//! batch; a blob is deleted only after no row refers to it; objects are never held in memory, only the buckets are.

mod bucket;
mod checksums;
mod condition;
mod error;
mod list;
mod notification;
mod object;
mod objects;
mod operations;
mod receive;
mod resources;
mod service;
mod uploads;

pub use service::S3;

#[cfg(test)]
mod tests;
