use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use model_lambda::{
    InvokeResponseStreamUpdate, InvokeWithResponseStreamCompleteEvent, InvokeWithResponseStreamRequest,
    InvokeWithResponseStreamResponse, InvokeWithResponseStreamResponseEvent,
};
use sandbox::{ResponsePart, ResponseReader};
use wire::{Call, Error, EventStream, Reply};

use super::invoke::{SYNCHRONOUS_BYTES_MAX, decode, event};
use crate::Lambda;
use crate::invoke::{Invoked, Refused, Request, Running, Streaming};

/// Runs the function and answers with what it writes, while it writes it.
///
/// What keeps the function from running is the reply's error, as with Invoke. A function that fails, before or after
/// its first byte, ends the stream: `InvokeComplete` has the error.
pub async fn invoke_with_response_stream(
    service: Arc<Lambda>,
    call: Call,
    input: InvokeWithResponseStreamRequest,
) -> Result<Reply<InvokeWithResponseStreamResponse>, Error> {
    let resolved = service.registry.resolve(&call.scope, &input.function_name, input.qualifier.as_deref())?;
    let payload = event(input.payload.unwrap_or_default(), SYNCHRONOUS_BYTES_MAX)?;
    let client_context = input.client_context.as_deref().map(decode).transpose()?;
    if input.invocation_type.as_deref() == Some("DryRun") {
        return Ok(Reply::from(InvokeWithResponseStreamResponse::default()).with_status(204));
    }
    let output = InvokeWithResponseStreamResponse {
        executed_version: Some(resolved.version.version.clone()),
        ..InvokeWithResponseStreamResponse::default()
    };
    let trace_header = call.trace.to_string();
    let request_id = call.request_id.to_string();
    let request = Request { request_id, resolved, payload, trace: call.trace, client_context };
    let streaming = service.invoker.invoke_streaming(request).map_err(Refused::into_error)?;
    let events = events(streaming, input.log_type.as_deref() == Some("Tail")).await?;
    Ok(Reply::from(output).with_events(EventStream::new(events)).with_header("X-Amzn-Trace-Id", trace_header))
}

/// The events of an invocation that has begun. Waits until the function has written or ended, for until then it may
/// turn out that it cannot run.
async fn events(
    Streaming { mut response, running }: Streaming,
    tail: bool,
) -> Result<impl Stream<Item = Result<InvokeWithResponseStreamResponseEvent, Error>>, Error> {
    let first = response.next().await;
    let ended: BoxFuture<'static, Result<Invoked, Error>> = match first {
        Some(_) => end(running).boxed(),
        None => futures_util::future::ready(Ok(end(running).await?)).boxed(),
    };
    let chunks = stream::iter(first).chain(rest(response)).filter_map(|part| std::future::ready(chunk(part)));
    let complete = ended.map(move |ended| ended.map(|invoked| complete(&invoked, tail)));
    Ok(chunks.map(Ok).chain(complete.into_stream()))
}

fn rest(response: ResponseReader) -> impl Stream<Item = ResponsePart> {
    stream::unfold(response, |mut response| async { response.next().await.map(|part| (part, response)) })
}

async fn end(running: Running) -> Result<Invoked, Error> {
    running.await.map_err(Error::internal)?.map_err(Refused::into_error)
}

fn chunk(part: ResponsePart) -> Option<InvokeWithResponseStreamResponseEvent> {
    let ResponsePart::Chunk(bytes) = part else { return None };
    let payload_chunk = Some(InvokeResponseStreamUpdate { payload: Some(bytes) });
    Some(InvokeWithResponseStreamResponseEvent { payload_chunk, ..Default::default() })
}

fn complete(invoked: &Invoked, tail: bool) -> InvokeWithResponseStreamResponseEvent {
    let failed = invoked.error_type.is_some();
    let event = InvokeWithResponseStreamCompleteEvent {
        error_code: failed.then(|| "Unhandled".to_owned()),
        error_details: failed.then(|| String::from_utf8_lossy(&invoked.payload).into_owned()),
        log_result: tail.then(|| STANDARD.encode(&invoked.log_tail)),
    };
    InvokeWithResponseStreamResponseEvent { invoke_complete: Some(event), ..Default::default() }
}
