use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Arn, Entropy, Timestamp};
use blob::Blobs;
use bytes::Bytes;
use clock::Clock;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use store::{Faults, Memory, Range};
use tokio::sync::Notify;

use crate::{Backoff, Delivery, Fabric, Failure, Outcome, Parts, Refusal, RetryPolicy, Sender, Target};

const QUEUE: &str = "arn:aws:fake:us-east-1:000000000000:queue";
const DEAD: &str = "arn:aws:fake:us-east-1:000000000000:dead";
const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// Answers from a script, and remembers what came when.
struct Fake {
    clock: Clock,
    seen: Mutex<Vec<(Timestamp, Delivery)>>,
    script: Box<dyn Fn(&Delivery) -> Outcome + Send + Sync>,
    came: Notify,
}

impl Target for Fake {
    fn check<'a>(&'a self, _: &'a Arn, _: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>> {
        async { Ok(()) }.boxed()
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome> {
        async move {
            self.seen.lock().expect("lock").push((self.clock.now(), delivery.clone()));
            self.came.notify_waiters();
            (self.script)(delivery)
        }
        .boxed()
    }
}

impl Fake {
    async fn wait_for(&self, count: usize) -> Vec<(u64, Delivery)> {
        loop {
            let came = self.came.notified();
            let seen = self.seen.lock().expect("lock").clone();
            if seen.len() >= count {
                return seen.into_iter().map(|(at, delivery)| (at.since(START).as_secs(), delivery)).collect();
            }
            came.await;
        }
    }
}

fn weave(store: &Memory, script: impl Fn(&Delivery) -> Outcome + Send + Sync + 'static) -> (Fabric, Arc<Fake>) {
    let clock = Clock::virtual_from(START);
    let entropy = Entropy::seeded(1);
    let parts = Parts {
        clock: clock.clone(),
        blobs: Blobs::memory(entropy.clone()),
        entropy,
        store: Arc::new(store.clone()),
        journal: None,
        origin: "http://127.0.0.1:4566".into(),
    };
    let fabric = Fabric::weave(parts).expect("woven");
    let fake = Fake { clock, seen: Mutex::default(), script: Box::new(script), came: Notify::new() };
    let fake = Arc::new(fake);
    fabric.plugs.add_target("fake", fake.clone());
    (fabric, fake)
}

fn delivery(fabric: &Fabric, target: &str) -> Delivery {
    Delivery::new(&fabric.entropy, fabric.now(), target, Bytes::from_static(b"event"), fabric.begin_trace())
}

fn failed() -> Outcome {
    Outcome::Failed(Failure { code: "Broken".into(), message: "it broke".into(), retryable: true })
}

