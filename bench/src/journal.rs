//! What the server's journal tells of invocations: the same moments, seen from inside.

use std::collections::HashMap;

use serde_json::Value;

use crate::connection::Connection;
use crate::request::Request;

/// The most invocations of which is asked at once: the server tells 10,000 events, and each invocation makes two.
pub const INVOCATIONS_MAX: usize = 4_000;
/// Other events than these two are few.
const EVENTS_PER_INVOCATION: usize = 2;
const OTHERS: usize = 50;

/// How an environment started that was started ahead of its first invocation.
pub const STANDBY: &str = "standby";

/// An invocation as the server saw it.
#[derive(Debug, Clone)]
pub struct Told {
    /// From the event's hand-over to the response; with the init phase before it, if there was one.
    pub us: f64,
    /// How the environment started: `exec`, `stem`, `standby`, …; `None` where it had served before.
    pub started: Option<String>,
}

/// The newest invocations, `count` or some more, by their request ids.
pub fn newest(client: &mut Connection, count: usize) -> Result<HashMap<String, Told>, String> {
    let found = client.json(&Request::events(count * EVENTS_PER_INVOCATION + OTHERS))?;
    let events = found["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(events.iter().filter(|event| event["action"] == "invoke").filter_map(told).collect())
}

/// Whether an environment of the function has been started ahead, and stands by.
pub fn stands_by(client: &mut Connection, function: &str) -> Result<bool, String> {
    let found = client.json(&Request::events(OTHERS))?;
    let events = found["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = format!(":function:{function}:");
    Ok(events
        .iter()
        .any(|event| event["action"] == "init" && event["resource"].as_str().is_some_and(|arn| arn.contains(&name))))
}

fn told(event: &Value) -> Option<(String, Told)> {
    let detail = event["detail"].as_str()?;
    let request_id = detail.split("request ").nth(1)?.to_owned();
    let by = detail.split(" ms by ").nth(1).and_then(|rest| rest.split([' ', ';']).next());
    let ahead = detail.contains(" ms, from standby;").then_some(STANDBY);
    let started = by.or(ahead).map(str::to_owned);
    Some((request_id, Told { us: event["duration_us"].as_f64()?, started }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_how_an_environment_started() {
        let of = |detail: &str| told(&json!({"detail": detail, "duration_us": 7})).map(|(id, told)| (id, told.started));
        let stem = Some(("1-2".to_owned(), Some("stem".to_owned())));
        assert_eq!(of("0.10 ms, init 3.20 ms by stem; request 1-2"), stem);
        assert_eq!(of("0.10 ms; request 1-2"), Some(("1-2".to_owned(), None)));
        let exec = Some(("1-2".to_owned(), Some("exec".to_owned())));
        assert_eq!(of("0.10 ms, init 3.20 ms by exec (its stem boots); request 1-2"), exec);
        let standby = Some(("1-2".to_owned(), Some("standby".to_owned())));
        assert_eq!(of("0.10 ms, from standby; request 1-2"), standby);
        assert_eq!(of("something else"), None);
    }
}
