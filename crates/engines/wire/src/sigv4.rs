//! Signature version 4: who a request says it is from, how long a presigned URL is good, and whether a signature
//! is right. Everything here is pure.

mod canonical;

use std::time::Duration;

use base::Timestamp;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::Parameters;
use crate::checksum::hex;
pub use canonical::Request;

/// The longest that a presigned URL may be good.
pub const EXPIRY_S_MAX: u64 = 604_800;
/// How far a signature's time may be ahead of ours.
pub const SKEW: Duration = Duration::from_secs(15 * 60);

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The credential of a signature: `AKID/20260102/us-east-1/s3/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub access_key: String,
    /// `20260102`.
    pub date: String,
    pub region: String,
    /// The signing name.
    pub service: String,
}

impl Credential {
    pub fn parse(text: &str) -> Option<Credential> {
        // An access key may itself contain slashes; the scope may not.
        let mut parts = text.rsplitn(5, '/');
        let (end, service, region, date) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let access_key = parts.next().filter(|key| !key.is_empty())?;
        (end == "aws4_request" && !service.is_empty()).then(|| Credential {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }

    /// The scope: `20260102/us-east-1/s3/aws4_request`.
    pub fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// A request's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub credential: Credential,
    /// Lower-case header names.
    pub signed_headers: Vec<String>,
    /// Hexadecimal.
    pub signature: String,
    /// `20260102T030405Z`, as sent; empty if the request has no date.
    pub date: String,
    /// Of a presigned URL: how long it is good.
    pub expires_s: Option<u64>,
    pub session_token: Option<String>,
}

/// Why a signature cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the authorization header is malformed")]
    Header,
    #[error("the authorization query parameters are malformed")]
    Query,
    #[error("only one authentication mechanism is allowed")]
    Both,
}

impl Signature {
    /// Reads the signature of a request; `None` if it has none that is of version 4.
    pub fn of(headers: &HeaderMap, query: &Parameters) -> Result<Option<Signature>, Malformed> {
        let header = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let header = header.filter(|value| value.starts_with("AWS4-"));
        let presigned = query.has("X-Amz-Signature") && query.has("X-Amz-Credential");
        match (header, presigned) {
            (None, false) => Ok(None),
            (Some(_), true) => Err(Malformed::Both),
            (Some(header), false) => of_header(header, headers).map(Some).ok_or(Malformed::Header),
            (None, true) => of_query(query).map(Some).ok_or(Malformed::Query),
        }
    }

    /// When it was made.
    pub fn made(&self) -> Option<Timestamp> {
        parse_date(&self.date)
    }

    /// The moment from which a presigned URL is no longer good.
    pub fn expiry(&self) -> Option<Timestamp> {
        Some(self.made()? + Duration::from_secs(self.expires_s?))
    }
}

fn of_header(header: &str, headers: &HeaderMap) -> Option<Signature> {
    let rest = header.split_once(' ')?.1;
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for part in rest.split(',') {
        match part.trim().split_once('=')? {
            ("Credential", value) => credential = Credential::parse(value),
            ("SignedHeaders", value) => signed = Some(value),
            ("Signature", value) => signature = Some(value),
            _ => {}
        }
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Some(Signature {
        credential: credential?,
        signed_headers: signed?.split(';').map(str::to_owned).collect(),
        signature: signature?.to_owned(),
        date: text("x-amz-date").unwrap_or_default(),
        expires_s: None,
        session_token: text("x-amz-security-token"),
    })
}

fn of_query(query: &Parameters) -> Option<Signature> {
    let expires_s = query.get("X-Amz-Expires").map(str::parse).transpose().ok()?;
    if expires_s.is_some_and(|expires_s| expires_s > EXPIRY_S_MAX) {
        return None;
    }
    let date = query.get("X-Amz-Date")?;
    parse_date(date)?;
    Some(Signature {
        credential: Credential::parse(query.get("X-Amz-Credential")?)?,
        signed_headers: query.get("X-Amz-SignedHeaders")?.split(';').map(str::to_owned).collect(),
        signature: query.get("X-Amz-Signature")?.to_owned(),
        date: date.to_owned(),
        expires_s,
        session_token: query.get("X-Amz-Security-Token").map(str::to_owned),
    })
}

/// Reads `20260102T030405Z`.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    let digits = text.is_ascii() && text.len() == 16 && &text[8..9] == "T" && text.ends_with('Z');
    let (day, time) = digits.then(|| (&text[..8], &text[9..15]))?;
    let iso = format!("{}-{}-{}T{}:{}:{}Z", &day[..4], &day[4..6], &day[6..], &time[..2], &time[2..4], &time[4..]);
    Timestamp::parse_iso8601(&iso)
}

/// The key that signs in a credential's scope. It may be kept for the day.
pub fn signing_key(secret: &str, credential: &Credential) -> [u8; 32] {
    let date = hmac(format!("AWS4{secret}").as_bytes(), credential.date.as_bytes());
    let region = hmac(&date, credential.region.as_bytes());
    let service = hmac(&region, credential.service.as_bytes());
    hmac(&service, b"aws4_request")
}

/// Whether `signature` is the one that the holder of `secret` makes for `request`. In constant time.
pub fn verify(request: &Request<'_>, signature: &Signature, secret: &str) -> bool {
    let expected = sign(request, signature, secret);
    let (expected, given) = (expected.as_bytes(), signature.signature.as_bytes());
    expected.len() == given.len() && expected.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// The signature, in hexadecimal, that `secret` makes for `request` over the headers that `signature` names.
pub fn sign(request: &Request<'_>, signature: &Signature, secret: &str) -> String {
    let key = signing_key(secret, &signature.credential);
    hex(&hmac(&key, string_to_sign(request, signature).as_bytes()))
}

/// What is signed; S3 shows it to a caller whose signature is wrong.
pub fn string_to_sign(request: &Request<'_>, signature: &Signature) -> String {
    let canonical = request.canonical(signature);
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    format!("{ALGORITHM}\n{}\n{}\n{digest}", signature.date, signature.credential.scope())
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
