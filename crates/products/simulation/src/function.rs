use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::{Arn, Entropy};
use bytes::Bytes;
use clock::Clock;
use fabric::{Delivery, Failure, Outcome, Refusal, Sender, Target};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::machine::TOPIC;

/// A function that fails as it likes, and whose destination is the topic.
pub struct Function {
    pub clock: Clock,
    pub entropy: Entropy,
    pub ledger: Ledger,
    pub whims: Mutex<StdRng>,
    pub reliable: AtomicBool,
}

impl Function {
    pub fn new(clock: Clock, entropy: Entropy, ledger: Ledger, seed: u64) -> Function {
        let whims = Mutex::new(StdRng::seed_from_u64(seed));
        Function { clock, entropy, ledger, whims, reliable: AtomicBool::new(false) }
    }

    fn whim(&self) -> u32 {
        let whim = self.whims.lock().expect("nobody panics with the lock").random_range(0..100);
        if self.reliable.load(Ordering::Relaxed) { 100 } else { whim }
    }

    fn call(&self, delivery: &Delivery) -> Outcome {
        let event: Value = serde_json::from_slice(&delivery.payload).expect("an event is JSON");
        let number = event["Records"][0]["s3"]["object"]["size"].as_u64().expect("a size") as usize;
        let mut entries = self.ledger.lock();
        entries.called.insert(number);
        entries.history.calls += 1;
        let whim = self.whim();
        entries.history.calls_failed += u64::from(whim < 25);
        match whim {
            0..10 => Outcome::Failed(Failure { code: "Whim".into(), message: "not now".into(), retryable: true }),
            10..25 => Outcome::Again {
                after: Duration::from_secs(1),
                attempted: whim < 18,
                notes: json!({ "whim": whim }),
                why: "not yet".into(),
            },
            _ => {
                let payload = Bytes::from(json!({ "number": number }).to_string());
                let next = Delivery::new(&self.entropy, self.clock.now(), TOPIC, payload, delivery.trace.clone());
                Outcome::Done { next: vec![next.from("lambda.amazonaws.com", &delivery.target, "000000000000")] }
            }
        }
    }
}

impl Target for Function {
    fn check<'a>(&'a self, _: &'a Arn, _: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>> {
        async { Ok(()) }.boxed()
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Outcome> {
        async move {
            let work = self.whim() % 4;
            for _ in 0..work {
                tokio::task::yield_now().await;
            }
            self.call(delivery)
        }
        .boxed()
    }
}
