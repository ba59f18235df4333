//! The errors of SNS with their exact wording.

use model_sns::errors;
use wire::Error;

pub fn invalid(detail: impl std::fmt::Display) -> Error {
    errors::invalid_parameter_exception(format!("Invalid parameter: {detail}"))
}

pub fn no_topic() -> Error {
    errors::not_found_exception("Topic does not exist")
}

pub fn no_subscription() -> Error {
    errors::not_found_exception("Subscription does not exist")
}

/// What SNS has and Kobel does not.
pub fn not_implemented(what: &str) -> Error {
    Error::new("NotImplemented", 501, format!("Kobel does not implement {what}."))
}