#[tokio::test]
async fn retries_by_its_policy_and_ends_in_the_dead_letter_target() {
    let (fabric, fake) = weave(&Memory::new(), |delivery| match delivery.target.as_str() {
        QUEUE => failed(),
        _ => Outcome::Done { next: Vec::new() },
    });
    fabric.deliveries.start().await.expect("started");
    let backoff = Backoff { first_ms: 60_000, factor: 2.0, max_ms: 120_000 };
    let retry = RetryPolicy { attempts_max: 3, age_max_s: 3600, backoff };
    let sent = delivery(&fabric, QUEUE).with_retry(retry).with_dead_letter(DEAD);
    fabric.deliveries.accept(vec![sent]).await.expect("accepted");
    let seen = fake.wait_for(4).await;
    let attempts: Vec<_> = seen.iter().map(|(at, delivery)| (*at, delivery.target.as_str())).collect();
    assert_eq!(attempts, [(0, QUEUE), (60, QUEUE), (180, QUEUE), (180, DEAD)]);
    assert_eq!(seen[3].1.text("ErrorCode"), Some("Broken"));
    assert_eq!(seen[3].1.payload, "event");
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_keeps_no_room() {
    let (fabric, fake) = weave(&Memory::new(), |delivery| {
        assert!(delivery.attempts > 0, "a bug of the target");
        Outcome::Done { next: Vec::new() }
    });
    fabric.deliveries.start().await.expect("started");
    let retry = RetryPolicy { attempts_max: 2, age_max_s: 600, backoff: Backoff::SECOND };
    fabric.deliveries.accept(vec![delivery(&fabric, QUEUE).with_retry(retry)]).await.expect("accepted");
    let seen = fake.wait_for(2).await;
    assert_eq!(seen[1].1.attempts, 1);
    fabric.deliveries.drain().await;
    assert!(fabric.deliveries.pending().is_empty());
}

#[tokio::test]
async fn a_target_may_put_a_delivery_off_without_an_attempt() {
    let (fabric, fake) = weave(&Memory::new(), |delivery| match delivery.deferrals {
        0 => Outcome::Again {
            after: Duration::from_secs(5),
            attempted: false,
            notes: Value::from("noted"),
            why: "busy".into(),
        },
        _ => Outcome::Done { next: Vec::new() },
    });
    fabric.deliveries.start().await.expect("started");
    fabric.deliveries.accept(vec![delivery(&fabric, QUEUE)]).await.expect("accepted");
    let seen = fake.wait_for(2).await;
    assert_eq!((seen[1].0, seen[1].1.attempts, &seen[1].1.notes), (5, 0, &Value::from("noted")));
}

#[tokio::test]
async fn what_was_accepted_before_a_crash_is_delivered_after_it() {
    let store = Memory::new();
    let (before, _) = weave(&store, |_| Outcome::Done { next: Vec::new() });
    let sent = delivery(&before, QUEUE);
    // Accepted, but the engine was never started: as if killed right after.
    before.deliveries.accept(vec![sent.clone()]).await.expect("accepted");
    let (after, fake) = weave(&store.after_power_loss(), |_| Outcome::Done { next: Vec::new() });
    after.deliveries.start().await.expect("started");
    let seen = fake.wait_for(1).await;
    assert_eq!(seen[0].1.id, sent.id);
    after.deliveries.drain().await;
    let left = after.store.range(Range::prefix("delivery/")).await.expect("read");
    assert!(left.is_empty(), "an ended delivery leaves no row");
}

#[tokio::test]
async fn what_follows_is_delivered_although_the_answer_of_its_commit_was_lost() {
    let store = Memory::new();
    let next = Arc::new(Mutex::new(None));
    let script = {
        let next = next.clone();
        move |delivery: &Delivery| match delivery.target.as_str() {
            QUEUE => Outcome::Done { next: next.lock().expect("lock").iter().cloned().collect() },
            _ => Outcome::Done { next: Vec::new() },
        }
    };
    let (fabric, fake) = weave(&store, script);
    *next.lock().expect("lock") = Some(delivery(&fabric, DEAD));
    fabric.deliveries.start().await.expect("started");
    store.plan([Faults::AnswerLost, Faults::AnswerLost]);
    let accepted = fabric.deliveries.accept(vec![delivery(&fabric, QUEUE)]).await;
    assert!(accepted.is_err(), "nobody learnt that it is durable");
    let seen = fake.wait_for(2).await;
    assert_eq!(seen.iter().map(|(_, delivery)| delivery.target.as_str()).collect::<Vec<_>>(), [QUEUE, DEAD]);
    fabric.deliveries.drain().await;
    assert!(fabric.store.range(Range::prefix("delivery/")).await.expect("read").is_empty());
}

#[tokio::test]
async fn a_long_backlog_is_delivered_once_each() {
    let store = Memory::new();
    let (fabric, fake) = weave(&store, |_| Outcome::Done { next: Vec::new() });
    let count = 3 * crate::lane::WINDOW_MAX;
    let backlog: Vec<_> = (0..count).map(|_| delivery(&fabric, QUEUE)).collect();
    let mut sent: Vec<_> = backlog.iter().map(|delivery| delivery.id.clone()).collect();
    fabric.deliveries.accept(backlog).await.expect("accepted");
    fabric.deliveries.start().await.expect("started");
    let mut seen: Vec<_> = fake.wait_for(count).await.into_iter().map(|(_, delivery)| delivery.id).collect();
    sent.sort();
    seen.sort();
    assert_eq!(seen, sent);
}

#[tokio::test]
async fn an_unknown_service_ends_a_delivery_with_a_journal_entry() {
    let (fabric, _) = weave(&Memory::new(), |_| failed());
    fabric.deliveries.start().await.expect("started");
    let mut follower = fabric.journal.follow();
    let sent = delivery(&fabric, "arn:aws:nosuch:us-east-1:000000000000:x");
    fabric.deliveries.accept(vec![sent]).await.expect("accepted");
    let event = follower.recv().await.expect("an event");
    assert_eq!((event.outcome.as_str(), event.action.as_str()), ("InvalidTarget", "deliver"));
}
