//! kobel-sam
