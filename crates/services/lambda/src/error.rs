//! Lambda's errors, with the members that its answers carry.

use model_lambda::errors;
use wire::Error;

/// `InvalidParameterValueException`: what the model admits, but the service does not.
pub fn invalid(message: impl Into<String>) -> Error {
    errors::invalid_parameter_value_exception(message).with("Type", "User")
}

/// `ResourceNotFoundException`.
pub fn missing(message: impl Into<String>) -> Error {
    errors::resource_not_found_exception(message).with("Type", "User")
}

/// `ResourceConflictException`.
pub fn conflict(message: impl Into<String>) -> Error {
    errors::resource_conflict_exception(message).with("Type", "User")
}

/// `RequestEntityTooLargeException`.
pub fn too_large(message: impl Into<String>) -> Error {
    Error::new("RequestEntityTooLargeException", 413, message).with("Type", "User")
}

/// `PreconditionFailedException`, for a `RevisionId` that is not the latest.
pub fn stale_revision(api: &str) -> Error {
    errors::precondition_failed_exception(format!(
        "The Revision Id provided does not match the latest Revision Id. Call the {api} API to retrieve the latest \
         Revision Id"
    ))
    .with("Type", "User")
}

/// `AccessDeniedException` of what a function is made from.
pub fn access_denied(message: impl Into<String>) -> Error {
    Error::new("AccessDeniedException", 403, message)
}

/// `AccessDeniedException`, where no resource policy lets a caller of another account in.
pub fn denied(principal: &str, action: &str, resource: &str) -> Error {
    Error::new(
        "AccessDeniedException",
        403,
        format!(
            "User: {principal} is not authorized to perform: {action} on resource: {resource} because no resource-based \
             policy allows the {action} action"
        ),
    )
}
