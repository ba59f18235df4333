//! kobel-cloudformation
