use model_sqs as model;

use super::bench::{Bench, attribute, bodies};

#[tokio::test]
async fn redelivers_after_visibility_timeout() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("VisibilityTimeout", "10")]).await;
    let id = bench.send(&url, "hello").await;
    let first = bench.receive(&url, 1).await;
    assert_eq!(bodies(&first), ["hello"]);
    assert_eq!(first[0].message_id.as_deref(), Some(id.as_str()));
    assert_eq!(first[0].md5_of_body.as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    bench.advance(9);
    assert!(bench.bodies(&url, 1).await.is_empty());
    assert_eq!(bench.counts(&url).await, [0, 1, 0]);
    bench.advance(1);
    let second = bench.receive(&url, 1).await;
    assert_eq!(attribute(&second[0], "ApproximateReceiveCount"), Some("2"));
    assert_eq!(attribute(&second[0], "SentTimestamp"), Some("1700000000000"));
    assert_eq!(attribute(&second[0], "ApproximateFirstReceiveTimestamp"), Some("1700000000000"));
    bench.delete(&url, &second[0]).await.expect("deleted");
    bench.advance(60);
    assert!(bench.bodies(&url, 1).await.is_empty());
    assert_eq!(bench.counts(&url).await, [0, 0, 0]);
}

#[tokio::test]
async fn an_old_handle_deletes_after_the_timeout() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("VisibilityTimeout", "10")]).await;
    bench.send(&url, "a").await;
    let old = bench.receive(&url, 1).await.remove(0);
    bench.advance(11);
    bench.delete(&url, &old).await.expect("deleted");
    assert!(bench.bodies(&url, 1).await.is_empty());
    bench.delete(&url, &old).await.expect("deleting twice succeeds");
    assert_eq!(bench.change(&url, &old, 5).await.expect_err("it is gone").code, "MessageNotInflight");
}

#[tokio::test]
async fn visibility_is_changed_up_to_twelve_hours() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    bench.send(&url, "a").await;
    let message = bench.receive(&url, 1).await.remove(0);
    bench.change(&url, &message, 100).await.expect("changed");
    bench.advance(99);
    assert!(bench.bodies(&url, 1).await.is_empty());
    let error = bench.change(&url, &message, 43_200).await.expect_err("too long in all");
    assert!(error.message.contains("Total VisibilityTimeout"), "{error}");
    bench.change(&url, &message, 0).await.expect("changed");
    assert_eq!(bench.bodies(&url, 1).await, ["a"]);
}

#[tokio::test]
async fn a_long_poll_wakes_on_arrival() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    let waits = bench.receive_with(&url, 1, 20, None);
    let sends = async {
        // The receiver waits once it has been polled.
        tokio::task::yield_now().await;
        bench.send(&url, "a").await;
    };
    let (received, ()) = tokio::join!(biased; waits, sends);
    assert_eq!(bodies(&received.expect("received")), ["a"]);
    assert_eq!(bench.fabric.now(), super::bench::START);
}

#[tokio::test]
async fn a_long_poll_ends_in_virtual_time() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("ReceiveMessageWaitTimeSeconds", "20")]).await;
    bench.let_time_run();
    let input = model::ReceiveMessageRequest { queue_url: url.clone(), ..Default::default() };
    let received = bench.call::<model::ReceiveMessage>(input).await.expect("received");
    assert_eq!(received.messages, None);
    assert_eq!(bench.fabric.now().since(super::bench::START).as_secs(), 20);
}

#[tokio::test]
async fn a_long_poll_takes_what_becomes_visible_meanwhile() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("VisibilityTimeout", "5"), ("DelaySeconds", "3")]).await;
    bench.send(&url, "a").await;
    assert_eq!(bench.counts(&url).await, [0, 0, 1]);
    assert!(bench.bodies(&url, 1).await.is_empty());
    bench.let_time_run();
    let delayed = bench.receive_with(&url, 1, 20, None).await.expect("received");
    assert_eq!(bodies(&delayed), ["a"]);
    assert_eq!(bench.fabric.now().since(super::bench::START).as_secs(), 3);
    let again = bench.receive_with(&url, 1, 20, None).await.expect("received");
    assert_eq!(attribute(&again[0], "ApproximateReceiveCount"), Some("2"));
    assert_eq!(bench.fabric.now().since(super::bench::START).as_secs(), 8);
}

