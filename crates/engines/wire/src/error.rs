use std::borrow::Cow;

use crate::schema::ErrorShape;

/// Whose fault an error is; clients retry the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Sender,
    Receiver,
}

/// An error as an AWS client sees it. Services construct modelled errors by the small functions that are
/// generated beside the operations, or by their own functions that hold an exact wording.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    /// The code as JSON protocols give it: `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// The code as the query protocol gives it, where it differs.
    pub query_code: Cow<'static, str>,
    pub status: u16,
    pub fault: Fault,
    pub message: String,
    /// Further members of the error's shape by their wire names, such as `Type`, `BucketName` or `Reason`.
    pub members: Vec<(&'static str, serde_json::Value)>,
    /// Further headers, such as `Retry-After`.
    pub headers: Vec<(&'static str, String)>,
}

impl Error {
    /// An error that no model names.
    pub fn new(code: impl Into<Cow<'static, str>>, status: u16, message: impl Into<String>) -> Error {
        let code = code.into();
        let fault = if status >= 500 { Fault::Receiver } else { Fault::Sender };
        Error {
            query_code: code.clone(),
            code,
            status,
            fault,
            message: message.into(),
            members: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// An error of the model.
    pub fn modelled(shape: &'static ErrorShape, message: impl Into<String>) -> Error {
        Error {
            code: shape.name.into(),
            query_code: shape.query_code.into(),
            status: shape.status,
            fault: if shape.sender { Fault::Sender } else { Fault::Receiver },
            message: message.into(),
            members: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// A fault inside Kobel: the caller gets a 500 and may retry; `detail` is for the log.
    pub fn internal(detail: impl std::fmt::Display) -> Error {
        tracing::error!(%detail, "request failed");
        Error::new("InternalFailure", 500, format!("Kobel failed to process the request: {detail}"))
    }

    /// An operation that Kobel does not have.
    pub fn not_implemented(service: &str, operation: &str) -> Error {
        let message = format!("Kobel does not implement the operation {operation} of the service {service}.");
        Error::new("NotImplemented", 501, message)
    }

    /// Adds a member of the error's shape.
    pub fn with(mut self, member: &'static str, value: impl Into<serde_json::Value>) -> Error {
        self.members.push((member, value.into()));
        self
    }

    /// Gives the query protocol another code.
    pub fn with_query_code(mut self, code: impl Into<Cow<'static, str>>) -> Error {
        self.query_code = code.into();
        self
    }
}
