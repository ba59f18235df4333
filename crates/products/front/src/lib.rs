//! kobel-front
