use std::sync::Arc;

use model_lambda::{InvokeAsyncRequest, InvokeAsyncResponse};
use wire::{Call, Error};

use super::invoke::{accept, event};
use crate::Lambda;

/// The largest event of this deprecated operation, in bytes.
const EVENT_BYTES_MAX: usize = 262_144;
/// The status that AWS repeats in the body.
const ACCEPTED: i32 = 202;

pub async fn invoke_async(
    service: Arc<Lambda>,
    mut call: Call,
    input: InvokeAsyncRequest,
) -> Result<InvokeAsyncResponse, Error> {
    let resolved = service.registry.resolve(&call.scope, &input.function_name, None)?;
    let payload = match call.body.take() {
        Some(body) => body.collect(EVENT_BYTES_MAX).await?.ok_or_else(too_large)?,
        None => bytes::Bytes::new(),
    };
    accept(&service, &call, resolved, event(payload, EVENT_BYTES_MAX)?, None).await?;
    Ok(InvokeAsyncResponse { status: Some(ACCEPTED) })
}

fn too_large() -> Error {
    model_lambda::errors::invalid_request_content_exception(format!(
        "Request must be smaller than {EVENT_BYTES_MAX} bytes for the InvokeAsync operation"
    ))
    .with("Type", "User")
}
