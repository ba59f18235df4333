use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Arn, Timestamp};
use fabric::{QueueFacts, QueueMessage, QueueSource, SourceError, Wait};
use futures_util::future::BoxFuture;
use serde_json::Map;
use tokio::sync::Notify;

use super::Mappings;
use crate::registry::{EventSourceMapping, FunctionSettings};
use crate::staged::Stage;

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:work";

/// A queue that hands out each message once.
#[derive(Default)]
struct Source {
    fifo: AtomicBool,
    waiting: Mutex<VecDeque<QueueMessage>>,
    arrived: Notify,
    deleted: Mutex<Vec<String>>,
    was_deleted: Notify,
}

impl Source {
    fn put(&self, id: &str) {
        self.put_body(id, id.into());
    }

    fn put_body(&self, id: &str, body: String) {
        self.waiting.lock().unwrap().push_back(QueueMessage {
            id: id.into(),
            receipt: format!("receipt of {id}"),
            body,
            md5_of_body: String::new(),
            attributes: Map::new(),
            message_attributes: Map::new(),
            md5_of_message_attributes: None,
            group: None,
        });
    }

    /// What was deleted, once there are `count`.
    async fn deleted(&self, count: usize) -> Vec<String> {
        loop {
            let was_deleted = self.was_deleted.notified();
            let deleted = self.deleted.lock().unwrap().clone();
            if deleted.len() >= count {
                return deleted;
            }
            was_deleted.await;
        }
    }
}

impl QueueSource for Source {
    fn facts<'a>(&'a self, _: &'a Arn) -> BoxFuture<'a, Result<QueueFacts, SourceError>> {
        Box::pin(async { Ok(QueueFacts { fifo: self.fifo.load(Ordering::Relaxed), visibility_timeout_s: 30 }) })
    }

    fn receive<'a>(
        &'a self,
        _: &'a Arn,
        max: usize,
        wait: Wait,
    ) -> BoxFuture<'a, Result<Vec<QueueMessage>, SourceError>> {
        Box::pin(async move {
            loop {
                let arrived = self.arrived.notified();
                let taken: Vec<_> = {
                    let mut waiting = self.waiting.lock().unwrap();
                    let count = waiting.len().min(max);
                    waiting.drain(..count).collect()
                };
                if !taken.is_empty() || wait != Wait::ForMessage {
                    return Ok(taken);
                }
                arrived.await;
            }
        })
    }

    fn delete<'a>(&'a self, _: &'a Arn, receipts: &'a [String]) -> BoxFuture<'a, Result<(), SourceError>> {
        self.deleted.lock().unwrap().extend_from_slice(receipts);
        self.was_deleted.notify_waiters();
        Box::pin(async { Ok(()) })
    }

    fn release<'a>(&'a self, _: &'a Arn, _: &'a [String], _: Duration) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async { panic!("what failed waits for its visibility timeout") })
    }
}

async fn map(stage: &Stage, change: impl FnOnce(&mut EventSourceMapping)) -> (Arc<Source>, Mappings) {
    let source = Arc::new(Source::default());
    stage.fabric.plugs.add_queue_source("sqs", source.clone());
    let mut mapping = EventSourceMapping {
        scope: base::Scope::default(),
        uuid: "uuid".into(),
        function_name: "f".into(),
        qualifier: None,
        event_source_arn: QUEUE.into(),
        enabled: true,
        batch_size: 10,
        maximum_batching_window_s: 0,
        report_batch_item_failures: true,
        maximum_concurrency: None,
        filters: Vec::new(),
        tags: Default::default(),
        last_modified: Timestamp::EPOCH,
    };
    change(&mut mapping);
    put(stage, mapping).await;
    let mappings = Mappings::start(stage.registry.clone(), stage.invoker.clone());
    (source, mappings)
}

