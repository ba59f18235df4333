//! kobel-model-sns
