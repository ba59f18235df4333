//! What a subscriber asks for, and which events that are.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::buffer::Limits;
use super::{Record, TelemetryEvent};
use crate::session::RUNTIME_API_PORT;

/// The names of the environment itself, as it knows them.
const HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];
/// What only the Telemetry API tells.
const TELEMETRY_ONLY: [&str; 4] =
    ["platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.telemetrySubscription"];
/// What only the Logs API tells.
const LOGS_ONLY: [&str; 3] = ["platform.end", "platform.fault", "platform.logsSubscription"];

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Telemetry,
    Logs,
}

/// What a subscriber asks for.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) api: Api,
    /// `platform`, `function`, `extension`
    pub(super) types: Vec<String>,
    pub(super) limits: Limits,
    pub(super) destination: Destination,
    /// Log records in JSON are told as objects, not as texts.
    objects: bool,
}

/// Where its events go, inside the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Http { method: String, authority: String, port: u16, path: String },
    Tcp { port: u16 },
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "schemaVersion")]
    schema_version: Option<String>,
    types: Option<Vec<String>>,
    #[serde(default)]
    buffering: Buffering,
    destination: Option<Target>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Buffering {
    max_items: Option<u64>,
    max_bytes: Option<u64>,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Target {
    protocol: Option<String>,
    #[serde(rename = "URI")]
    uri: Option<String>,
    method: Option<String>,
    encoding: Option<String>,
    port: Option<u16>,
}

impl Subscription {
    /// Reads the body of a request; the error is a sentence for the subscriber.
    pub(super) fn parse(api: Api, body: &[u8]) -> Result<Subscription, String> {
        let body: Body =
            serde_json::from_slice(body).map_err(|error| format!("The body is no subscription: {error}"))?;
        let schema_version = schema_of(api, body.schema_version)?;
        let types = body.types.unwrap_or_default();
        if types.is_empty() {
            return Err("types must name at least one of platform, function, extension".to_owned());
        }
        if let Some(other) = types.iter().find(|name| !["platform", "function", "extension"].contains(&name.as_str())) {
            return Err(format!("types: `{other}` is none of platform, function, extension"));
        }
        let items_default = if api == Api::Telemetry { 1_000 } else { 10_000 };
        let Buffering { max_items, max_bytes, timeout_ms } = body.buffering;
        let limits = Limits {
            items_max: within("maxItems", max_items, items_default, 1_000, 10_000)? as usize,
            bytes_max: within("maxBytes", max_bytes, 262_144, 262_144, 1_048_576)? as usize,
            timeout: Duration::from_millis(within("timeoutMs", timeout_ms, 1_000, 25, 30_000)?),
        };
        let destination = body.destination.ok_or("destination is missing")?.resolve(api)?;
        let objects = api == Api::Telemetry && schema_version.as_str() >= "2022-12-13";
        Ok(Subscription { api, types, limits, destination, objects })
    }

    /// The event as JSON, if it is one that was asked for.
    pub(super) fn render(&self, event: &TelemetryEvent) -> Option<Bytes> {
        let others = if self.api == Api::Telemetry { &LOGS_ONLY[..] } else { &TELEMETRY_ONLY };
        let family = event.kind.split('.').next().unwrap_or_default();
        if others.contains(&event.kind) || !self.types.iter().any(|wanted| wanted == family) {
            return None;
        }
        let record = match &event.record {
            Record::Object(value) => value.clone(),
            Record::Line { text, json } => {
                let object = (*json && self.objects).then(|| serde_json::from_str(text).ok().filter(Value::is_object));
                object.flatten().unwrap_or_else(|| text.as_str().into())
            }
        };
        Some(json!({"time": event.time, "type": event.kind, "record": record}).to_string().into())
    }
}

fn schema_of(api: Api, version: Option<String>) -> Result<String, String> {
    let known: &[&str] = match api {
        Api::Telemetry => &["2022-07-01", "2022-12-13", "2025-01-29"],
        Api::Logs => &["2020-08-15", "2021-03-18"],
    };
    match version {
        Some(version) if known.contains(&version.as_str()) => Ok(version),
        // The first version of the Logs API had no member for it.
        None if api == Api::Logs => Ok("2020-08-15".to_owned()),
        other => Err(format!("schemaVersion must be one of {}, not {other:?}", known.join(", "))),
    }
}

fn within(name: &str, value: Option<u64>, default: u64, least: u64, most: u64) -> Result<u64, String> {
    let value = value.unwrap_or(default);
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => Err(format!("buffering.{name} must be between {least} and {most}, not {value}")),
    }
}

