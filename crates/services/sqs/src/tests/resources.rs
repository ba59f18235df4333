use std::sync::Arc;

use base::Scope;
use fabric::{Change, Resource, ResourceContext, ResourceProvider};
use serde_json::{Map, Value, json};

use super::bench::{Bench, ORIGIN, arn};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

fn context(bench: &Bench, resource_type: &str) -> ResourceContext {
    ResourceContext {
        scope: Scope::default(),
        stack_name: "stack".into(),
        stack_id: "id".into(),
        logical_id: "Queue".into(),
        resource_type: resource_type.into(),
        suffix: "ABCDEFGHIJKL".into(),
        tags: vec![("aws:cloudformation:stack-name".into(), "stack".into())],
        origin: ORIGIN.into(),
        trace: bench.fabric.begin_trace(),
    }
}

fn provider(bench: &Bench) -> Arc<dyn ResourceProvider> {
    bench.fabric.plugs.provider("AWS::SQS::Queue").expect("plugged in")
}

async fn make(bench: &Bench, properties: Value) -> Resource {
    let properties = map(properties);
    let provider = provider(bench);
    provider.check("AWS::SQS::Queue", &properties).expect("valid");
    provider.create(&context(bench, "AWS::SQS::Queue"), &properties).await.expect("created")
}

#[tokio::test]
async fn a_template_makes_changes_and_deletes_queues() {
    let bench = Bench::new().await;
    let queue = make(&bench, json!({"VisibilityTimeout": 60, "DelaySeconds": "5"})).await;
    let url = format!("{ORIGIN}/000000000000/stack-Queue-ABCDEFGHIJKL");
    assert_eq!(queue.reference, url);
    assert_eq!(queue.attributes["Arn"], arn("stack-Queue-ABCDEFGHIJKL"));
    assert_eq!(queue.attributes["QueueName"], "stack-Queue-ABCDEFGHIJKL");
    assert_eq!(queue.attributes["QueueUrl"], Value::from(url.as_str()));
    assert_eq!(make(&bench, json!({"VisibilityTimeout": 60, "DelaySeconds": "5"})).await, queue, "repeated");
    let context = context(&bench, "AWS::SQS::Queue");
    let old = map(json!({"VisibilityTimeout": 60, "DelaySeconds": "5"}));
    let new = map(json!({"VisibilityTimeout": 90}));
    assert_eq!(
        provider(&bench).change("AWS::SQS::Queue", &old, &new),
        Change::Update(vec!["VisibilityTimeout".into(), "DelaySeconds".into()])
    );
    provider(&bench).update(&context, &url, &old, &new).await.expect("updated");
    let attributes = bench.attributes(&url).await;
    assert_eq!((attributes["VisibilityTimeout"].as_str(), attributes["DelaySeconds"].as_str()), ("90", "0"));
    for _ in 0..2 {
        provider(&bench).delete(&context, &url, &new).await.expect("deleted, however often");
    }
    bench.let_time_run();
    make(&bench, json!({})).await;
    assert_eq!(bench.fabric.now().since(super::bench::START).as_secs(), 60, "a namesake takes its time");
}

#[tokio::test]
async fn fifo_queues_and_dead_letter_queues_are_made_from_objects() {
    let bench = Bench::new().await;
    let dead = make(&bench, json!({"QueueName": "dead.fifo", "FifoQueue": true})).await;
    let policy = json!({"deadLetterTargetArn": dead.attributes["Arn"], "maxReceiveCount": 3});
    let properties = json!({
        "FifoQueue": true, "ContentBasedDeduplication": true, "RedrivePolicy": policy, "Tags": [{"Key": "k", "Value": "v"}],
    });
    let queue = make(&bench, properties).await;
    assert_eq!(queue.attributes["QueueName"], "stack-Queue-ABCDEFGHIJKL.fifo");
    let attributes = bench.attributes(&queue.reference).await;
    let stored: Value = serde_json::from_str(&attributes["RedrivePolicy"]).expect("JSON");
    assert_eq!(stored, policy);
    assert_eq!(attributes["ContentBasedDeduplication"], "true");
}

#[tokio::test]
async fn properties_that_cannot_be_are_named() {
    let bench = Bench::new().await;
    let cases = [
        (json!({"Nonsense": 1}), "Properties/Nonsense"),
        (json!({"VisibilityTimeout": 50_000}), "Properties/VisibilityTimeout"),
        (json!({"DelaySeconds": []}), "Properties/DelaySeconds"),
        (json!({"QueueName": "a b"}), "Properties/QueueName"),
        (json!({"QueueName": "a", "FifoQueue": true}), "Properties/QueueName"),
        (json!({"RedriveAllowPolicy": {"redrivePermission": "some"}}), "Properties/RedriveAllowPolicy"),
        (json!({"Tags": {"a": "b"}}), "Properties/Tags"),
    ];
    for (properties, property) in cases {
        let error = provider(&bench).check("AWS::SQS::Queue", &map(properties.clone())).expect_err(property);
        assert_eq!(error.property.as_deref(), Some(property), "{properties}");
    }
}

#[tokio::test]
async fn a_queue_policy_is_set_and_taken_away() {
    let bench = Bench::new().await;
    let (one, two) = (bench.create("one", &[]).await, bench.create("two", &[]).await);
    let provider = provider(&bench);
    let context = context(&bench, "AWS::SQS::QueuePolicy");
    let document = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}});
    let old = map(json!({"PolicyDocument": document, "Queues": [one, two]}));
    let new = map(json!({"PolicyDocument": document, "Queues": [one]}));
    let made = provider.create(&context, &old).await.expect("created");
    assert_eq!(made.reference, "stack-Queue-ABCDEFGHIJKL");
    let has_policy = async |url: &str| bench.attributes(url).await.contains_key("Policy");
    assert!(has_policy(&one).await && has_policy(&two).await);
    provider.update(&context, &made.physical_id, &old, &new).await.expect("updated");
    assert!(has_policy(&one).await && !has_policy(&two).await);
    provider.delete(&context, &made.physical_id, &new).await.expect("deleted");
    assert!(!has_policy(&one).await);
    let wrong = map(json!({"PolicyDocument": {"Statement": 1}, "Queues": [two]}));
    let error = provider.check("AWS::SQS::QueuePolicy", &wrong).expect_err("malformed");
    assert_eq!(error.property.as_deref(), Some("Properties/PolicyDocument"));
}
