//! AWS IAM and STS: roles with their policies, customer managed policies, temporary credentials.
//!
//! Roles and policies are stored and told again; whether a call is allowed is not yet decided by them.
//!
//! Invariants: an account's entities are one cell; names are unique in an account, whatever their path.

mod account;
mod error;
mod operations;
mod resources;
mod service;
mod sts;

pub use service::Iam;