#[tokio::test]
async fn each_of_many_waiters_gets_one_message() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    let waits = futures_util::future::join_all((0..8).map(|_| bench.receive_with(&url, 1, 20, None)));
    let sends = async {
        tokio::task::yield_now().await;
        let entries = (0..8).map(|n| model::SendMessageBatchRequestEntry {
            id: n.to_string(),
            message_body: format!("m{n}"),
            ..Default::default()
        });
        let input = model::SendMessageBatchRequest { queue_url: url.clone(), entries: entries.collect() };
        bench.call::<model::SendMessageBatch>(input).await.expect("sent");
    };
    let (received, ()) = tokio::join!(biased; waits, sends);
    let mut all: Vec<String> = received.into_iter().flat_map(|received| bodies(&received.expect("received"))).collect();
    all.sort();
    assert_eq!(all, ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"]);
}

#[tokio::test]
async fn messages_are_dropped_after_their_retention() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("MessageRetentionPeriod", "60")]).await;
    bench.send(&url, "old").await;
    bench.advance(59);
    bench.send(&url, "new").await;
    bench.advance(1);
    assert_eq!(bench.bodies(&url, 10).await, ["new"]);
    assert_eq!(bench.counts(&url).await, [0, 1, 0]);
}

#[tokio::test]
async fn restart_finds_everything() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("VisibilityTimeout", "30")]).await;
    let large = "x".repeat(100_000);
    for body in ["a", "b", "c", large.as_str()] {
        bench.send(&url, body).await;
    }
    let delayed = model::SendMessageRequest {
        queue_url: url.clone(),
        message_body: "late".into(),
        delay_seconds: Some(600),
        ..Default::default()
    };
    bench.call::<model::SendMessage>(delayed).await.expect("sent");
    let first = bench.receive(&url, 1).await.remove(0);
    let second = bench.receive(&url, 1).await.remove(0);
    let bench = bench.restart().await;
    assert_eq!(bench.counts(&url).await, [2, 2, 1]);
    bench.delete(&url, &first).await.expect("deleted with a receipt from before");
    let rest = bench.bodies(&url, 10).await;
    assert_eq!(rest, ["c".to_owned(), large]);
    bench.change(&url, &second, 0).await.expect("changed with a receipt from before");
    let again = bench.receive(&url, 10).await;
    assert_eq!(bodies(&again), ["b"]);
    assert_eq!(attribute(&again[0], "ApproximateReceiveCount"), Some("2"));
    bench.advance(600);
    assert_eq!(bench.bodies(&url, 10).await.len(), 4);
}

#[tokio::test]
async fn attributes_are_digested_and_filtered() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    let value = |text: &str| model::MessageAttributeValue {
        string_value: Some(text.into()),
        data_type: "String".into(),
        ..Default::default()
    };
    let attributes = [("a.one".to_owned(), value("1")), ("b".to_owned(), value("2"))];
    let input = model::SendMessageRequest {
        queue_url: url.clone(),
        message_body: "m".into(),
        message_attributes: Some(attributes.into()),
        ..Default::default()
    };
    let sent = bench.call::<model::SendMessage>(input).await.expect("sent");
    let receive = |names: &[&str]| model::ReceiveMessageRequest {
        queue_url: url.clone(),
        visibility_timeout: Some(0),
        message_attribute_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Default::default()
    };
    for (names, expected) in [(&["All"][..], 2), (&["a.*"], 1), (&["b"], 1), (&["c"], 0), (&[], 0)] {
        let received = bench.call::<model::ReceiveMessage>(receive(names)).await.expect("received");
        let message = received.messages.expect("one").remove(0);
        assert_eq!(message.attributes, None, "system attributes only when asked for");
        assert_eq!(message.message_attributes.map_or(0, |attributes| attributes.len()), expected, "{names:?}");
        let same = message.md5_of_message_attributes == sent.md5_of_message_attributes;
        assert_eq!(same, expected == 2, "the digest covers what is returned");
    }
}

