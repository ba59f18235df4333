//! Length-framed messages with Kobel's own bootstraps, over an inherited socket.
//!
//! A frame is `length: u32` (of what follows), `kind: u8`, `header length: u32`, a JSON header and
//! a body; numbers are big endian. The header carries facts, the body is never looked into.
//!
//! A response is one frame, or a stream: one frame that begins it, one for each chunk, and the frame of a response
//! (empty) or of an error as its end. Each names the invocation that it answers, whose id nobody knows before: so a
//! function cannot answer an event that it does not have yet.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{Init, Reply};
use crate::error::RESPONSE_BYTES_MAX;
use crate::response::{Sink, TooLarge};
use crate::spec::Invocation;

/// The variable that tells a bootstrap the number of the socket's descriptor.
pub(crate) const CHANNEL_VARIABLE: &str = "_KOBEL_CHANNEL";

/// What a frame may carry beyond the largest response: its header.
const HEADER_BYTES_MAX: usize = 64 * 1024;
const PREFIX_BYTES: usize = 9;

/// The first frame to a stem's child: the function's variables, as a JSON object in the body.
const SPECIALISE: u8 = b'P';
const READY: u8 = b'I';
const TEMPLATE: u8 = b'T';
const INIT_ERROR: u8 = b'F';
const INVOKE: u8 = b'V';
const RESPONSE: u8 = b'R';
const ERROR: u8 = b'E';
const STREAM: u8 = b'S';
const CHUNK: u8 = b'C';

/// The host's end of the socket.
pub(crate) struct Channel {
    stream: UnixStream,
    incoming: BytesMut,
}

