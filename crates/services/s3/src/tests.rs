use std::sync::Arc;

use base::{Arn, Entropy, RequestId, Scope, Timestamp};
use blob::Blobs;
use bytes::Bytes;
use clock::Clock;
use fabric::{Delivery, Fabric, Outcome, Parts, Refusal, Sender, Target};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model_s3 as model;
use proptest::prelude::*;
use store::Memory;
use tokio::sync::mpsc;
use wire::{ByteStream, Call, Caller, Error, Operation, Reply, Shaped};

use crate::S3;
use crate::list::{Query, list};
use crate::object::{Body, Head, Object};

const START: Timestamp = Timestamp::from_secs(1_700_000_000);

struct Bench {
    fabric: Fabric,
    _s3: Arc<S3>,
}

/// Takes all that is sent to it.
struct Sink(mpsc::Sender<Delivery>);

impl Target for Sink {
    fn check<'a>(&'a self, target: &'a Arn, _: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>> {
        let known = if target.name() == "missing" { Err(Refusal::Missing) } else { Ok(()) };
        async move { known }.boxed()
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome> {
        async move {
            self.0.send(delivery.clone()).await.expect("the test listens");
            Outcome::Done { next: Vec::new() }
        }
        .boxed()
    }
}

impl Bench {
    async fn over(store: Memory, blobs: Blobs) -> Bench {
        let parts = Parts {
            clock: Clock::virtual_from(START),
            entropy: Entropy::seeded(1),
            store: Arc::new(store),
            blobs,
            journal: None,
            origin: "http://127.0.0.1:4566".into(),
        };
        let fabric = Fabric::weave(parts).expect("woven");
        let s3 = S3::open(fabric.clone()).await.expect("opens");
        s3.plug();
        Bench { fabric, _s3: s3 }
    }

    async fn new() -> Bench {
        let blobs = Blobs::memory(Entropy::seeded(2));
        let bench = Bench::over(Memory::new(), blobs).await;
        bench
            .call::<model::CreateBucket>(
                model::CreateBucketRequest { bucket: "nest".into(), ..Default::default() },
                None,
            )
            .await
            .expect("created");
        bench
    }

    async fn call<O: Operation>(&self, input: O::Input, body: Option<Bytes>) -> Result<Reply<O::Output>, Error> {
        let call = Call {
            request_id: RequestId::new(&self.fabric.entropy),
            scope: Scope::default(),
            caller: Caller::default(),
            trace: self.fabric.begin_trace(),
            origin: "http://127.0.0.1:4566".into(),
            body: body.map(ByteStream::from),
        };
        let api = self.fabric.plugs.api("s3").expect("plugged in");
        let reply = api.call(O::SCHEMA.name, call, input.into_fields()).await?;
        Ok(reply.map(|fields| O::Output::from_fields(fields).expect("an output")))
    }

    async fn put(&self, key: &str, body: impl Into<Bytes>) -> String {
        let input = model::PutObjectRequest { bucket: "nest".into(), key: key.into(), ..Default::default() };
        let reply = self.call::<model::PutObject>(input, Some(body.into())).await.expect("put");
        reply.output.etag.expect("an entity tag")
    }

    async fn get(&self, key: &str, range: Option<&str>) -> Result<(u16, Bytes), Error> {
        let range = range.map(str::to_owned);
        let input = model::GetObjectRequest { bucket: "nest".into(), key: key.into(), range, ..Default::default() };
        let reply = self.call::<model::GetObject>(input, None).await?;
        let body = reply.body.expect("a body").collect(usize::MAX).await?.expect("small enough");
        Ok((reply.status.unwrap_or(200), body))
    }
}

#[tokio::test]
async fn objects_short_and_long_are_read_back_whole_and_in_part() {
    let bench = Bench::new().await;
    for size in [0, 10, 4_096, 4_097, 1_000_000] {
        let body: Vec<u8> = (0..size).map(|n: u32| n as u8).collect();
        bench.put("k", body.clone()).await;
        assert_eq!(bench.get("k", None).await, Ok((200, body.clone().into())));
        if size > 5 {
            assert_eq!(bench.get("k", Some("bytes=2-4")).await, Ok((206, body[2..5].to_vec().into())));
        }
    }
}

