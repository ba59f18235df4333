//! The service over a store in memory and virtual time.

mod bench;
mod fifo;
mod hops;
mod long_queues;
mod model;
mod queues;
mod resources;
mod standard;
