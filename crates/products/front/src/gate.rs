use std::net::IpAddr;

use http::{HeaderMap, StatusCode, header};

use crate::admin::{AdminResponse, PREFIX};

/// What of the admin API is answered to functions: the packages to which `GetFunction` points.
const OPEN_TO_FUNCTIONS: &str = "code";

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Whoever reached the port.
    Outside,
    /// A function inside its sandbox. It has AWS's APIs, but does not operate Kobel.
    Function,
}

/// Why a request may not use the admin API, if it may not.
///
/// The admin API asks nobody who they are, so it is kept from functions, and from the pages that a browser on this
/// machine shows: those of another origin, and those whose name leads to this machine (DNS rebinding).
pub(crate) fn refusal(peer: Peer, path: &str, headers: &HeaderMap) -> Option<AdminResponse> {
    let reason = reason(peer, path, headers)?;
    Some(AdminResponse::error(StatusCode::FORBIDDEN, reason))
}

fn reason(peer: Peer, path: &str, headers: &HeaderMap) -> Option<&'static str> {
    let rest = path.strip_prefix(PREFIX).unwrap_or_default();
    let name = rest.split_once('/').map_or(rest, |(name, _)| name);
    if peer == Peer::Function && name != OPEN_TO_FUNCTIONS {
        return Some("Functions may not use the admin API.");
    }
    // Clients of HTTP/1.0 send no host; browsers always do.
    let host = match headers.get(header::HOST) {
        Some(host) => host.to_str().unwrap_or_default(),
        None => "localhost",
    };
    if !is_local(host) {
        return Some("The admin API is reached by `localhost` or an IP address only.");
    }
    let is_foreign = |origin: &http::HeaderValue| origin.as_bytes() != format!("http://{host}").as_bytes();
    if headers.get_all(header::ORIGIN).iter().any(is_foreign) {
        return Some("The admin API does not answer pages of other origins.");
    }
    None
}

/// Whether a host is no name that somebody else's DNS could lead here.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(peer: Peer, path: &str, pairs: &[(header::HeaderName, &str)]) -> bool {
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header's value")));
        refusal(peer, path, &pairs.collect()).is_some()
    }

    #[test]
    fn functions_are_given_packages_only() {
        let host = [(header::HOST, "127.0.0.1:4566")];
        assert!(!is_refused(Peer::Function, "/_kobel/code/abc", &host));
        for path in ["/_kobel/time", "/_kobel/api/s3/ListBuckets", "/_kobel/codes", "/_kobel/", "/_kobel/%63ode/abc"] {
            assert!(is_refused(Peer::Function, path, &host), "{path}");
            assert!(!is_refused(Peer::Outside, path, &host), "{path}");
        }
    }

    #[test]
    fn names_that_dns_could_lead_here_are_refused() {
        for host in
            ["localhost", "LOCALHOST:4566", "kobel.localhost:4566", "127.0.0.1:4566", "[::1]:4566", "10.0.0.7:1"]
        {
            assert!(!is_refused(Peer::Outside, "/_kobel/time", &[(header::HOST, host)]), "{host}");
        }
        for host in ["evil.example", "evil.example:4566", "localhost.evil.example", "127.0.0.1.evil.example:80", ""] {
            assert!(is_refused(Peer::Outside, "/_kobel/time", &[(header::HOST, host)]), "{host}");
        }
        assert!(!is_refused(Peer::Outside, "/_kobel/time", &[]));
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let with = |origin| [(header::HOST, "127.0.0.1:4566"), (header::ORIGIN, origin)];
        assert!(!is_refused(Peer::Outside, "/_kobel/time", &with("http://127.0.0.1:4566")));
        for origin in ["http://evil.example", "null", "http://127.0.0.1:8000", "https://127.0.0.1:4566"] {
            assert!(is_refused(Peer::Outside, "/_kobel/time", &with(origin)), "{origin}");
        }
    }
}
