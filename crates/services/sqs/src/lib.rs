//! kobel-sqs
