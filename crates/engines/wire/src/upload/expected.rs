use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use crate::Error;
use crate::checksum::{Algorithm, Hasher, hex};

/// One checksum that a request promises of its body.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) algorithm: Algorithm,
    pub(super) source: Source,
    hasher: Hasher,
}

/// Where the promised value stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In a header: base64.
    Header(String),
    /// After the body.
    Trailer,
    /// `Content-MD5`.
    ContentMd5(String),
    /// `x-amz-content-sha256`: hexadecimal.
    Payload(String),
}

/// What a request's headers promise.
pub(super) fn of(headers: &HeaderMap) -> Result<Vec<Expected>, Error> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let mut expected = Vec::new();
    for algorithm in crate::checksum::ALGORITHMS {
        let Some(value) = text(algorithm.header()) else { continue };
        if STANDARD.decode(value).map(|bytes| bytes.len()) != Ok(algorithm.bytes()) {
            let message = format!("Value for {} header is invalid.", algorithm.header());
            return Err(Error::new("InvalidRequest", 400, message));
        }
        expected.push(Expected::new(algorithm, Source::Header(value.to_owned())));
    }
    if let Some(name) = headers.keys().find(|name| is_unknown(name.as_str())) {
        return Err(unknown_algorithm(name.as_str()));
    }
    for name in text("x-amz-trailer").into_iter().flat_map(|names| names.split(',')) {
        let name = name.trim().to_ascii_lowercase();
        match Algorithm::of_header(&name) {
            Some(algorithm) => expected.push(Expected::new(algorithm, Source::Trailer)),
            None if name.starts_with("x-amz-checksum-") => return Err(unknown_algorithm(&name)),
            None => {}
        }
    }
    if let Some(value) = text("content-md5") {
        if STANDARD.decode(value).map(|bytes| bytes.len()) != Ok(16) {
            let error = Error::new("InvalidDigest", 400, "The Content-MD5 you specified was invalid.");
            return Err(error.with("Content-MD5", value));
        }
        expected.push(Expected::new(Algorithm::Md5, Source::ContentMd5(value.to_owned())));
    }
    if let Some(value) = text("x-amz-content-sha256").filter(|value| value.len() == 64) {
        expected.push(Expected::new(Algorithm::Sha256, Source::Payload(value.to_ascii_lowercase())));
    }
    Ok(expected)
}

/// Whether a request promises something of its body by which S3 may check it.
pub(super) fn promises_checksum(headers: &HeaderMap) -> bool {
    let checksum = |name: &str| name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-type";
    headers.contains_key("content-md5")
        || headers.contains_key("x-amz-trailer")
        || headers.keys().any(|name| checksum(name.as_str()))
}

/// Whether a header carries a checksum of an algorithm that Kobel does not compute.
fn is_unknown(header: &str) -> bool {
    const NO_VALUES: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];
    header.starts_with("x-amz-checksum-") && !NO_VALUES.contains(&header) && Algorithm::of_header(header).is_none()
}

fn unknown_algorithm(header: &str) -> Error {
    Error::new("NotImplemented", 501, format!("Kobel does not compute the checksum in {header}."))
}

impl Expected {
    fn new(algorithm: Algorithm, source: Source) -> Expected {
        Expected { algorithm, source, hasher: Hasher::new(algorithm) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Compares, and gives the value in base64.
    pub(super) fn finish(self, trailers: &[(String, String)]) -> Result<String, Error> {
        let actual = self.hasher.finish();
        let encoded = STANDARD.encode(&actual);
        let algorithm = self.algorithm;
        match self.source {
            Source::Header(wanted) if wanted != encoded => Err(bad_digest(algorithm)),
            Source::Trailer => match trailers.iter().find(|(name, _)| name == algorithm.header()) {
                Some((_, wanted)) if *wanted == encoded => Ok(encoded),
                Some(_) => Err(bad_digest(algorithm)),
                None => {
                    let message = format!("The trailer {} is missing.", algorithm.header());
                    Err(Error::new("MalformedTrailerError", 400, message))
                }
            },
            Source::ContentMd5(wanted) if wanted != encoded => {
                let message = "The Content-MD5 you specified did not match what we received.";
                let error = Error::new("BadDigest", 400, message).with("ExpectedDigest", wanted);
                Err(error.with("CalculatedDigest", encoded))
            }
            Source::Payload(wanted) if wanted != hex(&actual) => {
                let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
                let error = Error::new("XAmzContentSHA256Mismatch", 400, message);
                Err(error.with("ClientComputedContentSHA256", wanted).with("S3ComputedContentSHA256", hex(&actual)))
            }
            _ => Ok(encoded),
        }
    }
}

fn bad_digest(algorithm: Algorithm) -> Error {
    let message = format!("The {} you specified did not match the calculated checksum.", algorithm.name());
    Error::new("BadDigest", 400, message)
}
