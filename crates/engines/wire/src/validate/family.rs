//! Violations as each family of services tells them.

use super::violation::{Broken, Violation};
use crate::Error;
use crate::schema::{Location, Protocol, Service, Structure};

/// The error for these violations, of which there is at least one.
pub(super) fn error(service: &Service, protocol: Protocol, structure: &Structure, violations: &[Violation]) -> Error {
    let first = &violations[0];
    match service.id {
        "s3" => return s3(structure, first),
        "sqs" => return sqs(first),
        _ => {}
    }
    let sentences: Vec<String> = violations.iter().map(Violation::sentence).collect();
    let (count, plural) = (violations.len(), if violations.len() == 1 { "" } else { "s" });
    let message = format!("{count} validation error{plural} detected: {}", sentences.join("; "));
    let error = Error::new("ValidationException", 400, message);
    match protocol {
        // Also of a service that prefers JSON: the code of the query protocol has no suffix.
        Protocol::Query => Error { code: "ValidationError".into(), ..error }.with_query_code("ValidationError"),
        _ => error.with_query_code("ValidationError"),
    }
}

fn sqs(violation: &Violation) -> Error {
    let Violation { member, value, broken, .. } = violation;
    let value = value.as_deref().unwrap_or_default();
    match broken {
        Broken::Missing => {
            let message = format!("The request must contain the parameter {member}.");
            Error::new("MissingRequiredParameterException", 400, message).with_query_code("MissingParameter")
        }
        Broken::Enumeration(_) => {
            let name = value.trim_matches(['[', ']', '{', '}']).split(['=', ',']).next().unwrap_or_default();
            Error::new("InvalidAttributeName", 400, format!("Unknown Attribute {name}."))
        }
        Broken::Constraint(sentence) => {
            let message = format!("Value {value} for parameter {member} is invalid. Reason: {sentence}.");
            Error::new("InvalidParameterValueException", 400, message).with_query_code("InvalidParameterValue")
        }
    }
}

fn s3(structure: &Structure, violation: &Violation) -> Error {
    // The name on the wire of the outermost member that is wrong.
    let outermost = violation.path.split('.').next().unwrap_or_default();
    let member = structure.members.iter().find(|member| super::lower_camel(member.name) == outermost);
    let in_body = member.is_none_or(|member| member.location == Location::Body);
    if in_body && violation.broken == Broken::Missing && !violation.path.contains('.') {
        let message = "Request body is empty.";
        return Error::new("MissingRequestBodyError", 400, message);
    }
    if in_body {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        return Error::new("MalformedXML", 400, message);
    }
    let name = member.map_or("", |member| member.wire_name);
    let message = match violation.broken {
        Broken::Missing => format!("Missing required parameter: {name}"),
        _ => format!("The value of {name} is not valid."),
    };
    let error = Error::new("InvalidArgument", 400, message).with("ArgumentName", name);
    match &violation.value {
        Some(value) => error.with("ArgumentValue", value.as_str()),
        None => error,
    }
}
