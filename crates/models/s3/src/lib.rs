//! kobel-model-s3
