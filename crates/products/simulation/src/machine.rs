use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::{Entropy, Scope, Timestamp};
use blob::Blobs;
use clock::{Busy, Clock};
use fabric::{Fabric, Parts};
use serde_json::{Value, json};
use store::{Memory, Range};
use wire::{Error, Services};

use crate::function::Function;
use crate::ledger::Ledger;

pub const BUCKET: &str = "nest";
pub const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:news";
pub const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:hatch";
/// One gets the topic's envelopes, the other the bare messages.
pub const QUEUES: [&str; 2] = ["letters", "notes"];
pub const ORIGIN: &str = "http://127.0.0.1:4566";

/// How often tasks get to run before all are taken to wait.
const TURNS: usize = 64;
/// A timer further away than this is housekeeping, to which time is not moved.
const JUMP_MAX: Duration = Duration::from_secs(600);

/// The services between two losses of power.
pub struct Machine {
    pub fabric: Fabric,
    pub services: Arc<Services>,
    pub store: Memory,
    function: Arc<Function>,
    /// Time moves only when the simulation says so.
    _still: Busy,
}

impl Machine {
    /// Starts the services over what is in the store.
    pub async fn start(store: Memory, blobs: Blobs, at: Timestamp, seed: u64, ledger: Ledger) -> Machine {
        let (clock, entropy) = (Clock::virtual_from(at), Entropy::seeded(seed));
        let still = clock.busy();
        let parts = Parts {
            clock: clock.clone(),
            entropy: entropy.clone(),
            store: Arc::new(store.clone()),
            blobs,
            journal: None,
            origin: ORIGIN.into(),
        };
        let fabric = Fabric::weave(parts).expect("woven");
        s3::S3::open(fabric.clone()).await.expect("S3 opens").plug();
        sns::Sns::open(fabric.clone()).plug();
        sqs::Sqs::open(fabric.clone()).await.expect("SQS opens").plug();
        let function = Arc::new(Function::new(clock, entropy, ledger, seed));
        fabric.plugs.add_target("lambda", function.clone());
        fabric.deliveries.start().await.expect("deliveries start");
        let services = Arc::new(Services::new(fabric.plugs.apis(), []));
        Machine { fabric, services, store, function, _still: still }
    }

    /// Makes the bucket, the topic and the queues.
    pub async fn furnish(&self) {
        self.call("s3", "CreateBucket", json!({ "Bucket": BUCKET })).await;
        self.call("sns", "CreateTopic", json!({ "Name": "news" })).await;
        for queue in QUEUES {
            let arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
            let policy = json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
                "Resource": arn,
            }] });
            let attributes = json!({ "Policy": policy.to_string() });
            self.call("sqs", "CreateQueue", json!({ "QueueName": queue, "Attributes": attributes })).await;
            let raw = json!({ "RawMessageDelivery": (queue == QUEUES[1]).to_string() });
            let subscription = json!({ "TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": arn, "Attributes": raw });
            self.call("sns", "Subscribe", subscription).await;
        }
        let rule = json!({ "LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"] });
        let rules = json!({ "LambdaFunctionConfigurations": [rule] });
        let input = json!({ "Bucket": BUCKET, "NotificationConfiguration": rules });
        self.call("s3", "PutBucketNotificationConfiguration", input).await;
    }

    async fn call(&self, service: &str, operation: &str, input: Value) {
        let outcome = invoke(&self.fabric, &self.services, service, operation, input).await;
        outcome.unwrap_or_else(|error| panic!("{operation}: {error}"));
    }

    /// From now on the function is reliable, and the store carries out what waits.
    pub fn heal(&self) {
        self.function.reliable.store(true, Ordering::Relaxed);
        self.store.release();
    }

    /// Lets all tasks run until they wait for time or the store.
    pub async fn settle(&self) {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    }

    /// Moves time to the next timer, if that is near, and wakes who waits for it.
    pub fn jump(&self) -> bool {
        let status = self.fabric.clock.status();
        if status.next.is_none_or(|next| next > status.now + JUMP_MAX) {
            return false;
        }
        self.fabric.clock.jump();
        self.wait_for_timers();
        true
    }

    pub fn advance(&self, duration: Duration) {
        self.fabric.clock.advance(duration);
        self.wait_for_timers();
    }

    /// Due timers fire on the clock's own thread.
    fn wait_for_timers(&self) {
        loop {
            let status = self.fabric.clock.status();
            if status.next.is_none_or(|next| next > status.now) {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// The keys of the outbox.
    pub async fn outbox(&self) -> Vec<String> {
        let rows = self.fabric.store.range(Range::prefix("delivery/")).await.expect("read");
        rows.into_iter().map(|(key, _)| String::from_utf8_lossy(&key).into_owned()).collect()
    }
}

/// Calls an operation as a client would.
pub async fn invoke(
    fabric: &Fabric,
    services: &Services,
    service: &str,
    operation: &str,
    input: Value,
) -> Result<Value, Error> {
    let mut call = fabric.call_from("lambda", Scope::default(), fabric.begin_trace());
    call.caller.service = None;
    services.invoke_json(service, operation, call, input).await
}
