use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Arn, Entropy, Scope, Timestamp};
use blob::Blobs;
use clock::Clock;
use fabric::{Delivery, Fabric, Outcome, Parts, Refusal, Sender, Target};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model_sns as model;
use store::Memory;
use tokio::sync::mpsc;
use wire::{Error, Operation, Shaped};

use crate::Sns;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:news";

struct Sink(mpsc::Sender<Delivery>);

impl Target for Sink {
    fn check<'a>(&'a self, _: &'a Arn, _: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>> {
        async { Ok(()) }.boxed()
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome> {
        async move {
            self.0.send(delivery.clone()).await.expect("the test listens");
            Outcome::Done { next: Vec::new() }
        }
        .boxed()
    }
}

async fn open(store: Memory) -> (Fabric, mpsc::Receiver<Delivery>) {
    let parts = Parts {
        clock: Clock::virtual_from(Timestamp::from_secs(1_700_000_000)),
        entropy: Entropy::seeded(1),
        store: Arc::new(store),
        blobs: Blobs::memory(Entropy::seeded(2)),
        journal: None,
        origin: "http://127.0.0.1:4566".into(),
    };
    let fabric = Fabric::weave(parts).expect("woven");
    Sns::open(fabric.clone()).plug();
    let (sender, came) = mpsc::channel(10);
    let sink = Arc::new(Sink(sender));
    fabric.plugs.add_target("sqs", sink.clone());
    fabric.plugs.add_target("lambda", sink);
    (fabric, came)
}

async fn call<O: Operation>(fabric: &Fabric, input: O::Input) -> Result<O::Output, Error> {
    let call = fabric.call_from("lambda", Scope::default(), fabric.begin_trace());
    let api = fabric.plugs.api("sns").expect("plugged in");
    let reply = api.call(O::SCHEMA.name, call, input.into_fields()).await?;
    Ok(O::Output::from_fields(reply.output).expect("an output"))
}

async fn subscribe(fabric: &Fabric, protocol: &str, endpoint: &str, attributes: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let input = model::SubscribeInput {
        topic_arn: TOPIC.into(),
        protocol: protocol.into(),
        endpoint: Some(endpoint.into()),
        attributes: Some(attributes.iter().map(pair).collect::<BTreeMap<_, _>>()),
        return_subscription_arn: None,
    };
    call::<model::Subscribe>(fabric, input).await.expect("subscribed").subscription_arn.expect("an ARN")
}

#[tokio::test]
async fn a_message_fans_out_to_who_wants_it_also_after_a_crash() {
    let store = Memory::new();
    let (fabric, _) = open(store.clone()).await;
    let topic = model::CreateTopicInput { name: "news".into(), ..Default::default() };
    call::<model::CreateTopic>(&fabric, topic).await.expect("created");
    subscribe(&fabric, "sqs", "arn:aws:sqs:us-east-1:000000000000:all", &[]).await;
    subscribe(&fabric, "sqs", "arn:aws:sqs:us-east-1:000000000000:raw", &[("RawMessageDelivery", "true")]).await;
    subscribe(&fabric, "sqs", "arn:aws:sqs:us-east-1:000000000000:no", &[("FilterPolicy", r#"{"k":["x"]}"#)]).await;
    subscribe(&fabric, "lambda", "arn:aws:lambda:us-east-1:000000000000:function:f", &[]).await;
    let publish = model::PublishInput {
        topic_arn: Some(TOPIC.into()),
        message: "acorn".into(),
        subject: Some("News".into()),
        ..Default::default()
    };
    call::<model::Publish>(&fabric, publish).await.expect("published");

    // The machine loses power before anything is delivered.
    let (again, mut came) = open(store.after_power_loss()).await;
    again.deliveries.start().await.expect("started");
    let mut payloads = BTreeMap::new();
    for _ in 0..3 {
        let delivery = came.recv().await.expect("a delivery");
        let name = delivery.target.rsplit(':').next().expect("a name").to_owned();
        payloads.insert(name, String::from_utf8(delivery.payload.to_vec()).expect("text"));
    }
    let json = |name: &str| serde_json::from_str::<serde_json::Value>(&payloads[name]).expect("JSON");
    assert_eq!(json("all")["Message"], "acorn");
    assert_eq!(payloads["raw"], "acorn");
    assert_eq!(json("f")["Records"][0]["Sns"]["Subject"], "News");
    again.deliveries.drain().await;
    assert!(came.try_recv().is_err(), "the filtered subscription gets nothing");
}

#[tokio::test]
async fn deleting_a_topic_deletes_its_subscriptions() {
    let (fabric, _) = open(Memory::new()).await;
    let topic = model::CreateTopicInput { name: "news".into(), ..Default::default() };
    call::<model::CreateTopic>(&fabric, topic).await.expect("created");
    let arn = subscribe(&fabric, "sqs", "arn:aws:sqs:us-east-1:000000000000:all", &[]).await;
    assert_eq!(subscribe(&fabric, "sqs", "arn:aws:sqs:us-east-1:000000000000:all", &[]).await, arn);
    call::<model::DeleteTopic>(&fabric, model::DeleteTopicInput { topic_arn: TOPIC.into() }).await.expect("deleted");
    let left = fabric.store.range(store::Range::prefix("sns/")).await.expect("read");
    assert!(left.is_empty());
}