#[tokio::test]
async fn what_cannot_be_a_message_is_refused() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("MaximumMessageSize", "1024")]).await;
    let base = || model::SendMessageRequest { queue_url: url.clone(), message_body: "m".into(), ..Default::default() };
    let number = |text: &str| model::MessageAttributeValue {
        string_value: Some(text.into()),
        data_type: "Number".into(),
        ..Default::default()
    };
    let many = (0..11).map(|n| (format!("a{n}"), number("1"))).collect();
    let one = |name: &str, value| Some([(name.to_owned(), value)].into());
    let cases = [
        (model::SendMessageRequest { message_body: String::new(), ..base() }, "parameter MessageBody"),
        (model::SendMessageRequest { message_body: "\u{1}".into(), ..base() }, "Invalid binary character"),
        (model::SendMessageRequest { message_body: "x".repeat(1025), ..base() }, "shorter than 1024 bytes"),
        (model::SendMessageRequest { delay_seconds: Some(901), ..base() }, "parameter DelaySeconds is invalid"),
        (model::SendMessageRequest { message_attributes: Some(many), ..base() }, "attributes [11] exceeds"),
        (model::SendMessageRequest { message_attributes: one("AWS.x", number("1")), ..base() }, "'AWS.x' is invalid"),
        (model::SendMessageRequest { message_attributes: one("n", number("x")), ..base() }, "to a number"),
        (model::SendMessageRequest { message_attributes: one("n", number("")), ..base() }, "non-empty value"),
        (
            model::SendMessageRequest { message_deduplication_id: Some("d".into()), ..base() },
            "not valid for this queue type",
        ),
        (model::SendMessageRequest { queue_url: "http://h/000000000000/none".into(), ..base() }, "does not exist"),
        (model::SendMessageRequest { queue_url: "none".into(), ..base() }, "is not valid for this endpoint"),
    ];
    for (input, expected) in cases {
        let error = bench.call::<model::SendMessage>(input).await.expect_err(expected);
        assert!(error.message.contains(expected), "{error}");
        assert_eq!(error.status / 100, 4);
    }
    assert_eq!(bench.counts(&url).await, [0, 0, 0]);
}

#[tokio::test]
async fn batches_fail_in_part() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("MaximumMessageSize", "1024")]).await;
    let entry = |id: &str, body: &str| model::SendMessageBatchRequestEntry {
        id: id.into(),
        message_body: body.into(),
        ..Default::default()
    };
    let send = |entries| {
        bench.call::<model::SendMessageBatch>(model::SendMessageBatchRequest { queue_url: url.clone(), entries })
    };
    let long = "x".repeat(2_000);
    let result = send(vec![entry("a", "1"), entry("b", &long), entry("c", "3")]).await.expect("in part");
    assert_eq!(result.successful.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    let failed = &result.failed[0];
    assert_eq!((failed.id.as_str(), failed.code.as_str(), failed.sender_fault), ("b", "InvalidParameterValue", true));
    let message = "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.";
    assert_eq!(failed.message.as_deref(), Some(message));
    assert_eq!(bench.bodies(&url, 10).await, ["1", "3"]);
    let cases = [
        (vec![], "EmptyBatchRequest"),
        (vec![entry("a", "1"), entry("a", "2")], "BatchEntryIdsNotDistinct"),
        (vec![entry("a b", "1")], "InvalidBatchEntryId"),
        ((0..11).map(|n| entry(&n.to_string(), "m")).collect(), "TooManyEntriesInBatchRequest"),
    ];
    for (entries, code) in cases {
        assert_eq!(send(entries).await.expect_err(code).code, code);
    }
    let large = "x".repeat(600_000);
    let error = send(vec![entry("a", &large), entry("b", &large)]).await.expect_err("too long");
    assert_eq!(error.message, "Batch requests cannot be longer than 1048576 bytes. You have sent 1200000 bytes.");
}

#[tokio::test]
async fn handles_that_were_never_issued_are_refused() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    let other = bench.create("other", &[]).await;
    bench.send(&other, "m").await;
    let foreign = bench.receive(&other, 1).await.remove(0);
    let invented = model::Message { receipt_handle: Some("invented".into()), ..Default::default() };
    for (message, expected) in [(foreign, "is not valid for this queue"), (invented, "is not a valid receipt handle")] {
        let error = bench.delete(&url, &message).await.expect_err(expected);
        assert_eq!(error.code, "ReceiptHandleIsInvalid");
        assert!(error.message.contains(expected), "{error}");
    }
}
