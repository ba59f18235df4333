//! The services as one system, over a store in memory that fails and loses power, in virtual time, from one seed:
//! uploads notify a function, whose results go to a topic, which fans them out to queues.
//!
//! Invariants checked: what was acknowledged is there after every power loss and arrives at its end at least once;
//! a change and the messages that it causes are there together or not at all; a message whose deletion was
//! acknowledged is not given out again; in the end nothing is left in the outbox.

mod actions;
mod function;
mod ledger;
mod machine;
mod world;

pub use ledger::History;
pub use world::run;
