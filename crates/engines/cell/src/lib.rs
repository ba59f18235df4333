//! A cell: the unit of order and ownership. One owner applies its commands one after another, in memory, as plain
//! synchronous functions; what a command changes is committed before its output is released.
//!
//! Invariants: the order of commits is the order of commands; nobody sees what is not durable; messages to others
//! (the outbox) are rows of the same batch; after a failed commit the state is loaded again from the store.

pub mod cbor;
mod cell;
mod cells;
mod error;
mod family;
pub mod json;
mod pending;
mod rows;
mod tx;

#[cfg(test)]
mod tests;

pub use cell::Cell;
pub use cells::Cells;
pub use error::Error;
pub use family::Family;
pub use rows::{Rows, State};
pub use tx::{Message, Outbox, Tx};