struct Frame {
    kind: u8,
    header: Header,
    body: Bytes,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Header {
    /// The invocation that an answer is for.
    request_id: Option<String>,
    error_type: String,
    /// Why a runtime cannot be a template.
    reason: Option<String>,
    fatal: bool,
    content_type: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvokeHeader<'a> {
    request_id: &'a str,
    deadline_ms: i64,
    function_arn: &'a str,
    trace_id: &'a str,
    /// The most bytes that the function may stream.
    stream_bytes_max: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cognito_identity: Option<&'a str>,
}

enum Fault {
    Closed,
    Broken(String),
}

/// The frame that makes what was forked the runtime of one function, or its template.
pub(crate) fn specialise(variables: &BTreeMap<String, String>, is_template: bool) -> std::io::Result<BytesMut> {
    let header: &[u8] = if is_template { br#"{"template":true}"# } else { b"{}" };
    frame(SPECIALISE, header, &serde_json::to_vec(variables)?)
}

fn frame(kind: u8, header: &[u8], body: &[u8]) -> std::io::Result<BytesMut> {
    let length = u32::try_from(5 + header.len() + body.len())
        .map_err(|_| std::io::Error::other("a message does not fit a frame"))?;
    let mut frame = BytesMut::with_capacity(4 + length as usize);
    frame.put_u32(length);
    frame.put_u8(kind);
    frame.put_u32(header.len() as u32);
    frame.put_slice(header);
    frame.put_slice(body);
    Ok(frame)
}

impl Channel {
    pub(crate) fn new(stream: UnixStream) -> Channel {
        Channel { stream, incoming: BytesMut::new() }
    }

    pub(super) async fn init(&mut self) -> Init {
        match self.receive().await {
            Ok(Frame { kind: READY, .. }) => Init::Done,
            Ok(Frame { kind: TEMPLATE, header, .. }) => Init::Template(header.reason),
            Ok(Frame { kind: INIT_ERROR, header, body }) => Init::Failed { error_type: header.error_type, body },
            Ok(Frame { kind, .. }) => Init::Broken(format!("message {kind} during init")),
            Err(Fault::Closed) => Init::Closed,
            Err(Fault::Broken(reason)) => Init::Broken(reason),
        }
    }

    pub(super) async fn call(&mut self, invocation: &Invocation, sink: &mut Sink) -> Reply {
        if self.send(invocation, sink.bytes_max()).await.is_err() {
            return Reply::Closed;
        }
        match self.answer(&invocation.request_id, sink).await {
            Ok(reply) => reply,
            Err(Fault::Closed) => Reply::Closed,
            Err(Fault::Broken(reason)) => Reply::Broken(reason),
        }
    }

    async fn answer(&mut self, request_id: &str, sink: &mut Sink) -> Result<Reply, Fault> {
        let frame = self.receive_about(request_id).await?;
        match frame.kind {
            STREAM => {
                sink.begin(&frame.header.content_type).await;
                self.stream(request_id, sink).await
            }
            RESPONSE => Ok(sink.response(frame.body).await.map_or_else(Reply::TooLarge, Reply::Response)),
            ERROR => Ok(error(frame, TooLarge(RESPONSE_BYTES_MAX as u64))),
            kind => Err(Fault::Broken(format!("message {kind} instead of a response"))),
        }
    }

    /// Takes a streamed response. Beyond the limit nothing is kept of it, but the function goes on to its end.
    async fn stream(&mut self, request_id: &str, sink: &mut Sink) -> Result<Reply, Fault> {
        let mut taken = Ok(());
        loop {
            let frame = self.receive_about(request_id).await?;
            match frame.kind {
                CHUNK if taken.is_ok() => taken = sink.chunk(frame.body).await,
                CHUNK => {}
                RESPONSE => return Ok(taken.map_or_else(Reply::TooLarge, |()| Reply::Response(sink.end()))),
                ERROR => return Ok(error(frame, TooLarge(sink.bytes_max()))),
                kind => return Err(Fault::Broken(format!("message {kind} inside a response"))),
            }
        }
    }

    /// The next frame. Answers to other invocations are dropped, as the Runtime API refuses them.
    async fn receive_about(&mut self, request_id: &str) -> Result<Frame, Fault> {
        loop {
            let frame = self.receive().await?;
            let answers = matches!(frame.kind, RESPONSE | ERROR | STREAM | CHUNK);
            if !answers || frame.header.request_id.as_deref() == Some(request_id) {
                return Ok(frame);
            }
        }
    }

    async fn send(&mut self, invocation: &Invocation, stream_bytes_max: u64) -> std::io::Result<()> {
        let header = InvokeHeader {
            request_id: &invocation.request_id,
            deadline_ms: invocation.deadline_epoch_ms,
            function_arn: &invocation.function_arn,
            trace_id: &invocation.trace_id,
            stream_bytes_max,
            client_context: invocation.client_context.as_deref(),
            cognito_identity: invocation.cognito_identity.as_deref(),
        };
        let frame = frame(INVOKE, &serde_json::to_vec(&header)?, &invocation.payload)?;
        self.stream.write_all(&frame).await
    }

    async fn receive(&mut self) -> Result<Frame, Fault> {
        loop {
            if let Some(frame) = self.parse()? {
                return Ok(frame);
            }
            match self.stream.read_buf(&mut self.incoming).await {
                Ok(0) | Err(_) => return Err(Fault::Closed),
                Ok(_) => {}
            }
        }
    }

    fn parse(&mut self) -> Result<Option<Frame>, Fault> {
        let Some(prefix) = self.incoming.get(..PREFIX_BYTES) else { return Ok(None) };
        let mut prefix = prefix;
        let length = prefix.get_u32() as usize;
        let kind = prefix.get_u8();
        let header_length = prefix.get_u32() as usize;
        if length > RESPONSE_BYTES_MAX + HEADER_BYTES_MAX || header_length.saturating_add(5) > length {
            return Err(Fault::Broken(format!("a message of {length} bytes")));
        }
        if self.incoming.len() < 4 + length {
            self.incoming.reserve(4 + length - self.incoming.len());
            return Ok(None);
        }
        let mut frame = self.incoming.split_to(4 + length).freeze();
        frame.advance(PREFIX_BYTES);
        let header = frame.split_to(header_length);
        let header = serde_json::from_slice(&header).map_err(|error| Fault::Broken(format!("header: {error}")))?;
        Ok(Some(Frame { kind, header, body: frame }))
    }
}

/// The reply of an error frame; bootstraps name only the type of a response that is too large.
fn error(Frame { header, body, .. }: Frame, limit: TooLarge) -> Reply {
    if header.error_type == "Function.ResponseSizeTooLarge" {
        return Reply::TooLarge(limit);
    }
    Reply::Error { error_type: header.error_type, body, fatal: header.fatal }
}
