//! kobel-lambda
