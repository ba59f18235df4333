//! Errors, as each protocol has them.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use serde_json::{Map, Value as Json};

use super::xml::{close, escape, leaf, open};
use super::{Response, Writer, cbor};
use crate::schema::Protocol;
use crate::{Error, Fault};

/// The errors of Lambda whose text is in `message`; all others have it in `Message`.
const LAMBDA_LOWER_CASE: [&str; 11] = [
    "InvalidParameterValueException",
    "PolicyLengthExceededException",
    "PreconditionFailedException",
    "ProvisionedConcurrencyConfigNotFoundException",
    "RequestEntityTooLargeException",
    "RequestTooLargeException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "TooManyRequestsException",
    "UnsupportedMediaTypeException",
    "ValidationException",
];

/// The error of SQS whose message has another end in the query protocol.
const SQS_NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";

/// A fault of Kobel's own has the code of the family.
pub(super) fn in_family<'e>(writer: &Writer<'_>, error: &'e Error) -> Cow<'e, Error> {
    let code = match writer.service.map(|service| service.id) {
        _ if error.code != "InternalFailure" => return Cow::Borrowed(error),
        Some("s3") => "InternalError",
        Some("lambda") => "ServiceException",
        _ => return Cow::Borrowed(error),
    };
    let error = Error { code: code.into(), ..error.clone() };
    Cow::Owned(if code == "ServiceException" { error.with("Type", "Service") } else { error })
}

pub(super) fn write(writer: &Writer<'_>, error: &Error, response: &mut Response) {
    match writer.protocol {
        Protocol::RestJson => {
            response.header("x-amzn-errortype", error.code.as_ref());
            response.header(CONTENT_TYPE.as_str(), "application/json");
            response.body = json(writer, error, None);
        }
        Protocol::Json10 | Protocol::Json11 => {
            query_error(writer, error, response);
            response.header(CONTENT_TYPE.as_str(), super::content_type(writer.protocol));
            response.body = json(writer, error, Some(&qualified(writer, error)));
        }
        Protocol::RpcV2Cbor => {
            query_error(writer, error, response);
            response.header(CONTENT_TYPE.as_str(), super::content_type(writer.protocol));
            response.body = cbor::error(&qualified(writer, error), &error.message, &error.members);
        }
        Protocol::Query => {
            response.header(CONTENT_TYPE.as_str(), "text/xml");
            response.body = query(writer, error);
        }
        Protocol::RestXml if writer.head => {}
        Protocol::RestXml => {
            response.header(CONTENT_TYPE.as_str(), "application/xml");
            response.body = rest_xml(writer, error);
        }
    }
}

/// JSON 1.0 and CBOR name the shape with its namespace, JSON 1.1 without.
fn qualified(writer: &Writer<'_>, error: &Error) -> String {
    let namespace = writer.service.map_or("com.amazon.coral.service", |service| service.error_namespace);
    match writer.protocol {
        Protocol::Json10 | Protocol::RpcV2Cbor => format!("{namespace}#{}", error.code),
        _ => error.code.to_string(),
    }
}

fn query_error(writer: &Writer<'_>, error: &Error, response: &mut Response) {
    if writer.service.is_some_and(|service| service.query_compatible) {
        response.header("x-amzn-query-error", &format!("{};{}", error.query_code, fault(error)));
    }
}

fn fault(error: &Error) -> &'static str {
    match error.fault {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    }
}

fn json(writer: &Writer<'_>, error: &Error, kind: Option<&str>) -> Vec<u8> {
    let mut object = Map::new();
    if let Some(kind) = kind {
        object.insert("__type".into(), kind.into());
    }
    for (name, value) in &error.members {
        object.insert((*name).into(), value.clone());
    }
    let lambda = writer.service.is_some_and(|service| service.id == "lambda");
    let upper = lambda && !LAMBDA_LOWER_CASE.contains(&error.code.as_ref());
    if !object.contains_key("message") && !object.contains_key("Message") {
        object.insert(if upper { "Message" } else { "message" }.into(), error.message.as_str().into());
    }
    Json::Object(object).to_string().into_bytes()
}

fn query(writer: &Writer<'_>, error: &Error) -> Vec<u8> {
    let namespace = writer.service.map_or("", |service| service.xml_namespace);
    let mut out = String::from("<ErrorResponse");
    if !namespace.is_empty() {
        out.push_str(" xmlns=\"");
        escape(namespace, &mut out);
        out.push('"');
    }
    out.push('>');
    open("Error", &mut out);
    leaf("Type", fault(error), &mut out);
    leaf("Code", &error.query_code, &mut out);
    let sqs = writer.service.is_some_and(|service| service.id == "sqs");
    match error.message.strip_suffix('.') {
        Some(message) if sqs && error.query_code == SQS_NO_QUEUE => {
            leaf("Message", &format!("{message} for this wsdl version."), &mut out);
        }
        _ => leaf("Message", &error.message, &mut out),
    }
    members(error, &mut out);
    if sqs {
        out.push_str("<Detail/>");
    }
    close("Error", &mut out);
    leaf("RequestId", writer.request_id, &mut out);
    close("ErrorResponse", &mut out);
    out.into_bytes()
}

fn rest_xml(writer: &Writer<'_>, error: &Error) -> Vec<u8> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    open("Error", &mut out);
    leaf("Code", &error.code, &mut out);
    leaf("Message", &error.message, &mut out);
    members(error, &mut out);
    leaf("RequestId", writer.request_id, &mut out);
    leaf("HostId", writer.host_id, &mut out);
    close("Error", &mut out);
    out.into_bytes()
}

fn members(error: &Error, out: &mut String) {
    for (name, value) in &error.members {
        match value {
            Json::String(text) => leaf(name, text, out),
            Json::Null => {}
            other => leaf(name, &other.to_string(), out),
        }
    }
}
