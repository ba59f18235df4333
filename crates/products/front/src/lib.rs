//! The port: accepts connections, tells the admin API (`/_kobel/…`) from AWS's, and serves both.
//!
//! Invariants: HTTP lives here and in `wire` only; every connection and request has a bound; connections that
//! functions open to Kobel's endpoint from inside their sandbox are served like any other, but not the admin API.

mod admin;
mod body;
mod connection;
mod gate;
mod host;
mod listener;

pub use admin::{Admin, AdminRequest, AdminResponse};
pub use body::{Body, Lines};
pub use host::FabricHost;
pub use listener::{Front, FrontError, Serving};
