use model_sqs as model;

use super::bench::{Bench, ORIGIN, arn, pairs, redrive};

#[tokio::test]
async fn creating_again_is_the_same_if_no_attribute_differs() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[("VisibilityTimeout", "40")]).await;
    assert_eq!(url, format!("{ORIGIN}/000000000000/q"));
    for same in [&[("VisibilityTimeout", "40")][..], &[], &[("DelaySeconds", "0")]] {
        assert_eq!(bench.create("q", same).await, url);
    }
    let error = bench.try_create("q", &[("VisibilityTimeout", "41")]).await.expect_err("differs");
    assert_eq!((error.code.as_ref(), error.query_code.as_ref()), ("QueueNameExists", "QueueAlreadyExists"));
    let message = "A queue already exists with the same name and a different value for attribute VisibilityTimeout";
    assert_eq!(error.message, message);
}

#[tokio::test]
async fn a_fresh_queue_has_exactly_the_default_attributes() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    let expected = pairs(&[
        ("ApproximateNumberOfMessages", "0"),
        ("ApproximateNumberOfMessagesDelayed", "0"),
        ("ApproximateNumberOfMessagesNotVisible", "0"),
        ("CreatedTimestamp", "1700000000"),
        ("DelaySeconds", "0"),
        ("LastModifiedTimestamp", "1700000000"),
        ("MaximumMessageSize", "1048576"),
        ("MessageRetentionPeriod", "345600"),
        ("QueueArn", &arn("q")),
        ("ReceiveMessageWaitTimeSeconds", "0"),
        ("SqsManagedSseEnabled", "true"),
        ("VisibilityTimeout", "30"),
    ]);
    assert_eq!(bench.attributes(&url).await, expected);
    let none = model::GetQueueAttributesRequest { queue_url: url, attribute_names: None };
    assert_eq!(bench.call::<model::GetQueueAttributes>(none).await.expect("none").attributes, None);
}

#[tokio::test]
async fn a_deleted_queue_leaves_nothing_and_waits_a_minute() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    bench.send(&url, "m").await;
    bench.receive(&url, 1).await;
    bench.send(&url, "n").await;
    let delete = || bench.call::<model::DeleteQueue>(model::DeleteQueueRequest { queue_url: url.clone() });
    let waits = bench.receive_with(&url, 10, 20, None);
    // The first receive takes what there is; the second waits, and the deletion ends it.
    assert_eq!(waits.await.expect("received").len(), 1);
    let waits = bench.receive_with(&url, 10, 20, None);
    let deletes = async {
        tokio::task::yield_now().await;
        delete().await.expect("deleted");
    };
    let (waited, ()) = tokio::join!(biased; waits, deletes);
    assert_eq!(waited.expect_err("it is gone").code, "QueueDoesNotExist");
    assert_eq!(bench.rows().await, ["sqs/queues/000000000000/us-east-1/deleted/q"]);
    assert_eq!(delete().await.expect_err("gone").query_code, "AWS.SimpleQueueService.NonExistentQueue");
    let error = bench.try_create("q", &[]).await.expect_err("too early");
    assert_eq!(error.query_code, "AWS.SimpleQueueService.QueueDeletedRecently");
    bench.advance(60);
    bench.create("q", &[]).await;
    assert_eq!(bench.counts(&url).await, [0, 0, 0]);
}

#[tokio::test]
async fn purging_deletes_all_but_once_a_minute() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    for body in ["a", "b", "c"] {
        bench.send(&url, body).await;
    }
    bench.receive(&url, 1).await;
    let purge = || bench.call::<model::PurgeQueue>(model::PurgeQueueRequest { queue_url: url.clone() });
    purge().await.expect("purged");
    assert_eq!(bench.counts(&url).await, [0, 0, 0]);
    bench.advance(40);
    assert!(bench.bodies(&url, 10).await.is_empty());
    let error = purge().await.expect_err("too early");
    assert_eq!((error.status, error.code.as_ref()), (403, "PurgeQueueInProgress"));
    assert_eq!(error.message, "Only one PurgeQueue operation on q is allowed every 60 seconds.");
    bench.send(&url, "d").await;
    assert_eq!(bench.bodies(&url, 10).await, ["d"]);
    assert!(bench.rows().await.iter().filter(|row| row.contains("/a/")).count() == 1);
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_page() {
    let bench = Bench::new().await;
    let list = |prefix: Option<&str>, max, token| {
        bench.call::<model::ListQueues>(model::ListQueuesRequest {
            queue_name_prefix: prefix.map(str::to_owned),
            max_results: max,
            next_token: token,
        })
    };
    assert_eq!(list(None, None, None).await.expect("none"), model::ListQueuesResult::default());
    for name in ["b1", "a", "b2", "b3", "c"] {
        bench.create(name, &[]).await;
    }
    assert_eq!(list(None, None, None).await.expect("all").queue_urls.expect("some").len(), 5);
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = list(Some("b"), Some(2), token).await.expect("a page");
        found.extend(page.queue_urls.expect("some"));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, ["b1", "b2", "b3"].map(|name| format!("{ORIGIN}/000000000000/{name}")));
    assert!(list(None, Some(1_001), None).await.is_err());
    let url =
        bench.call::<model::GetQueueUrl>(model::GetQueueUrlRequest { queue_name: "a".into(), ..Default::default() });
    assert_eq!(url.await.expect("known").queue_url, Some(format!("{ORIGIN}/000000000000/a")));
}

