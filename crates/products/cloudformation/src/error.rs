//! The errors of CloudFormation with their exact wording.

use model_cloudformation::errors;
use template::{Diagnostic, TemplateError};

/// Why something could not be done: an answer to the caller, or a fault of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Refused(#[from] wire::Error),
    #[error(transparent)]
    Cell(#[from] cell::Error),
}

impl From<Error> for wire::Error {
    fn from(error: Error) -> wire::Error {
        match error {
            Error::Refused(error) => error,
            Error::Cell(error) => wire::Error::internal(error),
        }
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Error {
        Error::Refused(validation(diagnostic.message))
    }
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Error {
        Error::Refused(validation(error.message))
    }
}

/// `ValidationError`.
pub fn validation(message: impl Into<String>) -> wire::Error {
    wire::Error::new("ValidationError", 400, message)
}

/// What DescribeStacks says of an unknown stack.
pub fn no_stack_with_id(name: &str) -> wire::Error {
    validation(format!("Stack with id {name} does not exist"))
}

/// What the other operations say of an unknown stack.
pub fn no_stack(name: &str) -> wire::Error {
    validation(format!("Stack [{name}] does not exist"))
}

pub fn stack_exists(name: &str) -> wire::Error {
    errors::already_exists_exception(format!("Stack [{name}] already exists"))
}

pub fn not_updatable(stack_id: &str, status: &str) -> wire::Error {
    validation(format!("Stack:{stack_id} is in {status} state and can not be updated."))
}

pub fn no_updates() -> wire::Error {
    validation("No updates are to be performed.")
}

pub fn no_change_set(name: &str) -> wire::Error {
    errors::change_set_not_found_exception(format!("ChangeSet [{name}] does not exist"))
}

pub fn capabilities_lacking(names: &[&str]) -> wire::Error {
    errors::insufficient_capabilities_exception(format!("Requires capabilities : [{}]", names.join(", ")))
}
