use model_sqs as model;

use super::bench::{Bench, attribute, bodies};

#[tokio::test]
async fn a_group_is_received_in_order_and_locked_meanwhile() {
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[("VisibilityTimeout", "10")]).await;
    for (body, group) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("b2", "b")] {
        bench.send_fifo(&url, body, group, body).await;
    }
    let first = bench.receive(&url, 2).await;
    assert_eq!(bodies(&first), ["a1", "a2"]);
    assert_eq!(attribute(&first[0], "MessageGroupId"), Some("a"));
    assert_eq!(attribute(&first[0], "MessageDeduplicationId"), Some("a1"));
    assert_eq!(bench.bodies(&url, 10).await, ["b1", "b2"], "the group a is locked");
    bench.delete(&url, &first[0]).await.expect("deleted");
    assert!(bench.bodies(&url, 10).await.is_empty(), "it is locked while one is in flight");
    bench.delete(&url, &first[1]).await.expect("deleted");
    assert_eq!(bench.bodies(&url, 10).await, ["a3"]);
    bench.advance(10);
    assert_eq!(bench.bodies(&url, 10).await, ["b1", "b2", "a3"]);
}

#[tokio::test]
async fn what_comes_back_comes_before_later_messages() {
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[("VisibilityTimeout", "10")]).await;
    for body in ["1", "2", "3"] {
        bench.send_fifo(&url, body, "g", body).await;
    }
    let first = bench.receive(&url, 1).await.remove(0);
    bench.change(&url, &first, 0).await.expect("changed");
    let all = bench.receive(&url, 10).await;
    assert_eq!(bodies(&all), ["1", "2", "3"]);
    let numbers: Vec<_> = all.iter().map(|message| attribute(message, "SequenceNumber").expect("a number")).collect();
    assert!(numbers.is_sorted() && numbers[0].len() == 20, "{numbers:?}");
}

#[tokio::test]
async fn repetitions_are_recognised_for_five_minutes() {
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[]).await;
    let first = bench.send_fifo(&url, "a", "g", "id").await;
    bench.advance(299);
    let again = bench.send_fifo(&url, "other", "h", "id").await;
    assert_eq!((&again.message_id, &again.sequence_number), (&first.message_id, &first.sequence_number));
    let message = bench.receive(&url, 10).await;
    assert_eq!(bodies(&message), ["a"]);
    bench.delete(&url, &message[0]).await.expect("deleted");
    bench.send_fifo(&url, "b", "g", "id").await;
    assert!(bench.bodies(&url, 10).await.is_empty(), "deleting does not shorten the window");
    bench.advance(1);
    bench.send_fifo(&url, "c", "g", "id").await;
    assert_eq!(bench.bodies(&url, 10).await, ["c"]);
}

#[tokio::test]
async fn repetitions_are_recognised_after_a_restart() {
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[]).await;
    let first = bench.send_fifo(&url, "a", "g", "id").await;
    let bench = bench.restart().await;
    assert_eq!(bench.send_fifo(&url, "a", "g", "id").await.message_id, first.message_id);
    let second = bench.send_fifo(&url, "b", "g", "id2").await;
    assert!(second.sequence_number > first.sequence_number);
    assert_eq!(bench.bodies(&url, 10).await, ["a", "b"]);
}

#[tokio::test]
async fn order_and_locks_hold_across_a_restart() {
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[("VisibilityTimeout", "10")]).await;
    for body in ["1", "2", "3"] {
        bench.send_fifo(&url, body, "g", body).await;
    }
    let first = bench.receive(&url, 1).await.remove(0);
    let bench = bench.restart().await;
    assert!(bench.bodies(&url, 10).await.is_empty());
    assert_eq!(bench.counts(&url).await, [2, 1, 0]);
    bench.delete(&url, &first).await.expect("deleted");
    assert_eq!(bench.bodies(&url, 10).await, ["2", "3"]);
}

