//! The constant tables that describe a service: what an operation is called, where its members travel, and
//! which constraints they have. Generated from the interface models; nothing here is written by hand.

mod build;

pub use build::OPAQUE;

/// How requests and replies are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    RestJson,
    RestXml,
    Json10,
    Json11,
    Query,
    RpcV2Cbor,
}

/// One AWS service.
#[derive(Debug)]
pub struct Service {
    /// Kobel's short name: `lambda`, `sqs`, `logs`.
    pub id: &'static str,
    /// The name in the credential scope of a signature.
    pub signing_name: &'static str,
    /// `2015-03-31`.
    pub api_version: &'static str,
    /// In the order in which clients prefer them.
    pub protocols: &'static [Protocol],
    /// What precedes the operation in `X-Amz-Target`; empty for REST and query services.
    pub target_prefix: &'static str,
    /// The Smithy name of the service shape, in CBOR paths and in qualified error types: `AmazonSQS`.
    pub shape_name: &'static str,
    /// The namespace that precedes `#` in JSON 1.0 error types: `com.amazonaws.sqs`.
    pub error_namespace: &'static str,
    /// Of XML replies.
    pub xml_namespace: &'static str,
    /// Errors of JSON and CBOR replies carry their query code in `x-amzn-query-error`.
    pub query_compatible: bool,
    /// What Kobel answers, by name in alphabetical order.
    pub operations: &'static [&'static Operation],
    /// What the model has and Kobel does not: answered with an error that names it.
    pub missing: &'static [Missing],
}

/// An operation that Kobel does not have.
#[derive(Debug)]
pub struct Missing {
    pub name: &'static str,
    pub method: &'static str,
    pub uri: &'static str,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    pub name: &'static str,
    pub method: &'static str,
    /// The URI template with its query literals: `/{Bucket}/{Key+}?uploads`.
    pub uri: &'static str,
    /// The status of success.
    pub status: u16,
    pub input: &'static Structure,
    pub output: &'static Structure,
    /// Query protocol: the element around the output (`SendMessageResult`), if the operation has one.
    pub result_wrapper: Option<&'static str>,
    /// The errors that the model names for it.
    pub errors: &'static [&'static ErrorShape],
    /// S3 demands a checksum of the request's body.
    pub checksum_required: bool,
}

/// A modelled error.
#[derive(Debug)]
pub struct ErrorShape {
    /// The shape's name, as JSON protocols give it: `QueueDoesNotExist`.
    pub name: &'static str,
    /// The code of the query protocol: `AWS.SimpleQueueService.NonExistentQueue`.
    pub query_code: &'static str,
    pub status: u16,
    /// The caller's fault, not the service's.
    pub sender: bool,
}

/// A structure: the input or output of an operation, or a part of one.
#[derive(Debug)]
pub struct Structure {
    pub name: &'static str,
    /// The XML name of the root element where the model renames it. Where the only member has that name too, the
    /// root element is that member, as in S3's GetBucketLocation.
    pub xml_name: Option<&'static str>,
    pub members: &'static [Member],
    /// The member that is the whole body, if one is.
    pub payload: Option<usize>,
    /// At most one member is set.
    pub union: bool,
    /// A union of events, which are not in the reply's output but streamed after it.
    pub event_stream: bool,
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// The model's name: `FunctionName`.
    pub name: &'static str,
    /// The name on the wire: in JSON, as an XML element, as header, query parameter or label.
    pub wire_name: &'static str,
    /// The name in the query protocol.
    pub query_name: &'static str,
    pub location: Location,
    pub shape: &'static Shape,
    pub required: bool,
    /// Kobel does what the member says. A caller who sets another member is told.
    pub honoured: bool,
    /// XML: the list's elements, or the map's entries, stand without a wrapper.
    pub flattened: bool,
    /// XML: an attribute of the parent element.
    pub attribute: bool,
    /// Filled with a random token where the caller leaves it out.
    pub idempotency_token: bool,
}

/// Where a member travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    Body,
    /// A label of the path.
    Label,
    Query,
    Header,
    /// A map whose keys are the rest of the header names that begin with the wire name.
    Headers,
    /// The status of the reply.
    Status,
    /// A header of the event that the structure is.
    EventHeader,
    /// The whole payload of the event that the structure is.
    EventPayload,
}

/// What a value is and which constraints it has.
#[derive(Debug)]
pub enum Shape {
    String(Text),
    Boolean,
    Integer(Range),
    Long(Range),
    Float,
    Double,
    /// Bounds are in bytes. A streaming blob is the body and is not held in memory.
    Blob {
        min: u64,
        max: Option<u64>,
        streaming: bool,
    },
    Timestamp(TimestampForm),
    List(List),
    Map(Map),
    Structure(&'static Structure),
    /// Any JSON.
    Document,
}

/// Constraints of a string. Lengths are in Unicode scalar values.
#[derive(Debug)]
pub struct Text {
    pub min: u64,
    pub max: Option<u64>,
    pub pattern: Option<&'static str>,
    /// The allowed values; empty where any is allowed.
    pub allowed: &'static [&'static str],
    /// JSON text in a header, base64-encoded on the wire.
    pub json_value: bool,
    pub sensitive: bool,
}

/// Constraints of a number.
#[derive(Debug)]
pub struct Range {
    pub min: Option<i64>,
    pub max: Option<i64>,
}

/// How a timestamp is written where the protocol leaves a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampForm {
    /// As the protocol and the location have it.
    Default,
    Epoch,
    Iso8601,
    HttpDate,
}

#[derive(Debug)]
pub struct List {
    pub min: u64,
    pub max: Option<u64>,
    /// The XML name of an element: `member` unless the model renames it.
    pub element_name: &'static str,
    pub element: &'static Shape,
    pub flattened: bool,
}

#[derive(Debug)]
pub struct Map {
    pub min: u64,
    pub max: Option<u64>,
    pub key_name: &'static str,
    pub value_name: &'static str,
    pub key: &'static Shape,
    pub value: &'static Shape,
    pub flattened: bool,
}

impl Service {
    /// The operation of that name, if Kobel has it.
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        self.operations.binary_search_by(|operation| operation.name.cmp(name)).ok().map(|at| self.operations[at])
    }

    /// Whether the model has an operation of that name which Kobel does not.
    pub fn lacks(&self, name: &str) -> bool {
        self.missing.iter().any(|missing| missing.name == name)
    }
}

impl Structure {
    /// Whether one of its members is an event stream.
    pub(crate) fn has_events(&self) -> bool {
        self.members.iter().any(|member| matches!(member.shape, Shape::Structure(shape) if shape.event_stream))
    }

    /// The index of the member of that (model's) name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.name == name)
    }
}
