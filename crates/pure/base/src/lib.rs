//! kobel-base