#[tokio::test]
async fn content_and_scope_decide_what_is_a_repetition() {
    let bench = Bench::new().await;
    let attributes = [("ContentBasedDeduplication", "true"), ("DeduplicationScope", "messageGroup")];
    let url = bench.create("q.fifo", &attributes).await;
    let send = |body: &str, group: &str| {
        bench.call::<model::SendMessage>(model::SendMessageRequest {
            queue_url: url.clone(),
            message_body: body.into(),
            message_group_id: Some(group.into()),
            ..Default::default()
        })
    };
    for (body, group) in [("x", "a"), ("x", "a"), ("x", "b"), ("y", "a")] {
        send(body, group).await.expect("sent");
    }
    assert_eq!(bench.bodies(&url, 10).await, ["x", "y", "x"]);
}

#[tokio::test]
async fn a_handle_expires_with_its_timeout() {
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[("VisibilityTimeout", "10")]).await;
    bench.send_fifo(&url, "a", "g", "1").await;
    let old = bench.receive(&url, 1).await.remove(0);
    bench.advance(10);
    let error = bench.delete(&url, &old).await.expect_err("expired");
    assert!(error.message.ends_with("Reason: The receipt handle has expired."), "{error}");
    let new = bench.receive(&url, 1).await.remove(0);
    assert!(bench.delete(&url, &old).await.is_err(), "superseded");
    bench.delete(&url, &new).await.expect("deleted");
    bench.delete(&url, &new).await.expect("deleting twice succeeds");
}

#[tokio::test]
async fn what_a_fifo_queue_needs_is_demanded() {
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[]).await;
    let base = || model::SendMessageRequest {
        queue_url: url.clone(),
        message_body: "m".into(),
        message_group_id: Some("g".into()),
        message_deduplication_id: Some("d".into()),
        ..Default::default()
    };
    let cases = [
        (model::SendMessageRequest { message_group_id: None, ..base() }, "must contain the parameter MessageGroupId."),
        (model::SendMessageRequest { message_deduplication_id: None, ..base() }, "ContentBasedDeduplication enabled"),
        (
            model::SendMessageRequest { message_group_id: Some("a b".into()), ..base() },
            "MessageGroupId can only include",
        ),
        (model::SendMessageRequest { message_group_id: Some("g".repeat(129)), ..base() }, "1 to 128 in length"),
        (model::SendMessageRequest { delay_seconds: Some(1), ..base() }, "not valid for this queue type"),
    ];
    for (input, expected) in cases {
        let error = bench.call::<model::SendMessage>(input).await.expect_err(expected);
        assert!(error.message.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_receive_attempt_may_be_repeated() {
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[]).await;
    for body in ["1", "2"] {
        bench.send_fifo(&url, body, body, body).await;
    }
    let receive = || {
        bench.call::<model::ReceiveMessage>(model::ReceiveMessageRequest {
            queue_url: url.clone(),
            receive_request_attempt_id: Some("attempt".into()),
            ..Default::default()
        })
    };
    let first = receive().await.expect("received").messages.expect("one");
    let again = receive().await.expect("received").messages.expect("the same");
    assert_eq!(first, again);
    bench.delete(&url, &first[0]).await.expect("deleted");
    assert_eq!(bodies(&receive().await.expect("received").messages.expect("another")), ["2"]);
}

#[tokio::test]
async fn a_delayed_queue_keeps_its_order() {
    let bench = Bench::new().await;
    let url = bench.create("q.fifo", &[("DelaySeconds", "5")]).await;
    bench.send_fifo(&url, "1", "g", "1").await;
    bench.advance(3);
    bench.send_fifo(&url, "2", "g", "2").await;
    assert_eq!(bench.counts(&url).await, [0, 0, 2]);
    bench.advance(2);
    let first = bench.receive(&url, 10).await;
    assert_eq!(bodies(&first), ["1"]);
    bench.delete(&url, &first[0]).await.expect("deleted");
    assert!(bench.bodies(&url, 10).await.is_empty());
    bench.advance(3);
    assert_eq!(bench.bodies(&url, 10).await, ["2"]);
}
