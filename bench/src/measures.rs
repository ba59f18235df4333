//! What is measured, in the order of the table.

mod deploy;
mod invoke;
mod object;
mod queue;
mod start;

use crate::bench::Bench;

/// A measurement; it adds its figures.
pub type Measure = fn(&mut Bench) -> Result<(), String>;

pub const ALL: [(&str, Measure); 7] = [
    ("start", start::measure),
    ("up", deploy::measure),
    ("warm", invoke::warm),
    ("cold", invoke::cold),
    ("async", invoke::asynchronous),
    ("sqs", queue::measure),
    ("s3", object::measure),
];
