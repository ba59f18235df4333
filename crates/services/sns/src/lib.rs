//! kobel-sns
