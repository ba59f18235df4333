use base::{Arn, Timestamp};
use bytes::Bytes;
use fabric::{Delivery, Outcome, Refusal, Sender, SourceError, Wait};
use model_sqs as model;
use serde_json::{Value, json};

use super::bench::{Bench, START, arn, attribute, bodies, redrive};

#[tokio::test]
async fn what_is_received_too_often_goes_to_the_dead_letter_queue() {
    let bench = Bench::new().await;
    let dead = bench.create("dead", &[]).await;
    let url = bench.create("q", &[("VisibilityTimeout", "1"), ("RedrivePolicy", &redrive("dead", 2))]).await;
    let large = "x".repeat(10_000);
    let id = bench.send(&url, &large).await;
    for count in ["1", "2"] {
        let message = bench.receive(&url, 1).await.remove(0);
        assert_eq!(attribute(&message, "ApproximateReceiveCount"), Some(count));
        bench.advance(1);
    }
    assert!(bench.bodies(&url, 1).await.is_empty());
    bench.let_time_run();
    let message = bench.receive_with(&dead, 1, 20, None).await.expect("received").remove(0);
    assert_eq!(message.message_id, Some(id));
    assert_eq!(message.body, Some(large));
    assert_eq!(attribute(&message, "SentTimestamp"), Some("1700000000000"));
    assert_eq!(attribute(&message, "DeadLetterQueueSourceArn"), Some(arn("q").as_str()));
    assert_eq!(bench.counts(&url).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_dead_letter_queue_takes_messages_larger_than_may_be_sent_to_it() {
    let bench = Bench::new().await;
    let dead = bench.create("dead", &[("MaximumMessageSize", "1024")]).await;
    let url = bench.create("q", &[("VisibilityTimeout", "0"), ("RedrivePolicy", &redrive("dead", 1))]).await;
    let large = "x".repeat(2_000);
    bench.send(&url, &large).await;
    assert_eq!(bench.bodies(&url, 1).await, [large.as_str()]);
    assert!(bench.bodies(&url, 1).await.is_empty());
    bench.let_time_run();
    assert_eq!(bodies(&bench.receive_with(&dead, 1, 20, None).await.expect("received")), [large]);
}

#[tokio::test]
async fn without_its_dead_letter_queue_a_queue_keeps_its_messages() {
    let bench = Bench::new().await;
    let dead = bench.create("dead", &[]).await;
    let url = bench.create("q", &[("VisibilityTimeout", "0"), ("RedrivePolicy", &redrive("dead", 1))]).await;
    bench.call::<model::DeleteQueue>(model::DeleteQueueRequest { queue_url: dead }).await.expect("deleted");
    bench.send(&url, "m").await;
    for _ in 0..3 {
        assert_eq!(bench.bodies(&url, 1).await, ["m"]);
    }
}

#[tokio::test]
async fn a_move_task_brings_messages_back() {
    let bench = Bench::new().await;
    let dead = bench.create("dead", &[]).await;
    let url = bench.create("q", &[("VisibilityTimeout", "0"), ("RedrivePolicy", &redrive("dead", 1))]).await;
    for n in 0..25 {
        bench.send(&url, &format!("m{n}")).await;
    }
    while !bench.receive(&url, 10).await.is_empty() {}
    while bench.counts(&dead).await != [25, 0, 0] {
        tokio::task::yield_now().await;
    }
    let start = |source: &str| {
        let input = model::StartMessageMoveTaskRequest { source_arn: arn(source), ..Default::default() };
        bench.call::<model::StartMessageMoveTask>(input)
    };
    let error = start("q").await.expect_err("no dead-letter queue");
    assert_eq!(error.message, "Source queue must be configured as a Dead Letter Queue.");
    assert_eq!(start("none").await.expect_err("unknown").status, 404);
    start("dead").await.expect("started");
    let list = || {
        let input = model::ListMessageMoveTasksRequest { source_arn: arn("dead"), max_results: None };
        bench.call::<model::ListMessageMoveTasks>(input)
    };
    bench.let_time_run();
    let mut found = Vec::new();
    while found.len() < 25 {
        found.extend(bodies(&bench.receive_with(&url, 10, 20, Some(600)).await.expect("received")));
    }
    assert_eq!(bench.counts(&dead).await, [0, 0, 0]);
    let task = loop {
        let task = list().await.expect("listed").results.expect("some").remove(0);
        if task.status.as_deref() != Some("RUNNING") {
            break task;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(task.status.as_deref(), Some("COMPLETED"));
    assert_eq!(task.approximate_number_of_messages_moved, Some(25));
    assert_eq!(task.destination_arn, None);
    assert_eq!(task.started_timestamp, Some(START.millis()));
}

fn delivery(bench: &Bench, target: &str) -> Delivery {
    let trace = bench.fabric.begin_trace();
    Delivery::new(&bench.fabric.entropy, bench.fabric.now(), arn(target), Bytes::from_static(b"event"), trace)
        .from("sns.amazonaws.com", "arn:aws:sns:us-east-1:000000000000:topic", "000000000000")
        .with("MessageAttributes", json!({"n": {"DataType": "Number", "StringValue": "1"}}))
}

async fn deliver(bench: &Bench, delivery: &Delivery) -> Outcome {
    let target = bench.fabric.plugs.target(&delivery.target.parse().expect("an ARN")).expect("plugged in");
    target.deliver(delivery).await
}

#[tokio::test]
async fn a_topic_needs_the_queues_policy() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    let event = delivery(&bench, "q");
    let queue: Arn = arn("q").parse().expect("an ARN");
    let target = bench.fabric.plugs.target(&queue).expect("plugged in");
    assert_eq!(target.check(&queue, &event.sender).await, Err(Refusal::Forbidden));
    match deliver(&bench, &event).await {
        Outcome::Failed(failure) => assert_eq!((failure.code.as_str(), failure.retryable), ("AccessDenied", false)),
        outcome => panic!("{outcome:?}"),
    }
    let policy = json!({"Statement": {
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn("q"),
        "Condition": {"ArnEquals": {"aws:SourceArn": event.sender.arn}},
    }});
    bench.set(&url, &[("Policy", &policy.to_string())]).await.expect("set");
    assert_eq!(target.check(&queue, &event.sender).await, Ok(()));
    for _ in 0..2 {
        assert!(matches!(deliver(&bench, &event).await, Outcome::Done { .. }), "a repetition is no failure");
    }
    let messages = bench.receive(&url, 10).await;
    assert_eq!(bodies(&messages), ["event"], "a repetition is no second message");
    assert_eq!(messages[0].message_id.as_deref(), Some(event.id.as_str()));
    assert_eq!(attribute(&messages[0], "AWSTraceHeader"), Some(event.trace.to_string().as_str()));
    assert!(messages[0].message_attributes.as_ref().is_some_and(|attributes| attributes.contains_key("n")));
    let missing = delivery(&bench, "none");
    let queue: Arn = arn("none").parse().expect("an ARN");
    assert_eq!(target.check(&queue, &Sender::default()).await, Err(Refusal::Missing));
    match deliver(&bench, &missing).await {
        Outcome::Failed(failure) => {
            assert_eq!((failure.code.as_str(), failure.retryable), ("AWS.SimpleQueueService.NonExistentQueue", false));
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_source_waits_without_end_and_gives_records() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("VisibilityTimeout", "7")]).await;
    let queue: Arn = arn("q").parse().expect("an ARN");
    let source = bench.fabric.plugs.queue_source(&queue).expect("plugged in");
    let facts = source.facts(&queue).await.expect("facts");
    assert_eq!((facts.fifo, facts.visibility_timeout_s), (false, 7));
    let waits = source.receive(&queue, 10, Wait::ForMessage);
    let sends = async {
        tokio::task::yield_now().await;
        bench.send(&url, "m").await
    };
    let (received, id) = tokio::join!(biased; waits, sends);
    let message = received.expect("received").remove(0);
    assert_eq!((message.id, message.body.as_str()), (id, "m"));
    assert_eq!(message.attributes["ApproximateReceiveCount"], Value::from("1"));
    let receipts = [message.receipt, "invalid".to_owned()];
    source.release(&queue, &receipts, std::time::Duration::ZERO).await.expect("released");
    let again = source.receive(&queue, 10, Wait::Until(Timestamp::EPOCH)).await.expect("received");
    source.delete(&queue, &[again[0].receipt.clone()]).await.expect("deleted");
    assert_eq!(bench.counts(&url).await, [0, 0, 0]);
    let missing: Arn = arn("none").parse().expect("an ARN");
    assert_eq!(source.facts(&missing).await, Err(SourceError::Missing(arn("none"))));
}

#[tokio::test]
async fn a_waiting_source_is_woken_when_a_message_is_visible_again() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("VisibilityTimeout", "300")]).await;
    let queue: Arn = arn("q").parse().expect("an ARN");
    let source = bench.fabric.plugs.queue_source(&queue).expect("plugged in");
    let waits = source.receive(&queue, 1, Wait::ForMessage);
    bench.send(&url, "m").await;
    assert_eq!(bench.bodies(&url, 1).await, ["m"]);
    bench.let_time_run();
    assert_eq!(waits.await.expect("received")[0].body, "m");
    assert_eq!(bench.fabric.now().since(START).as_secs(), 300);
}
