//! What a registry wants to see before it answers, and how its token service is asked.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A `WWW-Authenticate` header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    pub(super) fn parse(header: &str) -> Option<Challenge> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let value = |name: &str| Some(parameters.iter().find(|(found, _)| found == name)?.1.clone());
        Some(Challenge::Bearer { realm: value("realm")?, service: value("service"), scope: value("scope") })
    }
}

/// `name="value"`, with commas between; a comma within quotes belongs to the value.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((name, value.to_owned()));
        rest = after;
    }
    found
}

/// Where to ask for a token; none if the realm is no URL.
pub(super) fn token_url(realm: &str, service: Option<&str>, scope: &str) -> Option<String> {
    if !realm.starts_with("https://") && !realm.starts_with("http://") {
        return None;
    }
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let mark = if realm.contains('?') { '&' } else { '?' };
    let service = service.map(|service| format!("service={}&", encoded(service))).unwrap_or_default();
    Some(format!("{realm}{mark}{service}scope={}", encoded(scope)))
}

/// The token of an answer, which has either of two names.
pub(super) fn token(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let token = body["token"].as_str().or(body["access_token"].as_str())?;
    (!token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_registries_ask_for() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.docker.io/token".to_owned(),
            service: Some("registry.docker.io".to_owned()),
            scope: Some("repository:a/b:pull,push".to_owned()),
        };
        assert_eq!(Challenge::parse(hub), Some(expected));
        assert_eq!(Challenge::parse("Basic realm=\"ecr\""), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Bearer service=x"), None, "without a realm");
        assert_eq!(Challenge::parse("Negotiate"), None);
    }

    #[test]
    fn asks_for_a_token() {
        let url = token_url("https://h/token", Some("r.io"), "repository:a/b:pull").expect("a URL");
        assert_eq!(url, "https://h/token?service=r%2Eio&scope=repository%3Aa%2Fb%3Apull");
        assert_eq!(token_url("file:///etc/passwd", None, "s"), None);
        assert_eq!(token(br#"{"access_token": "t"}"#).as_deref(), Some("t"));
        assert_eq!(token(br#"{"token": ""}"#), None);
    }
}
