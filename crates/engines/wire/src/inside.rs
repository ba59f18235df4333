use serde_json::Value as Json;

use crate::handle::fill_tokens;
use crate::read::json::{self, Names};
use crate::schema::Protocol;
use crate::{ByteStream, Call, Error, Notice, Services, Value, streams, validate, write};

/// How large a streamed body may be that is returned as JSON.
const BODY_BYTES_MAX: usize = 6_291_456;

impl Services {
    /// Calls an operation by name, from inside, with its input and output as JSON by the model's names: so do
    /// workflows and schedules call any service.
    ///
    /// Blobs are text, not base64; a blob given as JSON other than a string is that JSON's text. Blobs of the output
    /// that are not UTF-8 are base64. Timestamps are read in any form and written in ISO-8601.
    ///
    /// # Errors
    /// The operation's own, those of validation, or `NotImplemented` where Kobel lacks the service or operation.
    pub async fn invoke_json(
        &self,
        service: &str,
        operation: &str,
        mut call: Call,
        input: Json,
    ) -> Result<Json, Error> {
        let api = self.get(service).ok_or_else(|| Error::not_implemented(service, operation))?;
        let schema = api.service();
        let found = schema.operation(operation).or_else(|| schema.operation(&capitalised(operation)));
        let found = found.ok_or_else(|| Error::not_implemented(schema.id, operation))?;
        let protocol = schema.protocols.first().copied().unwrap_or(Protocol::Json10);

        let mut notice = Notice::default();
        let input = json::structure(found.input, input, Names::Model, &mut notice, |_| true);
        self.warn_of_ignored(schema, found.name, &notice.into_ignored());
        let mut input = input.map_err(|unreadable| unreadable.into_error(protocol, schema))?;
        fill_tokens(found, &mut input, &call.request_id);
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
}

/// Workflows write `sendMessage` for `SendMessage`.
fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}
