//! kobel-iam