#[tokio::test]
async fn a_replaced_body_is_deleted_and_a_restart_finds_the_rest() {
    let store = Memory::new();
    let blobs = Blobs::memory(Entropy::seeded(2));
    let bench = Bench::over(store.clone(), blobs.clone()).await;
    let bucket = model::CreateBucketRequest { bucket: "nest".into(), ..Default::default() };
    bench.call::<model::CreateBucket>(bucket, None).await.expect("created");
    bench.put("k", vec![1; 10_000]).await;
    bench.put("k", vec![2; 10_000]).await;
    let again = Bench::over(store.after_power_loss(), blobs.clone()).await;
    assert_eq!(again.get("k", None).await, Ok((200, vec![2; 10_000].into())));
    let kept = again._s3.blob_ids().await.expect("read");
    assert_eq!(kept.len(), 1);
    assert_eq!(blobs.sweep(move |id| kept.contains(id)).await.expect("swept"), 0, "no blob is left over");
}

#[tokio::test]
async fn parts_become_one_object_with_a_composite_tag() {
    let bench = Bench::new().await;
    let begin = model::CreateMultipartUploadRequest { bucket: "nest".into(), key: "big".into(), ..Default::default() };
    let begun = bench.call::<model::CreateMultipartUpload>(begin, None).await.expect("begun").output;
    let upload_id = begun.upload_id.expect("an id");
    let mut named = Vec::new();
    for (part_number, size) in [(1, 5 * 1024 * 1024), (2, 100)] {
        let part = model::UploadPartRequest {
            bucket: "nest".into(),
            key: "big".into(),
            upload_id: upload_id.clone(),
            part_number,
            ..Default::default()
        };
        let body = Bytes::from(vec![part_number as u8; size]);
        let etag = bench.call::<model::UploadPart>(part, Some(body)).await.expect("taken").output.etag;
        named.push(model::CompletedPart { etag, part_number: Some(part_number), ..Default::default() });
    }
    let complete = |parts: Vec<model::CompletedPart>| model::CompleteMultipartUploadRequest {
        bucket: "nest".into(),
        key: "big".into(),
        upload_id: upload_id.clone(),
        multipart_upload: Some(model::CompletedMultipartUpload { parts: Some(parts) }),
        ..Default::default()
    };
    let reversed = named.iter().rev().cloned().collect();
    let refused = bench.call::<model::CompleteMultipartUpload>(complete(reversed), None).await;
    assert_eq!(refused.expect_err("refused").code, "InvalidPartOrder");
    let done = bench.call::<model::CompleteMultipartUpload>(complete(named), None).await.expect("completed").output;
    assert!(done.etag.expect("an entity tag").ends_with("-2\""));
    let (_, body) = bench.get("big", None).await.expect("read");
    assert_eq!((body.len(), body[0], body[body.len() - 1]), (5 * 1024 * 1024 + 100, 1, 2));
    assert_eq!(bench._s3.blob_ids().await.expect("read").len(), 1, "the parts are gone");
}

#[tokio::test]
async fn an_upload_ends_once() {
    let bench = Bench::new().await;
    let begin = model::CreateMultipartUploadRequest { bucket: "nest".into(), key: "k".into(), ..Default::default() };
    let begun = bench.call::<model::CreateMultipartUpload>(begin, None).await.expect("begun").output;
    let upload_id = begun.upload_id.expect("an id");
    let part = model::UploadPartRequest {
        bucket: "nest".into(),
        key: "k".into(),
        upload_id: upload_id.clone(),
        part_number: 1,
        ..Default::default()
    };
    let etag = bench.call::<model::UploadPart>(part, Some("part".into())).await.expect("taken").output.etag;
    let parts = vec![model::CompletedPart { etag, part_number: Some(1), ..Default::default() }];
    let complete = || model::CompleteMultipartUploadRequest {
        bucket: "nest".into(),
        key: "k".into(),
        upload_id: upload_id.clone(),
        multipart_upload: Some(model::CompletedMultipartUpload { parts: Some(parts.clone()) }),
        ..Default::default()
    };
    let abort = model::AbortMultipartUploadRequest {
        bucket: "nest".into(),
        key: "k".into(),
        upload_id: upload_id.clone(),
        ..Default::default()
    };
    let (one, other, aborted) = tokio::join!(
        bench.call::<model::CompleteMultipartUpload>(complete(), None),
        bench.call::<model::CompleteMultipartUpload>(complete(), None),
        bench.call::<model::AbortMultipartUpload>(abort, None),
    );
    let codes = [one.err(), other.err(), aborted.err()].map(|error| error.map(|error| error.code.to_string()));
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
    assert!(codes.iter().flatten().all(|code| code == "NoSuchUpload"), "{codes:?}");
    assert!(bench._s3.parts("nest", &upload_id).await.expect("read").is_empty());
}

