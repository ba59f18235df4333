//! kobel-template
