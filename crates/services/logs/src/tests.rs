use std::sync::Arc;

use base::{Entropy, Scope, Timestamp};
use blob::Blobs;
use clock::Clock;
use fabric::{Fabric, Parts};
use model_logs as model;
use store::Memory;
use wire::{Error, Operation, Shaped};

use crate::Logs;

const START: Timestamp = Timestamp::from_secs(1_700_000_000);

fn open(store: Memory) -> Fabric {
    let parts = Parts {
        clock: Clock::virtual_from(START),
        entropy: Entropy::seeded(1),
        store: Arc::new(store),
        blobs: Blobs::memory(Entropy::seeded(2)),
        journal: None,
        origin: "http://127.0.0.1:4566".into(),
    };
    let fabric = Fabric::weave(parts).expect("woven");
    Logs::open(fabric.clone()).plug();
    fabric
}

async fn call<O: Operation>(fabric: &Fabric, input: O::Input) -> Result<O::Output, Error> {
    let call = fabric.call_from("lambda", Scope::default(), fabric.begin_trace());
    let api = fabric.plugs.api("logs").expect("plugged in");
    let reply = api.call(O::SCHEMA.name, call, input.into_fields()).await?;
    Ok(O::Output::from_fields(reply.output).expect("an output"))
}

async fn prepare(fabric: &Fabric) {
    let group = model::CreateLogGroupRequest { log_group_name: "g".into(), ..Default::default() };
    call::<model::CreateLogGroup>(fabric, group).await.expect("created");
    let stream = model::CreateLogStreamRequest { log_group_name: "g".into(), log_stream_name: "s".into() };
    call::<model::CreateLogStream>(fabric, stream).await.expect("created");
}

async fn put(fabric: &Fabric, messages: &[&str], offset_ms: i64) {
    let event = |(at, message): (usize, &&str)| model::InputLogEvent {
        timestamp: START.millis() + offset_ms + at as i64,
        message: (*message).to_owned(),
    };
    let input = model::PutLogEventsRequest {
        log_group_name: "g".into(),
        log_stream_name: "s".into(),
        log_events: messages.iter().enumerate().map(event).collect(),
        sequence_token: None,
    };
    call::<model::PutLogEvents>(fabric, input).await.expect("put");
}

#[tokio::test]
async fn pages_forward_and_backward_meet() {
    let fabric = open(Memory::new());
    prepare(&fabric).await;
    put(&fabric, &["c", "d"], 10).await;
    put(&fabric, &["a", "b", "e"], 0).await;
    let read = async |token: Option<String>, from_head: bool| {
        let input = model::GetLogEventsRequest {
            log_group_name: Some("g".into()),
            log_stream_name: "s".into(),
            limit: Some(2),
            next_token: token,
            start_from_head: Some(from_head),
            ..Default::default()
        };
        let reply = call::<model::GetLogEvents>(&fabric, input).await.expect("read");
        let events = reply.events.expect("events").into_iter().map(|event| event.message.expect("text"));
        (events.collect::<String>(), reply.next_forward_token, reply.next_backward_token)
    };
    let (first, forward, _) = read(None, true).await;
    let (second, forward, backward) = read(forward, true).await;
    let (third, forward, _) = read(forward, true).await;
    let (end, same, _) = read(forward.clone(), true).await;
    assert_eq!((first.as_str(), second.as_str(), third.as_str(), end.as_str()), ("ab", "ec", "d", ""));
    assert_eq!(same, forward, "the same token again is the end");
    assert_eq!(read(backward, false).await.0, "ab");
    assert_eq!(read(None, false).await.0, "cd");
}

#[tokio::test]
async fn a_restart_finds_events_and_a_deleted_group_leaves_no_row() {
    let store = Memory::new();
    let fabric = open(store.clone());
    prepare(&fabric).await;
    put(&fabric, &["kept"], 0).await;
    let again = open(store.after_power_loss());
    let filter = model::FilterLogEventsRequest { log_group_name: Some("g".into()), ..Default::default() };
    let found = call::<model::FilterLogEvents>(&again, filter).await.expect("filtered").events.expect("events");
    assert_eq!(found[0].message.as_deref(), Some("kept"));
    let delete = model::DeleteLogGroupRequest { log_group_name: "g".into() };
    call::<model::DeleteLogGroup>(&again, delete).await.expect("deleted");
    let rows = again.store.range(store::Range::prefix("logs/")).await.expect("read");
    let left: Vec<_> = rows.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
    assert_eq!(left, ["logs/000000000000/us-east-1/number"]);
}

#[tokio::test]
async fn the_newest_events_are_read_from_several_rows() {
    let fabric = open(Memory::new());
    prepare(&fabric).await;
    for (message, offset_ms) in [("a", 0), ("d", 30), ("b", 10), ("c", 20)] {
        put(&fabric, &[message], offset_ms).await;
    }
    let input = model::GetLogEventsRequest {
        log_group_name: Some("g".into()),
        log_stream_name: "s".into(),
        limit: Some(2),
        ..Default::default()
    };
    let events = call::<model::GetLogEvents>(&fabric, input).await.expect("read").events.expect("events");
    let messages: Vec<_> = events.into_iter().filter_map(|event| event.message).collect();
    assert_eq!(messages, ["c", "d"]);
}
