//! kobel-clock
