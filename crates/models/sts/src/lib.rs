//! kobel-model-sts
