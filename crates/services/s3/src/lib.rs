//! kobel-s3
