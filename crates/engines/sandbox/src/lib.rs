//! kobel-sandbox