impl Target {
    fn resolve(self, api: Api) -> Result<Destination, String> {
        let port_of = |port: u16| match port {
            0 | RUNTIME_API_PORT => Err(format!("destination: port {port} cannot be used")),
            port => Ok(port),
        };
        match self.protocol.as_deref() {
            Some("HTTP") => {
                let uri = self.uri.ok_or("destination.URI is missing")?;
                let parsed: hyper::Uri = uri.parse().map_err(|error| format!("destination.URI `{uri}`: {error}"))?;
                let authority = parsed.authority().filter(|_| parsed.scheme_str() == Some("http"));
                let authority = authority.ok_or_else(|| format!("destination.URI `{uri}` must begin with http://"))?;
                if !HOSTS.contains(&authority.host()) {
                    return Err(format!("destination.URI `{uri}`: the host must be sandbox.localdomain"));
                }
                if self.encoding.as_deref().is_some_and(|encoding| encoding != "JSON") {
                    return Err("destination.encoding must be JSON".to_owned());
                }
                let method = self.method.unwrap_or_else(|| "POST".to_owned());
                if method != "POST" && (api == Api::Telemetry || method != "PUT") {
                    return Err(format!("destination.method `{method}` cannot be used"));
                }
                let port = port_of(authority.port_u16().unwrap_or(80))?;
                let path = parsed.path_and_query().map_or("/", |path| path.as_str()).to_owned();
                Ok(Destination::Http { method, authority: authority.to_string(), port, path })
            }
            Some("TCP") => Ok(Destination::Tcp { port: port_of(self.port.ok_or("destination.port is missing")?)? }),
            other => Err(format!("destination.protocol must be HTTP or TCP, not {other:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: Value) -> Result<Subscription, String> {
        let mut body = json!({
            "schemaVersion": "2022-12-13",
            "types": ["platform", "function"],
            "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/here"},
        });
        for (name, value) in change.as_object().expect("an object") {
            body[name] = value.clone();
        }
        Subscription::parse(Api::Telemetry, body.to_string().as_bytes())
    }

    #[test]
    fn has_lambdas_defaults() {
        let subscription = asked(json!({})).expect("valid");
        assert_eq!((subscription.limits.items_max, subscription.limits.bytes_max), (1_000, 262_144));
        assert_eq!(subscription.limits.timeout, Duration::from_secs(1));
        let Destination::Http { method, port, path, .. } = subscription.destination else { panic!("HTTP") };
        assert_eq!((method.as_str(), port, path.as_str()), ("POST", 8080, "/here"));
    }

    #[test]
    fn refuses_what_is_out_of_range() {
        let http = |uri: &str| json!({"destination": {"protocol": "HTTP", "URI": uri}});
        let cases = [
            (json!({"schemaVersion": "2019-01-01"}), "schemaVersion"),
            (json!({"types": []}), "types"),
            (json!({"types": ["metrics"]}), "`metrics`"),
            (json!({"buffering": {"maxItems": 999}}), "buffering.maxItems must be between 1000 and 10000, not 999"),
            (json!({"buffering": {"maxBytes": 1_048_577}}), "buffering.maxBytes"),
            (json!({"buffering": {"timeoutMs": 24}}), "buffering.timeoutMs"),
            (http("http://example.com:8080"), "the host must be sandbox.localdomain"),
            (http("https://sandbox.localdomain:8080"), "must begin with http://"),
            (http("http://sandbox.localdomain:9001"), "port 9001"),
            (json!({"destination": {"protocol": "TCP"}}), "destination.port is missing"),
            (json!({"destination": {"protocol": "UDP", "port": 1}}), "HTTP or TCP"),
        ];
        for (change, expected) in cases {
            let error = asked(change.clone()).expect_err(&change.to_string());
            assert!(error.contains(expected), "{change}: {error}");
        }
    }

    #[test]
    fn tells_what_was_asked_for_in_its_form() {
        let telemetry = asked(json!({})).expect("valid");
        let old = asked(json!({"schemaVersion": "2022-07-01"})).expect("valid");
        let line = |kind, text: &str| TelemetryEvent {
            time: "t".to_owned(),
            kind,
            record: Record::Line { text: text.to_owned(), json: true },
        };
        let text = |bytes: Option<Bytes>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let function = line("function", r#"{"a": 1}"#);
        let object = r#"{"time":"t","type":"function","record":{"a":1}}"#;
        assert_eq!(text(telemetry.render(&function)).as_deref(), Some(object));
        let string = r#"{"time":"t","type":"function","record":"{\"a\": 1}"}"#;
        assert_eq!(text(old.render(&function)).as_deref(), Some(string));
        let plain = r#"{"time":"t","type":"function","record":"plain"}"#;
        assert_eq!(text(telemetry.render(&line("function", "plain"))).as_deref(), Some(plain));
        assert_eq!(text(telemetry.render(&line("extension", "plain"))), None);
        assert_eq!(text(telemetry.render(&line("platform.end", "plain"))), None);
    }
}
