//! The body of an S3 request: taken out of `aws-chunked`, its length and its checksums verified while it streams by.

mod chunked;
mod expected;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue};

use crate::checksum::Algorithm;
use crate::{ByteStream, Error};
use chunked::Decoder;
use expected::{Expected, Source};

/// The largest object of a single upload.
pub(crate) const UPLOAD_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// The checksums that a body was found to have, once it has been read to its end.
#[derive(Clone, Debug, Default)]
pub struct Verified(Arc<OnceLock<Vec<(Algorithm, String)>>>);

impl Verified {
    /// Those that the client gave in a header or a trailer, in base64. Empty until the body has ended.
    pub fn checksums(&self) -> &[(Algorithm, String)] {
        self.0.get().map_or(&[], Vec::as_slice)
    }
}

/// The decoded and verified body of a request with these headers.
pub(crate) fn verified(body: ByteStream, headers: &HeaderMap) -> Result<ByteStream, Error> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let chunked = text("x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-"))
        || text("content-encoding").is_some_and(|encodings| encodings.split(',').any(|e| e.trim() == "aws-chunked"));
    let decoded_length = text("x-amz-decoded-content-length").map(str::parse::<u64>).transpose();
    let decoded_length = decoded_length
        .map_err(|_| Error::new("InvalidArgument", 400, "The x-amz-decoded-content-length is not a number."))?;
    let length = if chunked { decoded_length } else { body.length() };
    if length.is_some_and(|length| length > UPLOAD_BYTES_MAX) {
        return Err(too_large());
    }
    let expected = expected::of(headers)?;
    let verified = Verified::default();
    let stream = Upload {
        body,
        decoder: chunked.then(Decoder::default),
        ready: VecDeque::new(),
        length,
        received: 0,
        expected: Some(expected),
        verified: verified.clone(),
    };
    Ok(ByteStream::new(stream, length).with_verified(verified))
}

/// Makes the headers speak of the decoded body: `aws-chunked` is no encoding of the object.
pub(crate) fn undo_chunking(headers: &mut HeaderMap) {
    if let Some(length) = headers.get("x-amz-decoded-content-length").cloned() {
        headers.insert(CONTENT_LENGTH, length);
    }
    let Some(encodings) = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()) else { return };
    let left: Vec<&str> = encodings.split(',').map(str::trim).filter(|encoding| *encoding != "aws-chunked").collect();
    match HeaderValue::from_str(&left.join(",")) {
        Ok(value) if !left.is_empty() => headers.insert(CONTENT_ENCODING, value),
        _ => headers.remove(CONTENT_ENCODING),
    };
}

/// Whether the headers carry any checksum.
pub(crate) fn promises_checksum(headers: &HeaderMap) -> bool {
    expected::promises_checksum(headers)
}

struct Upload {
    body: ByteStream,
    decoder: Option<Decoder>,
    ready: VecDeque<Bytes>,
    /// What the request says of the decoded length.
    length: Option<u64>,
    received: u64,
    /// Taken when the body has ended.
    expected: Option<Vec<Expected>>,
    verified: Verified,
}

impl Upload {
    /// Takes a piece as it came.
    fn take(&mut self, piece: Bytes) -> Result<(), Error> {
        match &mut self.decoder {
            None => self.ready.push_back(piece),
            Some(decoder) => {
                let mut data = Vec::new();
                decoder.feed(piece, &mut data).map_err(|broken| incomplete(&broken.to_string()))?;
                self.ready.extend(data);
            }
        }
        Ok(())
    }

    /// Counts and hashes data before it is passed on.
    fn pass(&mut self, data: &Bytes) -> Result<(), Error> {
        self.received += data.len() as u64;
        if self.received > self.length.unwrap_or(UPLOAD_BYTES_MAX) {
            return Err(if self.length.is_some() { wrong_length() } else { too_large() });
        }
        for expected in self.expected.iter_mut().flatten() {
            expected.update(data);
        }
        Ok(())
    }

    fn end(&mut self, expected: Vec<Expected>) -> Result<(), Error> {
        if self.decoder.as_ref().is_some_and(|decoder| !decoder.ended()) {
            return Err(incomplete("The request body terminated unexpectedly"));
        }
        if self.length.is_some_and(|length| length != self.received) {
            return Err(wrong_length());
        }
        let trailers = self.decoder.as_ref().map_or(&[][..], |decoder| &decoder.trailers);
        let mut checksums = Vec::new();
        for expected in expected {
            let (algorithm, named) =
                (expected.algorithm, matches!(expected.source, Source::Header(_) | Source::Trailer));
            let value = expected.finish(trailers)?;
            if named {
                checksums.push((algorithm, value));
            }
        }
        self.verified.0.get_or_init(|| checksums);
        Ok(())
    }
}

impl Stream for Upload {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let upload = &mut *self;
        loop {
            if let Some(data) = upload.ready.pop_front() {
                return Poll::Ready(Some(upload.pass(&data).map(|()| data)));
            }
            if upload.expected.is_none() {
                return Poll::Ready(None);
            }
            match ready!(upload.body.poll_next_unpin(context)) {
                Some(Ok(piece)) => {
                    if let Err(error) = upload.take(piece) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let expected = upload.expected.take().unwrap_or_default();
                    return Poll::Ready(upload.end(expected).err().map(Err));
                }
            }
        }
    }
}

fn incomplete(message: &str) -> Error {
    Error::new("IncompleteBody", 400, message)
}

fn wrong_length() -> Error {
    incomplete("You did not provide the number of bytes specified by the Content-Length HTTP header")
}

fn too_large() -> Error {
    let message = "Your proposed upload exceeds the maximum allowed size";
    Error::new("EntityTooLarge", 400, message).with("MaxSizeAllowed", UPLOAD_BYTES_MAX)
}
