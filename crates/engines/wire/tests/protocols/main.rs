//! The protocols over the generated tables: requests as clients send them, through [`wire::handle`] and back.

extern crate kobel_wire as wire;

mod lambda;
mod refusals;
mod round_trip;
mod s3;
mod site;
mod sqs;
mod sts;
