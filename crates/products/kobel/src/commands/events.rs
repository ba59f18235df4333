use std::collections::BTreeMap;

use serde_json::Value;

use super::Error;
use crate::client::Client;
use crate::{cli, print};

/// How many traces are listed.
const TRACES_SHOWN: usize = 20;

pub async fn run(events: cli::Events) -> Result<(), Error> {
    let client = Client::new(&events.endpoint.endpoint, base::Region::DEFAULT)?;
    if events.follow {
        let mut lines = client.lines("/_kobel/events?follow").await?;
        while let Some(event) = lines.next().await? {
            print::line(&format!("{} {}", text(&event, "root"), step(&event)));
        }
        return Ok(());
    }
    let Some(id) = events.id else {
        let found = client.get("/_kobel/events?count=10000").await?;
        list(found["events"].as_array().map(Vec::as_slice).unwrap_or_default());
        return Ok(());
    };
    let id = percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC);
    let found = client.get(&format!("/_kobel/events?root={id}")).await?;
    let found = found["events"].as_array().cloned().unwrap_or_default();
    for line in tree(&found, events.payloads) {
        print::line(&line);
    }
    Ok(())
}

/// The newest traces, each by its first step and how many there are.
fn list(events: &[Value]) {
    let mut traces: BTreeMap<&str, (&Value, usize)> = BTreeMap::new();
    for event in events {
        let entry = traces.entry(event["root"].as_str().unwrap_or_default()).or_insert((event, 0));
        entry.1 += 1;
        if event["at"].as_i64() < entry.0["at"].as_i64() {
            entry.0 = event;
        }
    }
    let mut newest: Vec<_> = traces.into_iter().collect();
    newest.sort_by_key(|(_, (first, _))| std::cmp::Reverse(first["at"].as_i64()));
    for (root, (first, count)) in newest.into_iter().take(TRACES_SHOWN) {
        let more = if count > 1 { format!(" (+{} more)", count - 1) } else { String::new() };
        print::line(&format!("{root} {}{}", step(first), print::dim(&more)));
    }
}

/// The steps of a trace, each below what caused it, in the order in which they began.
fn tree(events: &[Value], payloads: bool) -> Vec<String> {
    let mut children: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    let spans: Vec<&str> = events.iter().filter_map(|event| event["span"].as_str()).collect();
    for event in events {
        // A cause that is not (yet) known leaves a step at the top.
        let parent = event["parent"].as_str().filter(|parent| spans.contains(parent)).unwrap_or_default();
        children.entry(parent).or_default().push(event);
    }
    children.values_mut().for_each(|steps| steps.sort_by_key(|event| event["at"].as_i64()));
    let mut lines = Vec::new();
    for first in children.get("").map(Vec::as_slice).unwrap_or_default() {
        lines.push(format!("{} {}", text(first, "root"), step(first)));
        if payloads {
            lines.extend(payload_of(first, "   "));
        }
        draw(&children, first["span"].as_str().unwrap_or_default(), "", payloads, &mut lines);
    }
    lines
}

fn payload_of(event: &Value, indent: &str) -> Option<String> {
    let payload = text(event, "payload");
    (!payload.is_empty()).then(|| format!("{indent}{}", print::dim(&payload)))
}

fn draw(children: &BTreeMap<&str, Vec<&Value>>, parent: &str, indent: &str, payloads: bool, lines: &mut Vec<String>) {
    if parent.is_empty() {
        return;
    }
    let steps = children.get(parent).map(Vec::as_slice).unwrap_or_default();
    for (at, event) in steps.iter().enumerate() {
        let last = at + 1 == steps.len();
        let (branch, further) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(format!("{indent}{branch}{}", step(event)));
        if payloads {
            lines.extend(payload_of(event, &format!("{indent}{further}   ")));
        }
        let span = event["span"].as_str().unwrap_or_default();
        draw(children, span, &format!("{indent}{further}"), payloads, lines);
    }
}

/// One step: when, what, to what, how it went, how long it took.
fn step(event: &Value) -> String {
    let at = base::Timestamp::from_micros(event["at"].as_i64().unwrap_or(0));
    let outcome = text(event, "outcome");
    let took = event["duration_us"].as_f64().unwrap_or(0.0) / 1_000.0;
    let detail = text(event, "detail");
    format!(
        "{} {}:{} {} {} {} {}",
        at.format("%H:%M:%S.%3f"),
        text(event, "service"),
        text(event, "action"),
        text(event, "resource"),
        print::verdict(&outcome, outcome == "ok"),
        print::dim(&format!("{took:.1} ms")),
        print::dim(&detail),
    )
}

fn text(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_stand_below_their_causes() {
        let event = |span: &str, parent: Option<&str>, at: i64, action: &str| {
            json!({"root": "1-a", "span": span, "parent": parent, "at": at, "service": "s", "action": action,
                   "outcome": "ok", "duration_us": 1500})
        };
        let events = [
            event("c", Some("b"), 3, "third"),
            event("a", None, 1, "first"),
            event("d", Some("a"), 4, "fourth"),
            event("b", Some("a"), 2, "second"),
            event("e", Some("unknown"), 5, "fifth"),
        ];
        let word = |line: &str| line.split(' ').find(|word| word.starts_with("s:")).map(str::to_owned);
        let branch = |line: &str| line.chars().take_while(|c| !c.is_ascii_digit()).collect::<String>();
        let lines = tree(&events, false);
        let shape: Vec<String> = lines.iter().map(|line| branch(line) + &word(line).unwrap_or_default()).collect();
        assert_eq!(shape, ["s:first", "├─ s:second", "│  └─ s:third", "└─ s:fourth", "s:fifth"]);
    }
}
