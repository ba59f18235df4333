//! kobel-model-lambda
