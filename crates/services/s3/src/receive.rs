use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blob::{Blobs, Writer};
use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use wire::checksum::{Algorithm, hex};
use wire::{ByteStream, Error};

use crate::checksums::Checksums;
use crate::error;
use crate::object::{Body, INLINE_BYTES_MAX};

/// The largest body of one PutObject or part: 5 GiB.
pub const BODY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// A body that was taken in and is durable, unless it is inline.
#[derive(Debug)]
pub struct Received {
    pub body: Body,
    pub size: u64,
    pub md5: [u8; 16],
    /// Those that the caller gave, in headers or behind the body, and that were found to be right.
    pub checksums: Checksums,
}

impl Received {
    pub fn etag(&self) -> String {
        hex(&self.md5)
    }
}

/// Reads a body to its end: a short one into memory, a longer one into a blob. With `whole` it becomes a blob in
/// any case, to be a part of a larger one.
pub async fn receive(blobs: &Blobs, body: Option<ByteStream>, whole: bool) -> Result<Received, Error> {
    let mut stream = body.unwrap_or_else(ByteStream::empty);
    let verified = stream.verified();
    let mut intake = Intake { blobs, short: BytesMut::new(), writer: None, md5: Md5::new(), size: 0 };
    if whole {
        intake.begin_blob().await?;
    }
    while let Some(chunk) = stream.chunk().await {
        intake.take(chunk?).await?;
    }
    let checksums = verified.checksums().iter().filter(|(algorithm, _)| *algorithm != Algorithm::Md5);
    let checksums = checksums.map(|(algorithm, value)| (algorithm.name().to_owned(), value.clone())).collect();
    intake.finish(checksums).await
}

/// Fails where the caller said another MD5 than the body has.
pub fn check_md5(received: &Received, said: Option<&str>) -> Result<(), Error> {
    let Some(said) = said else { return Ok(()) };
    let wrong = || Error::new("InvalidDigest", 400, "The Content-MD5 you specified was invalid.");
    let digest = STANDARD.decode(said).map_err(|_| wrong())?;
    if digest.len() != 16 {
        return Err(wrong());
    }
    if digest != received.md5 {
        let message = "The Content-MD5 you specified did not match what we received.";
        return Err(Error::new("BadDigest", 400, message)
            .with("ExpectedDigest", said)
            .with("CalculatedDigest", STANDARD.encode(received.md5)));
    }
    Ok(())
}

struct Intake<'a> {
    blobs: &'a Blobs,
    short: BytesMut,
    writer: Option<Writer>,
    md5: Md5,
    size: u64,
}

impl Intake<'_> {
    async fn begin_blob(&mut self) -> Result<(), Error> {
        self.writer = Some(self.blobs.writer().await.map_err(error::internal)?);
        let short = self.short.split().freeze();
        self.write(short).await
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.size += chunk.len() as u64;
        if self.size > BODY_BYTES_MAX {
            let message = "Your proposed upload exceeds the maximum allowed size";
            return Err(Error::new("EntityTooLarge", 400, message)
                .with("ProposedSize", self.size)
                .with("MaxSizeAllowed", BODY_BYTES_MAX));
        }
        self.md5.update(&chunk);
        if self.writer.is_none() && self.short.len() + chunk.len() > INLINE_BYTES_MAX {
            self.begin_blob().await?;
        }
        if self.writer.is_some() {
            return self.write(chunk).await;
        }
        self.short.extend_from_slice(&chunk);
        Ok(())
    }

    async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        match &mut self.writer {
            Some(writer) if !chunk.is_empty() => writer.write(chunk).await.map_err(error::internal),
            _ => Ok(()),
        }
    }

    async fn finish(self, checksums: Checksums) -> Result<Received, Error> {
        let body = match self.writer {
            Some(writer) => Body::Blob(writer.finish().await.map_err(error::internal)?),
            None => Body::Inline(self.short.freeze()),
        };
        Ok(Received { body, size: self.size, md5: self.md5.finalize().into(), checksums })
    }
}
