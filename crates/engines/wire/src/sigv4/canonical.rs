use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Signature;

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parts of a request that its signature covers, as they came.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Raw.
    pub path: &'a str,
    /// Raw, without `?`.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    /// `x-amz-content-sha256`, or the hash of the body, or `UNSIGNED-PAYLOAD`.
    pub payload_hash: &'a str,
}

impl Request<'_> {
    /// The canonical request.
    pub fn canonical(&self, signature: &Signature) -> String {
        let mut names: Vec<&str> = signature.signed_headers.iter().map(String::as_str).collect();
        names.sort_unstable();
        let mut text = format!("{}\n{}\n{}\n", self.method, self.uri(&signature.credential.service), self.parameters());
        for name in &names {
            text.push_str(name);
            text.push(':');
            let values: Vec<String> = self.headers.get_all(*name).iter().map(|v| trimmed(v.as_bytes())).collect();
            text.push_str(&values.join(","));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&names.join(";"));
        text.push('\n');
        text.push_str(self.payload_hash);
        text
    }

    /// S3 encodes once and does not normalise; all others encode what is encoded already.
    fn uri(&self, service: &str) -> String {
        if service == "s3" {
            let segments = self.path.split('/').map(|segment| encode(&percent_decode_str(segment).collect::<Vec<_>>()));
            return non_empty(segments.collect::<Vec<_>>().join("/"));
        }
        let mut kept: Vec<&str> = Vec::new();
        for segment in self.path.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    kept.pop();
                }
                _ => kept.push(segment),
            }
        }
        let mut uri: String = kept.iter().flat_map(|segment| ["/".to_owned(), encode(segment.as_bytes())]).collect();
        if self.path.ends_with('/') && !kept.is_empty() {
            uri.push('/');
        }
        non_empty(uri)
    }

    fn parameters(&self) -> String {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let mut pairs: Vec<(String, String)> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter(|(name, _)| *name != "X-Amz-Signature")
            .map(|(name, value)| (recode(name), recode(value)))
            .collect();
        pairs.sort();
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }
}

fn recode(text: &str) -> String {
    encode(&percent_decode_str(text).collect::<Vec<_>>())
}

fn encode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => utf8_percent_encode(text, RESERVED).to_string(),
        Err(_) => percent_encoding::percent_encode(bytes, RESERVED).to_string(),
    }
}

fn non_empty(uri: String) -> String {
    if uri.is_empty() { "/".to_owned() } else { uri }
}

/// Trimmed, and with single spaces inside.
fn trimmed(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
