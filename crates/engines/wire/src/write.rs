//! Writers: from the members of an output, or an error, to a reply.

pub(crate) mod cbor;
mod error;
pub(crate) mod json;
pub(crate) mod text;
pub(crate) mod xml;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::body::{Body, full, streamed};
use crate::read::json::Names;
use crate::schema::{self, Location, Member, Protocol, Shape, Structure, TimestampForm};
use crate::{ByteStream, Error, Fields, Reply, Value, event_stream};
use xml::Dialect;

/// What a reply says besides its output: how it is encoded and which request it answers.
#[derive(Debug)]
pub struct Writer<'a> {
    pub protocol: Protocol,
    /// Absent where no service is known.
    pub service: Option<&'static schema::Service>,
    pub request_id: &'a str,
    /// S3's second request id.
    pub host_id: &'a str,
    /// The request was a HEAD: the reply has no body.
    pub head: bool,
    /// When it is written: `Date`.
    pub now: base::Timestamp,
    /// The members that the caller set and Kobel does not honour.
    pub ignored: &'a [String],
}

/// A reply while it is written.
#[derive(Debug, Default)]
struct Response {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    stream: Option<ByteStream>,
}

impl Writer<'_> {
    /// The reply of success.
    pub fn success(&self, operation: &schema::Operation, reply: Reply<Fields>) -> http::Response<Body> {
        let mut response = Response { status: reply.status.unwrap_or(operation.status), ..Response::default() };
        match self.protocol {
            Protocol::RestJson | Protocol::RestXml => self.rest(operation.output, &reply.output, &mut response),
            Protocol::Json10 | Protocol::Json11 => {
                response.header(CONTENT_TYPE.as_str(), content_type(self.protocol));
                json::structure(operation.output, &reply.output, Names::Wire, |_| true, &mut response.body);
            }
            Protocol::RpcV2Cbor => {
                if !operation.output.members.is_empty() {
                    response.header(CONTENT_TYPE.as_str(), content_type(self.protocol));
                    response.body = cbor::body(operation.output, &reply.output);
                }
            }
            Protocol::Query => {
                response.header(CONTENT_TYPE.as_str(), "text/xml");
                response.body = self.query(operation, &reply.output);
            }
        }
        for (name, value) in &reply.headers {
            response.header(name, value);
        }
        response.stream = reply.body;
        if let Some(events) = reply.events {
            let rest = matches!(self.protocol, Protocol::RestJson | Protocol::RestXml);
            let initial = (!rest).then(|| std::mem::take(&mut response.body));
            response.header(CONTENT_TYPE.as_str(), event_stream::CONTENT_TYPE);
            response.stream = Some(events.encode(self.protocol, initial));
        }
        self.finish(response)
    }

    /// The reply of failure.
    pub fn failure(&self, error: &Error) -> http::Response<Body> {
        let mut response = Response { status: error.status, ..Response::default() };
        error::write(self, &error::in_family(self, error), &mut response);
        for (name, value) in &error.headers {
            response.header(name, value);
        }
        self.finish(response)
    }

    fn query(&self, operation: &schema::Operation, output: &Fields) -> Vec<u8> {
        let name = operation.name;
        let namespace = self.service.map_or("", |service| service.xml_namespace);
        let mut out = format!("<{name}Response xmlns=\"{namespace}\">");
        let wrapper = operation.result_wrapper.map(str::to_owned);
        // A service that prefers JSON has no wrappers in its model; its query clients expect the usual one.
        let wrapper = wrapper.or_else(|| (!operation.output.members.is_empty()).then(|| format!("{name}Result")));
        if let Some(wrapper) = wrapper {
            xml::structure(&wrapper, "", operation.output, output, Dialect::Query, |_| true, &mut out);
        }
        xml::open("ResponseMetadata", &mut out);
        xml::leaf("RequestId", self.request_id, &mut out);
        xml::close("ResponseMetadata", &mut out);
        xml::close(&format!("{name}Response"), &mut out);
        out.into_bytes()
    }

    fn rest(&self, schema: &'static Structure, output: &Fields, response: &mut Response) {
        for (index, member) in schema.members.iter().enumerate() {
            if let Some(value) = output.get(index) {
                bind(member, value, response);
            }
        }
        match schema.payload {
            Some(index) => self.payload(&schema.members[index], output.get(index), response),
            None => self.body(schema, output, response),
        }
    }

    fn payload(&self, member: &Member, value: Option<&Value>, response: &mut Response) {
        let default = match (member.shape, self.protocol) {
            (Shape::Blob { .. }, Protocol::RestXml) => "binary/octet-stream",
            (Shape::Blob { .. }, _) => "application/octet-stream",
            (Shape::String(_), _) => "text/plain",
            (_, Protocol::RestXml) => "application/xml",
            _ => "application/json",
        };
        match (member.shape, value) {
            (Shape::Blob { streaming: true, .. }, _) => {}
            (Shape::Structure(schema), _) if schema.event_stream => return,
            (_, None) => return,
            (_, Some(Value::Blob(bytes))) => response.body = bytes.to_vec(),
            (Shape::String(_), Some(Value::String(text))) => response.body = text.clone().into_bytes(),
            (Shape::Structure(schema), Some(Value::Structure(fields))) if self.protocol == Protocol::RestXml => {
                let name = schema.xml_name.unwrap_or(member.wire_name);
                response.body = self.document(name, schema, fields, |_| true);
            }
            (shape, Some(value)) => json::value(shape, value, Names::Wire, &mut response.body),
        }
        response.header_if_absent(CONTENT_TYPE.as_str(), default);
    }

    fn body(&self, schema: &'static Structure, output: &Fields, response: &mut Response) {
        let in_body = |member: &Member| member.location == Location::Body;
        if !schema.members.iter().any(in_body) || response.status == 204 {
            return;
        }
        if self.protocol == Protocol::RestJson {
            json::structure(schema, output, Names::Wire, in_body, &mut response.body);
            return response.header_if_absent(CONTENT_TYPE.as_str(), "application/json");
        }
        let root = schema.xml_name.unwrap_or_else(|| schema.name.trim_end_matches("Output").trim_end_matches("Result"));
        response.body = self.root(root, schema, output, in_body);
        response.header_if_absent(CONTENT_TYPE.as_str(), "application/xml");
    }

    /// Where the only member of the body has the root's name, the root is that member.
    fn root(&self, root: &str, schema: &Structure, output: &Fields, in_body: fn(&Member) -> bool) -> Vec<u8> {
        let mut members = schema.members.iter().enumerate().filter(|(_, member)| in_body(member));
        if let (Some((index, member)), None) = (members.next(), members.next())
            && member.wire_name == root
        {
            let text = output.get(index).and_then(|v| text::scalar(member.shape, v, TimestampForm::Iso8601));
            let mut out = format!("{DECLARATION}<{root} xmlns=\"{}\">", self.namespace());
            xml::escape(&text.unwrap_or_default(), &mut out);
            xml::close(root, &mut out);
            return out.into_bytes();
        }
        self.document(root, schema, output, in_body)
    }

    fn document(&self, root: &str, schema: &Structure, fields: &Fields, wanted: fn(&Member) -> bool) -> Vec<u8> {
        let mut out = String::from(DECLARATION);
        xml::structure(root, self.namespace(), schema, fields, Dialect::Rest, wanted, &mut out);
        out.into_bytes()
    }

    fn namespace(&self) -> &'static str {
        self.service.map_or("", |service| service.xml_namespace)
    }

    /// Adds what every reply carries.
    fn finish(&self, mut response: Response) -> http::Response<Body> {
        if self.protocol == Protocol::RestXml {
            response.header("x-amz-request-id", self.request_id);
            response.header("x-amz-id-2", self.host_id);
        } else {
            response.header("x-amzn-requestid", self.request_id);
        }
        if self.protocol == Protocol::RpcV2Cbor {
            response.header("smithy-protocol", "rpc-v2-cbor");
        }
        response.header(DATE.as_str(), &self.now.http_date());
        if !self.ignored.is_empty() {
            response.header("x-kobel-ignored", &self.ignored.join(","));
        }
        let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = match response.stream {
            Some(stream) if !self.head => streamed(stream),
            _ if self.head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED => full(""),
            _ => {
                // hyper knows the length of a body at hand; a member may have named another.
                response.headers.remove(http::header::CONTENT_LENGTH);
                full(response.body)
            }
        };
        let mut reply = http::Response::new(body);
        *reply.status_mut() = status;
        *reply.headers_mut() = response.headers;
        reply
    }
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The content type of an RPC protocol.
pub(crate) fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json10 => "application/x-amz-json-1.0",
        Protocol::Json11 => "application/x-amz-json-1.1",
        Protocol::RpcV2Cbor => "application/cbor",
        Protocol::Query => "text/xml",
        Protocol::RestXml => "application/xml",
        Protocol::RestJson => "application/json",
    }
}

