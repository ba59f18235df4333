//! The errors of CloudWatch Logs with their exact wording.

use model_logs::errors;
use wire::Error;

pub fn no_group() -> Error {
    errors::resource_not_found_exception("The specified log group does not exist.")
}

pub fn no_stream() -> Error {
    errors::resource_not_found_exception("The specified log stream does not exist.")
}

pub fn group_exists() -> Error {
    errors::resource_already_exists_exception("The specified log group already exists")
}

pub fn stream_exists() -> Error {
    errors::resource_already_exists_exception("The specified log stream already exists")
}

pub fn invalid(message: impl Into<String>) -> Error {
    errors::invalid_parameter_exception(message)
}
