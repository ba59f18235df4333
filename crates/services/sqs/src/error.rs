//! The errors of SQS with their exact wording.

use std::fmt::Display;

use model_sqs::errors;
use wire::Error;

pub(crate) fn internal(error: impl Display) -> Error {
    Error::internal(error)
}

pub(crate) fn no_queue() -> Error {
    errors::queue_does_not_exist("The specified queue does not exist.")
}

pub(crate) fn deleted_recently() -> Error {
    let message = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
    errors::queue_deleted_recently(message)
}

pub(crate) fn queue_exists(attribute: &str) -> Error {
    let message = format!("A queue already exists with the same name and a different value for attribute {attribute}");
    errors::queue_name_exists(message)
}

pub(crate) fn purge_in_progress(queue: &str) -> Error {
    let message = format!("Only one PurgeQueue operation on {queue} is allowed every 60 seconds.");
    errors::purge_queue_in_progress(message)
}

pub(crate) fn invalid_address(url: &str) -> Error {
    errors::invalid_address(format!("The address {url} is not valid for this endpoint."))
}

/// A parameter's value that is wrong, and why.
pub(crate) fn invalid_value(value: impl Display, parameter: &str, reason: impl Display) -> Error {
    invalid_parameter(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
}

pub(crate) fn invalid_parameters(reason: impl Display) -> Error {
    invalid_parameter(format!("One or more parameters are invalid. Reason: {reason}"))
}

/// The model does not name this error, yet it is the one SQS answers most.
pub(crate) fn invalid_parameter(message: impl Into<String>) -> Error {
    Error::new("InvalidParameterValueException", 400, message).with_query_code("InvalidParameterValue")
}

pub(crate) fn missing_parameter(name: &str) -> Error {
    let message = format!("The request must contain the parameter {name}.");
    Error::new("MissingRequiredParameterException", 400, message).with_query_code("MissingParameter")
}

pub(crate) fn unknown_attribute(name: &str) -> Error {
    errors::invalid_attribute_name(format!("Unknown Attribute {name}."))
}

pub(crate) fn only_for_fifo(name: &str) -> Error {
    errors::invalid_attribute_name(format!("You can specify the {name} only when FifoQueue is set to true."))
}

pub(crate) fn two_encryptions() -> Error {
    let message = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or \
                   SQS SSE.";
    errors::invalid_attribute_name(message)
}

pub(crate) fn invalid_attribute(name: &str) -> Error {
    errors::invalid_attribute_value(format!("Invalid value for the parameter {name}."))
}

pub(crate) fn invalid_attribute_because(name: &str, reason: &str) -> Error {
    errors::invalid_attribute_value(format!("Invalid value for the parameter {name}. Reason: {reason}"))
}

pub(crate) fn invalid_receipt(handle: &str) -> Error {
    errors::receipt_handle_is_invalid(format!("The input receipt handle \"{handle}\" is not a valid receipt handle."))
}

pub(crate) fn foreign_receipt(handle: &str) -> Error {
    errors::receipt_handle_is_invalid(format!("The receipt handle \"{handle}\" is not valid for this queue."))
}

pub(crate) fn expired_receipt(handle: &str) -> Error {
    invalid_value(handle, "ReceiptHandle", "The receipt handle has expired.")
}

pub(crate) fn not_in_flight(handle: &str) -> Error {
    errors::message_not_inflight(format!(
        "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
         for visibility timeout change."
    ))
}

pub(crate) fn too_many_in_flight() -> Error {
    errors::over_limit("The maximum number of in flight messages is reached. Delete messages from the queue.")
}

pub(crate) fn message_too_long(bytes_max: usize) -> Error {
    invalid_parameters(format!("Message must be shorter than {bytes_max} bytes."))
}

pub(crate) fn needs_deduplication() -> Error {
    let message = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                   explicitly";
    invalid_parameter(message)
}

pub(crate) fn invalid_id(value: &str, parameter: &str) -> Error {
    let reason = format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    invalid_value(value, parameter, reason)
}

pub(crate) fn not_for_this_type(value: impl Display, parameter: &str) -> Error {
    invalid_value(value, parameter, "The request include parameter that is not valid for this queue type.")
}

pub(crate) fn no_resource(parameter: &str) -> Error {
    let message = format!("The resource that you specified for the {parameter} parameter doesn't exist.");
    errors::resource_not_found_exception(message)
}

pub(crate) fn no_task() -> Error {
    errors::resource_not_found_exception("Task does not exist.")
}
