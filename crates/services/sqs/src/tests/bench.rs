use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Entropy, RequestId, Scope, Timestamp};
use blob::Blobs;
use clock::Clock;
use fabric::{Fabric, Parts};
use model_sqs as model;
use store::Memory;
use wire::{Call, Caller, Error, Operation, Shaped};

use crate::Sqs;

pub(super) const START: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(super) const ORIGIN: &str = "http://127.0.0.1:4566";

pub(super) struct Bench {
    pub(super) fabric: Fabric,
    _sqs: Arc<Sqs>,
    store: Memory,
    /// Keeps virtual time from jumping where a test does not wait for it to.
    busy: Mutex<Option<clock::Busy>>,
}

impl Bench {
    pub(super) async fn new() -> Bench {
        Bench::over(Memory::new(), START).await
    }

    async fn over(store: Memory, start: Timestamp) -> Bench {
        let clock = Clock::virtual_from(start);
        let busy = Mutex::new(Some(clock.busy()));
        let parts = Parts {
            clock,
            entropy: Entropy::seeded(u64::try_from(start.micros()).unwrap_or(1)),
            store: Arc::new(store.clone()),
            blobs: Blobs::memory(Entropy::seeded(2)),
            journal: None,
            origin: ORIGIN.into(),
        };
        let fabric = Fabric::weave(parts).expect("woven");
        let sqs = Sqs::open(fabric.clone()).await.expect("opens");
        sqs.plug();
        fabric.deliveries.start().await.expect("deliveries start");
        Bench { fabric, _sqs: sqs, store, busy }
    }

    /// The same store, opened anew, as after a crash.
    pub(super) async fn restart(self) -> Bench {
        let now = self.fabric.now();
        let store = self.store.clone();
        drop(self);
        Bench::over(store, now).await
    }

    /// From now on time jumps to what is waited for.
    pub(super) fn let_time_run(&self) {
        self.busy.lock().expect("not poisoned").take();
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.fabric.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) async fn call<O: Operation>(&self, input: O::Input) -> Result<O::Output, Error> {
        let call = Call {
            request_id: RequestId::new(&self.fabric.entropy),
            scope: Scope::default(),
            caller: Caller::default(),
            trace: self.fabric.begin_trace(),
            origin: ORIGIN.into(),
            body: None,
        };
        let api = self.fabric.plugs.api("sqs").expect("plugged in");
        let reply = api.call(O::SCHEMA.name, call, input.into_fields()).await?;
        Ok(O::Output::from_fields(reply.output).expect("an output"))
    }

    pub(super) async fn create(&self, name: &str, attributes: &[(&str, &str)]) -> String {
        self.try_create(name, attributes).await.expect("created")
    }

    pub(super) async fn try_create(&self, name: &str, attributes: &[(&str, &str)]) -> Result<String, Error> {
        let mut attributes = pairs(attributes);
        if name.ends_with(".fifo") {
            attributes.insert("FifoQueue".into(), "true".into());
        }
        let input =
            model::CreateQueueRequest { queue_name: name.into(), attributes: Some(attributes), ..Default::default() };
        Ok(self.call::<model::CreateQueue>(input).await?.queue_url.expect("a URL"))
    }

    pub(super) async fn send(&self, url: &str, body: &str) -> String {
        let input =
            model::SendMessageRequest { queue_url: url.into(), message_body: body.into(), ..Default::default() };
        self.call::<model::SendMessage>(input).await.expect("sent").message_id.expect("an id")
    }

    pub(super) async fn send_fifo(&self, url: &str, body: &str, group: &str, id: &str) -> model::SendMessageResult {
        let input = model::SendMessageRequest {
            queue_url: url.into(),
            message_body: body.into(),
            message_group_id: Some(group.into()),
            message_deduplication_id: Some(id.into()),
            ..Default::default()
        };
        self.call::<model::SendMessage>(input).await.expect("sent")
    }

    pub(super) async fn receive(&self, url: &str, max: i32) -> Vec<model::Message> {
        self.receive_with(url, max, 0, None).await.expect("received")
    }

    pub(super) async fn receive_with(
        &self,
        url: &str,
        max: i32,
        wait_s: i32,
        visibility_s: Option<i32>,
    ) -> Result<Vec<model::Message>, Error> {
        let input = model::ReceiveMessageRequest {
            queue_url: url.into(),
            max_number_of_messages: Some(max),
            wait_time_seconds: Some(wait_s),
            visibility_timeout: visibility_s,
            message_system_attribute_names: Some(vec!["All".into()]),
            message_attribute_names: Some(vec!["All".into()]),
            ..Default::default()
        };
        Ok(self.call::<model::ReceiveMessage>(input).await?.messages.unwrap_or_default())
    }

    pub(super) async fn bodies(&self, url: &str, max: i32) -> Vec<String> {
        bodies(&self.receive(url, max).await)
    }

    pub(super) async fn delete(&self, url: &str, message: &model::Message) -> Result<(), Error> {
        let input = model::DeleteMessageRequest {
            queue_url: url.into(),
            receipt_handle: message.receipt_handle.clone().expect("a receipt"),
        };
        self.call::<model::DeleteMessage>(input).await.map(drop)
    }

    pub(super) async fn change(&self, url: &str, message: &model::Message, timeout_s: i32) -> Result<(), Error> {
        let input = model::ChangeMessageVisibilityRequest {
            queue_url: url.into(),
            receipt_handle: message.receipt_handle.clone().expect("a receipt"),
            visibility_timeout: timeout_s,
        };
        self.call::<model::ChangeMessageVisibility>(input).await.map(drop)
    }

    pub(super) async fn attributes(&self, url: &str) -> BTreeMap<String, String> {
        let input =
            model::GetQueueAttributesRequest { queue_url: url.into(), attribute_names: Some(vec!["All".into()]) };
        self.call::<model::GetQueueAttributes>(input).await.expect("attributes").attributes.expect("some")
    }

    /// Visible, in flight, delayed.
    pub(super) async fn counts(&self, url: &str) -> [u64; 3] {
        let attributes = self.attributes(url).await;
        ["", "NotVisible", "Delayed"]
            .map(|kind| attributes[&format!("ApproximateNumberOfMessages{kind}")].parse().expect("a number"))
    }

    pub(super) async fn set(&self, url: &str, attributes: &[(&str, &str)]) -> Result<(), Error> {
        let input = model::SetQueueAttributesRequest { queue_url: url.into(), attributes: pairs(attributes) };
        self.call::<model::SetQueueAttributes>(input).await.map(drop)
    }

    /// All keys in the store that belong to the service.
    pub(super) async fn rows(&self) -> Vec<String> {
        let rows = self.fabric.store.range(store::Range::prefix("sqs/")).await.expect("read");
        rows.into_iter().map(|(key, _)| String::from_utf8_lossy(&key).into_owned()).collect()
    }
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn bodies(messages: &[model::Message]) -> Vec<String> {
    messages.iter().map(|message| message.body.clone().expect("a body")).collect()
}

pub(super) fn attribute<'a>(message: &'a model::Message, name: &str) -> Option<&'a str> {
    message.attributes.as_ref()?.get(name).map(String::as_str)
}

pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

pub(super) fn redrive(target: &str, receives_max: u32) -> String {
    format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":{receives_max}}}"#, arn(target))
}
