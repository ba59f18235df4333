//! Amazon SQS: standard and FIFO queues.
//!
//! Each queue is a cell; the queues of an account in a region are listed in another. A queue keeps the heads of its
//! next messages in memory, within a bound, and reads the others as these go.
//!
//! Invariants: what was sent, received or deleted is durable before it is acknowledged; a message in flight is given
//! to nobody else before its visibility timeout ends; a FIFO queue gives the messages of a group in the order in
//! which it took them, and none while an earlier one is in flight; messages leave for another queue as deliveries,
//! in the batch that takes them out. Timers exist only for receivers that wait.

mod batch;
mod digest;
mod directory;
mod error;
mod flight;
mod message;
mod move_task;
mod mover;
mod name;
mod operations;
mod order;
mod queue;
mod queue_handle;
mod receipt;
mod receiving;
mod recent;
mod redrive;
mod relocation;
mod resources;
mod row;
mod sending;
mod service;
mod settings;
mod settling;
mod shown;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod wake;

pub use service::Sqs;
