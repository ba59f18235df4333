use crate::Error;
use crate::schema::{Protocol, Service};

/// Why an input cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The body has not the form of its protocol.
    #[error("{0}")]
    Body(String),
    /// A member has not its type. `member` is its name on the wire.
    #[error("{member}: {detail}")]
    Member { member: String, detail: String },
    /// Nested deeper than any input of AWS is.
    #[error("the input is nested too deeply")]
    Deep,
}

impl Unreadable {
    pub(crate) fn member(member: &str, detail: impl Into<String>) -> Unreadable {
        Unreadable::Member { member: member.to_owned(), detail: detail.into() }
    }

    /// As the protocol's family says it.
    pub fn into_error(self, protocol: Protocol, service: &Service) -> Error {
        match protocol {
            Protocol::RestXml => rest_xml(self),
            Protocol::Query => match self {
                Unreadable::Member { .. } => Error::new("MalformedInput", 400, self.to_string()),
                _ => Error::new("MalformedQueryString", 404, self.to_string()),
            },
            // Lambda says it otherwise than all others.
            Protocol::RestJson if service.id == "lambda" => {
                let message = format!("Could not parse request body into json: {self}");
                Error::new("InvalidRequestContentException", 400, message).with("Type", "User")
            }
            _ => Error::new("SerializationException", 400, self.to_string()),
        }
    }
}

fn rest_xml(unreadable: Unreadable) -> Error {
    if let Unreadable::Member { member, .. } = unreadable {
        let message = format!("Provided {member} has not its type");
        return Error::new("InvalidArgument", 400, message).with("ArgumentName", member);
    }
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    Error::new("MalformedXML", 400, message)
}
