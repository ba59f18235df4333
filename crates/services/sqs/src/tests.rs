//! The service over a store in memory and virtual time.

mod bench;
mod standard;
