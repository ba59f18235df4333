//! Calls of operations from inside Kobel, without HTTP: by name with JSON, or typed.

use serde_json::Value as Json;

use crate::handle::fill;
use crate::read::json::{self, Names};
use crate::schema::{Protocol, Service};
use crate::{
    Api, ByteStream, Call, Error, Notice, Operation, Reply, Services, Shaped, Value, streams, validate, write,
};

/// How large a streamed body may be that is returned as JSON.
const BODY_BYTES_MAX: usize = 6_291_456;

impl Services {
    /// Calls an operation of one of these services by name, as [`invoke_json`] does, and warns of members that
    /// Kobel ignores.
    ///
    /// # Errors
    /// Those of [`invoke_json`], and `NotImplemented` where Kobel lacks the service.
    pub async fn invoke_json(&self, service: &str, operation: &str, call: Call, input: Json) -> Result<Json, Error> {
        let api = self.get(service).ok_or_else(|| Error::not_implemented(service, operation))?;
        let mut notice = Notice::default();
        let result = by_name(api, operation, call, input, &mut notice).await;
        if let Some(found) = find(api.service(), operation) {
            self.warn_of_ignored(api.service(), found.name, &notice.into_ignored());
        }
        result
    }
}

/// Calls an operation by name, with its input and output as JSON by the model's names: so do workflows and schedules
/// call any service. The input is validated.
///
/// Blobs are text, not base64; a blob given as JSON other than a string is that JSON's text. Blobs of the output
/// that are not UTF-8 are base64. Timestamps are read in any form and written in ISO-8601.
///
/// # Errors
/// The operation's own, those of validation, or `NotImplemented` where Kobel lacks the operation or its reply is a stream of
/// events, which is no JSON.
pub async fn invoke_json(api: &Api, operation: &str, call: Call, input: Json) -> Result<Json, Error> {
    by_name(api, operation, call, input, &mut Notice::default()).await
}

/// Calls an operation with its typed input, which is validated like anybody's.
///
/// # Errors
/// The operation's own, or those of validation.
pub async fn invoke<O: Operation>(api: &Api, call: Call, input: O::Input) -> Result<Reply<O::Output>, Error> {
    let mut fields = input.into_fields();
    fill::tokens(O::SCHEMA, &mut fields, &call.request_id);
    validate(api.service(), preferred(api.service()), O::SCHEMA.input, &fields)?;
    let Reply { output, body, events, status, headers } = api.call(O::SCHEMA.name, call, fields).await?;
    let output = O::Output::from_fields(output).map_err(Error::internal)?;
    Ok(Reply { output, body, events, status, headers })
}

async fn by_name(api: &Api, operation: &str, mut call: Call, input: Json, notice: &mut Notice) -> Result<Json, Error> {
    let schema = api.service();
    let found = find(schema, operation).ok_or_else(|| Error::not_implemented(schema.id, operation))?;
    if found.output.has_events() {
        let message = format!("The operation {} answers with a stream of events.", found.name);
        return Err(Error::new("NotImplemented", 501, message));
    }
    let protocol = preferred(schema);
    let input = json::structure(found.input, input, Names::Model, notice, |_| true);
    let mut input = input.map_err(|unreadable| unreadable.into_error(protocol, schema))?;
    fill::tokens(found, &mut input, &call.request_id);
    if let Some(index) = found.input.payload.filter(|_| streams(found.input)) {
        let bytes = match input.take(index) {
            Some(Value::Blob(bytes)) => bytes,
            _ => bytes::Bytes::new(),
        };
        call.body = Some(ByteStream::from(bytes));
    }
    validate(schema, protocol, found.input, &input)?;

    let mut reply = api.call(found.name, call, input).await?;
    if let (Some(index), Some(body)) = (found.output.payload, reply.body.take()) {
        let whole = body.collect(BODY_BYTES_MAX).await?;
        let message = format!("The body has more than {BODY_BYTES_MAX} bytes.");
        let whole = whole.ok_or_else(|| Error::new("ResponseTooLarge", 413, message))?;
        reply.output.set(index, Value::Blob(whole));
    }
    let mut text = Vec::new();
    write::json::structure(found.output, &reply.output, Names::Model, |_| true, &mut text);
    serde_json::from_slice(&text).map_err(Error::internal)
}

fn find(service: &Service, name: &str) -> Option<&'static crate::schema::Operation> {
    service.operation(name).or_else(|| service.operation(&capitalised(name)))
}

fn preferred(service: &Service) -> Protocol {
    service.protocols.first().copied().unwrap_or(Protocol::Json10)
}

/// Workflows write `sendMessage` for `SendMessage`.
fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}
