use serde_json::{Value, json};

use crate::registry::FunctionSettings;
use crate::staged::{DEAD, FAILED, PASSED, Stage};

fn record(letter: &fabric::Delivery) -> Value {
    serde_json::from_slice(&letter.payload).expect("a record")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_event_is_tried_three_times_then_sent_to_both_targets() {
    let stage = Stage::set(|_| {}).await;
    stage.answers(&[Err("no")]);
    let began = stage.fabric.now();
    let id = stage.send("{\"n\":1}").await;
    let letters = stage.queues.letters(2).await;
    let events = stage.environments.events.lock().unwrap();
    let waits: Vec<u64> = events.iter().map(|(at, _)| at.since(began).as_secs()).collect();
    assert_eq!(waits, [0, 60, 180]);
    assert!(events.iter().all(|(_, event)| event.request_id == id));
    let to = |target: &str| letters.iter().find(|letter| letter.target == target).expect("a letter");
    let failed = record(to(FAILED));
    assert_eq!(failed["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(failed["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(failed["requestPayload"], json!({"n": 1}));
    assert_eq!(failed["responsePayload"], json!({"errorMessage": "no"}));
    let dead = to(DEAD);
    assert_eq!(dead.payload.as_ref(), b"{\"n\":1}");
    assert_eq!(dead.parameters["MessageAttributes"]["RequestID"]["StringValue"], Value::from(id));
    assert_eq!(dead.parameters["MessageAttributes"]["ErrorMessage"]["StringValue"], "no");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_after_a_failure_is_sent_to_the_success_destination() {
    let stage = Stage::set(|_| {}).await;
    stage.answers(&[Err("no"), Ok("{\"done\":true}")]);
    stage.send("{}").await;
    let letters = stage.queues.letters(1).await;
    assert_eq!(letters[0].target, PASSED);
    let passed = record(&letters[0]);
    assert_eq!(passed["requestContext"]["condition"], "Success");
    assert_eq!(passed["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(passed["responsePayload"], json!({"done": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_function_that_may_not_run_is_dropped_at_once() {
    let no_concurrency = FunctionSettings { reserved_concurrency: Some(0), ..FunctionSettings::default() };
    let stage = Stage::set(|function| function.settings = no_concurrency.into()).await;
    let began = stage.fabric.now();
    stage.send("{}").await;
    let letters = stage.queues.letters(2).await;
    let failed = letters.iter().find(|letter| letter.target == FAILED).expect("a record");
    assert_eq!(record(failed)["requestContext"]["condition"], "ZeroReservedConcurrency");
    assert_eq!(record(failed)["requestContext"]["approximateInvokeCount"], 0);
    assert!(stage.environments.events.lock().unwrap().is_empty());
    assert_eq!(failed.accepted, began);
}