/// Puts a member that is not in the body where it belongs.
fn bind(member: &Member, value: &Value, response: &mut Response) {
    match (member.location, value) {
        (Location::Status, Value::Integer(status)) => response.status = u16::try_from(*status).unwrap_or(500),
        (Location::Header, Value::List(items)) => {
            let Shape::List(list) = member.shape else { return };
            let items: Vec<String> =
                items.iter().filter_map(|item| text::scalar(list.element, item, TimestampForm::HttpDate)).collect();
            response.header(member.wire_name, &items.join(","));
        }
        (Location::Header, Value::String(text)) if is_json(member.shape) => {
            response.header(member.wire_name, &STANDARD.encode(text));
        }
        (Location::Header, value) => {
            if let Some(text) = text::scalar(member.shape, value, TimestampForm::HttpDate) {
                response.header(member.wire_name, &text);
            }
        }
        (Location::Headers, Value::Map(entries)) => {
            for (key, value) in entries {
                if let Value::String(text) = value {
                    response.header(&format!("{}{key}", member.wire_name), text);
                }
            }
        }
        _ => {}
    }
}

fn is_json(shape: &Shape) -> bool {
    matches!(shape, Shape::String(text) if text.json_value)
}

impl Response {
    /// Sets a header; a name or value that HTTP cannot carry is left out.
    fn header(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            self.headers.insert(name, value);
        }
    }

    fn header_if_absent(&mut self, name: &str, value: &str) {
        if !self.headers.contains_key(name) {
            self.header(name, value);
        }
    }
}
