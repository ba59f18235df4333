//! What is measured, in the order of the table.

mod cold;
mod density;
mod deploy;
mod event;
mod object;
mod queue;
mod standby;
mod start;
mod warm;

use crate::bench::Bench;

/// A measurement; it adds its figures.
pub type Measure = fn(&mut Bench) -> Result<(), String>;

pub const ALL: [(&str, Measure); 10] = [
    ("start", start::measure),
    ("up", deploy::measure),
    ("warm", warm::measure),
    ("cold", cold::measure),
    ("snapstart", cold::snap_start),
    ("standby", standby::measure),
    ("density", density::measure),
    ("async", event::measure),
    ("sqs", queue::measure),
    ("s3", object::measure),
];
