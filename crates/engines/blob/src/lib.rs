//! kobel-blob
