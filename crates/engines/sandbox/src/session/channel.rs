//! Length-framed messages with Kobel's own bootstraps, over an inherited socket.
//!
//! A frame is `length: u32` (of what follows), `kind: u8`, `header length: u32`, a JSON header and
//! a body; numbers are big endian. The header carries facts, the body is never looked into.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{Init, Reply};
use crate::error::RESPONSE_BYTES_MAX;
use crate::spec::Invocation;

/// The variable that tells a bootstrap the number of the socket's descriptor.
pub(crate) const CHANNEL_VARIABLE: &str = "_KOBEL_CHANNEL";

/// What a frame may carry beyond the largest response: its header.
const HEADER_BYTES_MAX: usize = 64 * 1024;
const PREFIX_BYTES: usize = 9;

const READY: u8 = b'I';
const INIT_ERROR: u8 = b'F';
const INVOKE: u8 = b'V';
const RESPONSE: u8 = b'R';
const ERROR: u8 = b'E';

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
    error_type: String,
    fatal: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvokeHeader<'a> {
    request_id: &'a str,
    deadline_ms: i64,
    function_arn: &'a str,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cognito_identity: Option<&'a str>,
}

enum Fault {
    Closed,
    Broken(String),
}

impl Channel {
    pub(crate) fn new(stream: UnixStream) -> Channel {
        Channel { stream, incoming: BytesMut::new() }
    }

    pub(super) async fn init(&mut self) -> Init {
        match self.receive().await {
            Ok(Frame { kind: READY, .. }) => Init::Done,
            Ok(Frame { kind: INIT_ERROR, header, body }) => Init::Failed { error_type: header.error_type, body },
            Ok(Frame { kind, .. }) => Init::Broken(format!("message {kind} during init")),
            Err(Fault::Closed) => Init::Closed,
            Err(Fault::Broken(reason)) => Init::Broken(reason),
        }
    }

    pub(super) async fn call(&mut self, invocation: &Invocation) -> Reply {
        if self.send(invocation).await.is_err() {
            return Reply::Closed;
        }
        match self.receive().await {
            Ok(Frame { kind: RESPONSE, body, .. }) if body.len() > RESPONSE_BYTES_MAX => Reply::TooLarge,
            Ok(Frame { kind: RESPONSE, body, .. }) => Reply::Response(body),
            Ok(Frame { kind: ERROR, header, .. }) if header.error_type == "Function.ResponseSizeTooLarge" => {
                Reply::TooLarge
            }
            Ok(Frame { kind: ERROR, header, body }) => {
                Reply::Error { error_type: header.error_type, body, fatal: header.fatal }
            }
            Ok(Frame { kind, .. }) => Reply::Broken(format!("message {kind} instead of a response")),
            Err(Fault::Closed) => Reply::Closed,
            Err(Fault::Broken(reason)) => Reply::Broken(reason),
        }
    }

    async fn send(&mut self, invocation: &Invocation) -> std::io::Result<()> {
        let header = InvokeHeader {
            request_id: &invocation.request_id,
            deadline_ms: invocation.deadline_epoch_ms,
            function_arn: &invocation.function_arn,
            trace_id: &invocation.trace_id,
            client_context: invocation.client_context.as_deref(),
            cognito_identity: invocation.cognito_identity.as_deref(),
        };
        let header = serde_json::to_vec(&header)?;
        let length = u32::try_from(5 + header.len() + invocation.payload.len())
            .map_err(|_| std::io::Error::other("event does not fit a frame"))?;
        let mut frame = BytesMut::with_capacity(4 + length as usize);
        frame.put_u32(length);
        frame.put_u8(INVOKE);
        frame.put_u32(header.len() as u32);
        frame.put_slice(&header);
        frame.put_slice(&invocation.payload);
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
