//! kobel-store