#[tokio::test]
async fn an_upload_notifies_what_its_key_matches() {
    let bench = Bench::new().await;
    let (sender, mut came) = mpsc::channel(10);
    bench.fabric.plugs.add_target("sqs", Arc::new(Sink(sender)));
    bench.fabric.deliveries.start().await.expect("started");
    let configure = |queue: &str| model::PutBucketNotificationConfigurationRequest {
        bucket: "nest".into(),
        notification_configuration: model::NotificationConfiguration {
            queue_configurations: Some(vec![model::QueueConfiguration {
                id: Some("rule".into()),
                queue_arn: format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
                events: vec!["s3:ObjectCreated:*".into()],
                filter: Some(model::NotificationConfigurationFilter {
                    key: Some(model::S3KeyFilter {
                        filter_rules: Some(vec![model::FilterRule {
                            name: Some("prefix".into()),
                            value: Some("in/".into()),
                        }]),
                    }),
                }),
            }]),
            ..Default::default()
        },
        ..Default::default()
    };
    let refused = bench.call::<model::PutBucketNotificationConfiguration>(configure("missing"), None).await;
    assert_eq!(refused.expect_err("refused").code, "InvalidArgument");
    bench.call::<model::PutBucketNotificationConfiguration>(configure("queue"), None).await.expect("configured");
    let test = came.recv().await.expect("the test event");
    assert!(std::str::from_utf8(&test.payload).expect("text").contains("s3:TestEvent"));
    bench.put("out/x", "nut").await;
    bench.put("in/a b", "nut").await;
    let event: serde_json::Value = serde_json::from_slice(&came.recv().await.expect("an event").payload).expect("JSON");
    let record = &event["Records"][0];
    assert_eq!(record["eventName"], "ObjectCreated:Put");
    assert_eq!(record["s3"]["object"]["key"], "in/a+b");
    assert_eq!(record["s3"]["object"]["size"], 3);
    assert!(came.try_recv().is_err(), "the other key matches no rule");
}

#[tokio::test]
async fn a_bucket_of_another_account_is_closed() {
    let bench = Bench::new().await;
    let mut call = bench.fabric.call_from("lambda", Scope::default(), bench.fabric.begin_trace());
    call.scope.account = base::Account::parse("111111111111").expect("an account");
    let input = model::HeadBucketRequest { bucket: "nest".into(), ..Default::default() };
    let api = bench.fabric.plugs.api("s3").expect("plugged in");
    let refused = api.call("HeadBucket", call, input.into_fields()).await;
    assert_eq!(refused.expect_err("refused").status, 403);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Pages put together are what a naive listing gives.
    #[test]
    fn listing_in_pages_is_listing(
        keys in proptest::collection::btree_set("[ab/]{1,5}", 0..30),
        prefix in "[ab/]{0,2}",
        delimiter in proptest::option::of(Just("/".to_owned())),
        max in 1usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (contents, prefixes) = runtime.block_on(async {
            let bench = Bench::over(Memory::new(), Blobs::memory(Entropy::seeded(2))).await;
            let mut batch = store::Batch::default();
            for key in &keys {
                let object = Object { head: Head::default(), body: Body::Inline(Bytes::new()) };
                batch.put(format!("base/{key}").into_bytes(), object.encode());
            }
            bench.fabric.store.commit(batch).await.expect("committed");
            let (mut contents, mut prefixes, mut after) = (Vec::new(), Vec::new(), None::<String>);
            loop {
                let query = Query { prefix: &prefix, delimiter: delimiter.as_deref(), after: after.as_deref(), max };
                let page = list(&bench.fabric, b"base/", &query).await.expect("listed");
                contents.extend(page.contents.into_iter().map(|(key, _)| key));
                prefixes.extend(page.common_prefixes);
                match page.next {
                    Some(next) => after = Some(next),
                    None => break (contents, prefixes),
                }
            }
        });
        let rolled = |key: &String| {
            let rest = &key[prefix.len()..];
            delimiter.as_ref().and_then(|d| rest.find(d.as_str())).map(|at| key[..=prefix.len() + at].to_owned())
        };
        let listed: Vec<&String> = keys.iter().filter(|key| key.starts_with(&prefix)).collect();
        let plain: Vec<&String> = listed.iter().copied().filter(|key| rolled(key).is_none()).collect();
        let mut common: Vec<String> = listed.iter().filter_map(|key| rolled(key)).collect();
        common.dedup();
        prop_assert_eq!(contents.iter().collect::<Vec<_>>(), plain);
        prop_assert_eq!(prefixes, common);
    }
}
