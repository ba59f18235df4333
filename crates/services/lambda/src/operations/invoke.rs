use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fabric::Delivery;
use model_lambda::errors::{invalid_request_content_exception, request_too_large_exception};
use model_lambda::{InvocationRequest, InvocationResponse};
use serde_json::value::RawValue;
use wire::{Call, Error, Reply};

use crate::Lambda;
use crate::event::CLIENT_CONTEXT;
use crate::invoke::Request;
use crate::registry::Resolved;

/// The largest event of a synchronous invocation, in bytes.
pub(super) const SYNCHRONOUS_BYTES_MAX: usize = 6_291_456;
/// The largest event of an asynchronous invocation, in bytes.
const ASYNCHRONOUS_BYTES_MAX: usize = 1_048_576;
/// The largest client context, decoded, in bytes.
const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;

pub async fn invoke(
    service: Arc<Lambda>,
    call: Call,
    input: InvocationRequest,
) -> Result<Reply<InvocationResponse>, Error> {
    let resolved = service.registry.resolve(&call.scope, &input.function_name, input.qualifier.as_deref())?;
    let asynchronous = input.invocation_type.as_deref() == Some("Event");
    let limit = if asynchronous { ASYNCHRONOUS_BYTES_MAX } else { SYNCHRONOUS_BYTES_MAX };
    let payload = event(input.payload.unwrap_or_default(), limit)?;
    let client_context = input.client_context.as_deref().map(decode).transpose()?;
    match input.invocation_type.as_deref() {
        Some("Event") => {
            accept(&service, &call, resolved, payload, client_context).await?;
            Ok(Reply::from(answer(202)).with_status(202))
        }
        Some("DryRun") => Ok(Reply::from(answer(204)).with_status(204)),
        _ => {
            let tail = input.log_type.as_deref() == Some("Tail");
            run(&service, call, resolved, payload, client_context, tail).await
        }
    }
}

/// Runs the function and answers with what it says.
async fn run(
    service: &Lambda,
    call: Call,
    resolved: Resolved,
    payload: Bytes,
    client_context: Option<String>,
    tail: bool,
) -> Result<Reply<InvocationResponse>, Error> {
    let request_id = call.request_id.to_string();
    let request = Request { request_id, resolved, payload, trace: call.trace, client_context };
    let invoked = service.invoker.invoke(request).await.map_err(crate::invoke::Refused::into_error)?;
    let response = InvocationResponse {
        status_code: Some(200),
        function_error: invoked.error_type.map(|_| "Unhandled".to_owned()),
        log_result: tail.then(|| STANDARD.encode(&invoked.log_tail)),
        payload: Some(invoked.payload),
        executed_version: Some(invoked.executed_version),
    };
    Ok(Reply::from(response).with_header("X-Amzn-Trace-Id", invoked.trace.to_string()))
}

/// Makes an event durable. Its request id is the call's.
pub(super) async fn accept(
    service: &Lambda,
    call: &Call,
    resolved: Resolved,
    payload: Bytes,
    client_context: Option<String>,
) -> Result<(), Error> {
    let fabric = service.invoker.fabric();
    let mut delivery = Delivery::new(&fabric.entropy, fabric.now(), resolved.invoked_arn, payload, call.trace.clone());
    delivery.id = call.request_id.to_string();
    if let Some(context) = client_context {
        delivery = delivery.with(CLIENT_CONTEXT, context);
    }
    fabric.deliveries.accept(vec![delivery]).await.map_err(Error::internal)
}

/// The payload as an event: JSON, an empty object where there is none.
pub(super) fn event(payload: Bytes, limit: usize) -> Result<Bytes, Error> {
    if payload.len() > limit {
        return Err(request_too_large_exception(format!(
            "Request must be smaller than {limit} bytes for the InvokeFunction operation"
        ))
        .with("Type", "User"));
    }
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<&RawValue>(&payload) {
        Ok(_) => Ok(payload),
        Err(error) => Err(invalid_request_content_exception(format!(
            "Could not parse request body into json: Could not parse payload into json: {error}"
        ))
        .with("Type", "User")),
    }
}

/// The client context, which travels in base64.
pub(super) fn decode(context: &str) -> Result<String, Error> {
    let invalid = |why: &str| {
        invalid_request_content_exception(format!("Client context must be a valid Base64-encoded JSON object: {why}"))
            .with("Type", "User")
    };
    let bytes = STANDARD.decode(context).map_err(|error| invalid(&error.to_string()))?;
    if bytes.len() > CLIENT_CONTEXT_BYTES_MAX {
        return Err(invalid(&format!("it is larger than {CLIENT_CONTEXT_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| invalid(&error.to_string()))?;
    serde_json::from_str::<serde_json::Map<_, _>>(&text).map_err(|error| invalid(&error.to_string()))?;
    Ok(text)
}

fn answer(status: i32) -> InvocationResponse {
    InvocationResponse { status_code: Some(status), ..InvocationResponse::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_json_of_bounded_size() {
        let event =
            |payload: &'static [u8]| event(Bytes::from_static(payload), 16).map_err(|error| error.code.into_owned());
        assert_eq!(event(b""), Ok(Bytes::from_static(b"{}")));
        assert_eq!(event(b" [1, 2] "), Ok(Bytes::from_static(b" [1, 2] ")));
        assert_eq!(event(b"{not json"), Err("InvalidRequestContentException".into()));
        assert_eq!(event(b"\"seventeen bytes\""), Err("RequestTooLargeException".into()));
    }

    #[test]
    fn a_client_context_is_an_object_in_base64() {
        assert_eq!(decode(&STANDARD.encode("{\"a\":1}")), Ok("{\"a\":1}".to_owned()));
        for wrong in ["!", &STANDARD.encode("1")] {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
    }
}
