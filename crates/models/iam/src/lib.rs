//! kobel-model-iam
