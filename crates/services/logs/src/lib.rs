//! kobel-logs
