//! kobel-model-sqs
