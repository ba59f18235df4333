//! kobel-model-cloudformation
