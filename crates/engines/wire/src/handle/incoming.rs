//! Bodies of requests.

mod rest;

use std::io::Read;

use bytes::Bytes;
use futures_util::stream::StreamExt;
use http::HeaderMap;
use http_body_util::BodyDataStream;

use super::limits;
use crate::schema::Operation;
use crate::{ByteStream, Error, upload};
pub(super) use rest::Rest;

/// A body as it comes, and the hold on what of it is never read.
pub(super) fn raw<B>(body: B) -> (ByteStream, Rest)
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let length = body.size_hint().exact();
    let broken = |error: B::Error| {
        Error::new("IncompleteBody", 400, format!("The request body terminated unexpectedly: {error}"))
    };
    let pieces = BodyDataStream::new(body).map(move |piece| piece.map_err(broken));
    let rest = Rest::new(pieces.boxed());
    (ByteStream::new(rest.clone(), length), rest)
}

/// A form whose operation is not known yet.
pub(super) async fn form(body: ByteStream, headers: &HeaderMap) -> Result<Bytes, Error> {
    let too_large = || limits::too_large("", "requested", limits::FORM_BYTES_MAX);
    let body = body.collect(limits::FORM_BYTES_MAX).await?.ok_or_else(too_large)?;
    unzipped(body, headers, limits::FORM_BYTES_MAX)?.ok_or_else(too_large)
}

/// The body of an operation that takes it whole.
pub(super) async fn whole(
    service: &str,
    operation: &Operation,
    body: ByteStream,
    headers: &HeaderMap,
) -> Result<Bytes, Error> {
    let bytes_max = limits::body_bytes_max(service, operation);
    let too_large = || limits::too_large(service, operation.name, bytes_max);
    if service == "s3" {
        if operation.checksum_required && !upload::promises_checksum(headers) {
            let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
            return Err(Error::new("InvalidRequest", 400, message));
        }
        // There the checksums are the whole object's, not the document's.
        let of_object = operation.name == "CompleteMultipartUpload";
        let body = if of_object { body } else { upload::verified(body, headers)? };
        return body.collect(bytes_max).await?.ok_or_else(too_large);
    }
    let body = body.collect(bytes_max).await?.ok_or_else(too_large)?;
    unzipped(body, headers, bytes_max)?.ok_or_else(too_large)
}

/// The body without its `gzip` encoding; `None` if it is larger than `bytes_max`.
fn unzipped(body: Bytes, headers: &HeaderMap, bytes_max: usize) -> Result<Option<Bytes>, Error> {
    let encoding = headers.get(http::header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if !encoding.is_some_and(|encoding| encoding.trim().eq_ignore_ascii_case("gzip")) {
        return Ok(Some(body));
    }
    let mut plain = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(&body[..]).take(bytes_max as u64 + 1);
    let read = reader.read_to_end(&mut plain);
    read.map_err(|_| Error::new("SerializationException", 400, "The body is not encoded as Content-Encoding says."))?;
    Ok((plain.len() <= bytes_max).then(|| plain.into()))
}
