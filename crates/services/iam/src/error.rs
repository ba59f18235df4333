//! The errors of IAM with their exact wording.

use model_iam::errors;
use wire::Error;

pub fn no_role(name: &str) -> Error {
    errors::no_such_entity_exception(format!("The role with name {name} cannot be found."))
}

pub fn no_role_policy(name: &str) -> Error {
    errors::no_such_entity_exception(format!("The role policy with name {name} cannot be found."))
}

pub fn no_policy(arn: &str) -> Error {
    errors::no_such_entity_exception(format!("Policy {arn} was not found."))
}

pub fn not_attachable(arn: &str) -> Error {
    errors::no_such_entity_exception(format!("Policy {arn} does not exist or is not attachable."))
}

pub fn malformed_document() -> Error {
    errors::malformed_policy_document_exception("This policy contains invalid Json")
}
