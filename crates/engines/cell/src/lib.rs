//! kobel-cell
