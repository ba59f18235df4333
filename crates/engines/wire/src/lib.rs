//! kobel-wire