async fn put(stage: &Stage, mapping: EventSourceMapping) {
    let scope = base::Scope::default();
    let change = stage.registry.apply(&scope, |account, tx| {
        account.put_mapping(tx, mapping);
        Ok(())
    });
    change.await.expect("a mapping");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_processed_is_deleted() {
    let stage = Stage::set(|_| {}).await;
    stage.answers(&[Ok("{\"batchItemFailures\":[{\"itemIdentifier\":\"b\"}]}")]);
    let (source, mappings) = map(&stage, |_| {}).await;
    for id in ["a", "b", "c"] {
        source.put(id);
    }
    source.arrived.notify_waiters();
    assert_eq!(source.deleted(2).await, ["receipt of a", "receipt of c"]);
    mappings.drain().await;
    assert_eq!(source.deleted(2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_batch_stays_in_the_queue() {
    let stage = Stage::set(|_| {}).await;
    stage.answers(&[Err("no"), Ok("null")]);
    let (source, mappings) = map(&stage, |mapping| mapping.batch_size = 1).await;
    source.put("a");
    source.arrived.notify_waiters();
    while stage.environments.events.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    source.put("b");
    source.arrived.notify_waiters();
    assert_eq!(source.deleted(1).await, ["receipt of b"]);
    mappings.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_batch_is_tried_until_its_messages_are_visible_again() {
    let settings = FunctionSettings { reserved_concurrency: Some(0), ..FunctionSettings::default() };
    let stage = Stage::set(|function| function.settings = settings.into()).await;
    let began = stage.fabric.now();
    let (source, mappings) = map(&stage, |_| {}).await;
    source.put("a");
    source.arrived.notify_waiters();
    // After 1, 3, 7 and 15 s; the next would come at 31 s, after the visibility timeout.
    while stage.fabric.now().since(began) < Duration::from_secs(15) {
        tokio::task::yield_now().await;
    }
    mappings.drain().await;
    assert_eq!(stage.fabric.now().since(began), Duration::from_secs(15));
    assert!(source.deleted.lock().unwrap().is_empty() && stage.environments.events.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_begins_when_it_is_enabled() {
    let stage = Stage::set(|_| {}).await;
    let (source, mappings) = map(&stage, |mapping| mapping.enabled = false).await;
    source.put("a");
    let mut mapping = EventSourceMapping::clone(&stage.registry.mappings()[0]);
    assert!(source.deleted.lock().unwrap().is_empty());
    mapping.enabled = true;
    put(&stage, mapping).await;
    assert_eq!(source.deleted(1).await, ["receipt of a"]);
    mappings.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_ends_does_not_wait_for_a_throttle() {
    let settings = FunctionSettings { reserved_concurrency: Some(0), ..FunctionSettings::default() };
    let stage = Stage::set(|function| function.settings = settings.into()).await;
    // Time stands still, so that no wait is over.
    let still = stage.fabric.clock.busy();
    let (source, mappings) = map(&stage, |_| {}).await;
    source.put("a");
    source.arrived.notify_waiters();
    while !source.waiting.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let mapping = EventSourceMapping::clone(&stage.registry.mappings()[0]);
    put(&stage, EventSourceMapping { enabled: false, ..mapping }).await;
    mappings.drain().await;
    assert!(source.deleted.lock().unwrap().is_empty());
    drop(still);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_fifo_queue_nothing_overtakes_what_failed() {
    let stage = Stage::set(|_| {}).await;
    stage.answers(&[Err("no"), Ok("null")]);
    let (source, mappings) = map(&stage, |mapping| mapping.enabled = false).await;
    source.fifo.store(true, Ordering::Relaxed);
    // Too large together for one event.
    for id in ["a", "b"] {
        source.put_body(id, "x".repeat(4 << 20));
    }
    let mapping = EventSourceMapping::clone(&stage.registry.mappings()[0]);
    put(&stage, EventSourceMapping { enabled: true, ..mapping }).await;
    while stage.environments.events.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    mappings.drain().await;
    assert_eq!(stage.environments.events.lock().unwrap().len(), 1);
    assert!(source.deleted.lock().unwrap().is_empty());
}
