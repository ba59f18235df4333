//! kobel-model-logs