#[tokio::test]
async fn redrive_policies_need_a_fitting_queue() {
    let bench = Bench::new().await;
    let dead = bench.create("dead", &[]).await;
    bench.create("dead.fifo", &[]).await;
    let url = bench.create("q", &[]).await;
    for (policy, reason) in [
        (redrive("none", 1), "Dead letter target does not exist."),
        (redrive("dead.fifo", 1), "Dead-letter queue must be same type of queue as the source."),
        ("x".into(), "Redrive policy is not a valid JSON map."),
    ] {
        let error = bench.set(&url, &[("RedrivePolicy", &policy)]).await.expect_err(reason);
        assert_eq!(error.message, format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}"));
    }
    bench.set(&dead, &[("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#)]).await.expect("set");
    assert!(bench.set(&url, &[("RedrivePolicy", &redrive("dead", 1))]).await.is_err());
    bench.set(&dead, &[("RedriveAllowPolicy", "")]).await.expect("cleared");
    bench.set(&url, &[("RedrivePolicy", &redrive("dead", 1))]).await.expect("set");
    let input = model::ListDeadLetterSourceQueuesRequest { queue_url: dead, ..Default::default() };
    let sources = bench.call::<model::ListDeadLetterSourceQueues>(input).await.expect("listed");
    assert_eq!(sources.queue_urls, [url]);
}

#[tokio::test]
async fn permissions_are_statements_of_the_policy() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    let add = |label: &str, actions: &[&str]| {
        bench.call::<model::AddPermission>(model::AddPermissionRequest {
            queue_url: url.clone(),
            label: label.into(),
            aws_account_ids: vec!["111111111111".into()],
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        })
    };
    add("one", &["SendMessage"]).await.expect("added");
    let policy = bench.attributes(&url).await["Policy"].clone();
    let expected = format!(
        r#"{{"Version":"2008-10-17","Id":"{0}/SQSDefaultPolicy","Statement":[{{"Sid":"one","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::111111111111:root"}},"Action":"SQS:SendMessage","Resource":"{0}"}}]}}"#,
        arn("q")
    );
    assert_eq!(policy, expected);
    assert!(add("one", &["SendMessage"]).await.expect_err("twice").message.ends_with("Reason: Already exists."));
    assert!(add("two", &["Fly"]).await.is_err());
    let remove = |label: &str| {
        let input = model::RemovePermissionRequest { queue_url: url.clone(), label: label.into() };
        bench.call::<model::RemovePermission>(input)
    };
    assert!(remove("two").await.expect_err("unknown").message.ends_with("Reason: can't find label."));
    remove("one").await.expect("removed");
    assert!(!bench.attributes(&url).await.contains_key("Policy"));
}

#[tokio::test]
async fn tags_are_kept() {
    let bench = Bench::new().await;
    let url = bench.create("q", &[]).await;
    let list = || bench.call::<model::ListQueueTags>(model::ListQueueTagsRequest { queue_url: url.clone() });
    assert_eq!(list().await.expect("none").tags, None);
    let tag = model::TagQueueRequest { queue_url: url.clone(), tags: pairs(&[("a", "1"), ("b", "2")]) };
    bench.call::<model::TagQueue>(tag).await.expect("tagged");
    let untag = model::UntagQueueRequest { queue_url: url.clone(), tag_keys: vec!["a".into()] };
    bench.call::<model::UntagQueue>(untag).await.expect("untagged");
    assert_eq!(list().await.expect("some").tags, Some(pairs(&[("b", "2")])));
}
