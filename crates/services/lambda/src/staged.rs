//! A stage for tests: a fabric in memory on virtual time, a function, and environments without processes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Arn, Entropy, Scope, Timestamp};
use bytes::Bytes;
use clock::Clock;
use fabric::{Delivery, Fabric, Outcome as Delivered, Parts, Refusal, Sender, Target};
use futures_util::future::BoxFuture;
use sandbox::{EnvironmentSpec, FunctionError, Outcome, Output, Settled, StartError, StartMode};

use crate::environment::{Environment, Environments, Event, Folders, Template, Unpack};
use crate::invoke::{Config, Invoker, Request};
use crate::output::Logs;
use crate::registry::{
    Code, EventInvokeConfig, Function, FunctionSettings, LATEST, Logging, Package, Registry, Version,
};

pub const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
pub const FAILED: &str = "arn:aws:sqs:us-east-1:000000000000:failed";
pub const PASSED: &str = "arn:aws:sqs:us-east-1:000000000000:passed";

pub struct Stage {
    pub fabric: Fabric,
    pub registry: Arc<Registry>,
    pub invoker: Invoker,
    pub environments: Arc<Fakes>,
    pub queues: Arc<Queues>,
}

/// Answers of the function, in order; the last one stays.
#[derive(Default)]
pub struct Fakes {
    answers: Mutex<VecDeque<Result<&'static str, &'static str>>>,
    pub started: Mutex<Vec<EnvironmentSpec>>,
    /// The moment and the request id of each event.
    pub events: Mutex<Vec<(Timestamp, Event)>>,
    /// What was done with environments between events, in order.
    pub rests: Mutex<Vec<&'static str>>,
    /// Whether init phases fail.
    pub broken: AtomicBool,
    clock: Mutex<Option<Clock>>,
}

struct Fake(Arc<Fakes>);

/// Takes whatever is sent to a queue.
#[derive(Default)]
pub struct Queues {
    pub taken: Mutex<Vec<Delivery>>,
    pub arrived: tokio::sync::Notify,
}

impl Stage {
    pub async fn set(change: impl FnOnce(&mut Function)) -> Stage {
        Stage::set_with_standby(0, change).await
    }

    /// A stage where environments of `standby_memory_mb` in all are started ahead.
    pub async fn set_with_standby(standby_memory_mb: u64, change: impl FnOnce(&mut Function)) -> Stage {
        let clock = Clock::virtual_from(Timestamp::from_secs(1_767_225_600));
        let fabric = Fabric::weave(Parts {
            clock: clock.clone(),
            entropy: Entropy::seeded(1),
            store: Arc::new(store::Memory::new()),
            blobs: blob::Blobs::memory(Entropy::seeded(2)),
            journal: None,
            origin: "http://127.0.0.1:4566".into(),
        })
        .expect("a fabric");
        let registry = Registry::open(fabric.cells.clone(), fabric.entropy.clone()).await.expect("a registry");
        let mut function = function();
        change(&mut function);
        registry
            .apply(&Scope::default(), |account, tx| {
                account.put(tx, function);
                Ok(())
            })
            .await
            .expect("a function");
        let registry = Arc::new(registry);
        let environments = Arc::new(Fakes::default());
        *environments.clock.lock().unwrap() = Some(clock);
        let config = Config {
            endpoint: "http://127.0.0.1:9".into(),
            account_concurrency: 10,
            idle_memory_mb_max: 256,
            standby_memory_mb_max: standby_memory_mb,
            stream: sandbox::StreamLimits::default(),
        };
        let starter = Arc::new(Starter(environments.clone()));
        let logs = Logs::new(fabric.clone());
        let invoker = Invoker::new(fabric.clone(), registry.clone(), Arc::new(Nowhere), starter, logs, config);
        let queues = Arc::new(Queues::default());
        fabric.plugs.add_target("sqs", queues.clone());
        let events = crate::event::Events::new(registry.clone(), invoker.clone());
        fabric.plugs.add_target("lambda", Arc::new(events));
        fabric.deliveries.start().await.expect("deliveries");
        Stage { fabric, registry, invoker, environments, queues }
    }

    pub fn answers(&self, answers: &[Result<&'static str, &'static str>]) {
        *self.environments.answers.lock().unwrap() = answers.iter().copied().collect();
    }

    pub fn request(&self, payload: &'static str) -> Request {
        Request {
            request_id: self.fabric.entropy.uuid(),
            resolved: self.registry.resolve(&Scope::default(), "f", None).expect("f"),
            payload: Bytes::from_static(payload.as_bytes()),
            trace: self.fabric.begin_trace(),
            client_context: None,
        }
    }

    /// Sends an event and returns its id.
    pub async fn send(&self, payload: &'static str) -> String {
        let Request { resolved, payload, trace, .. } = self.request(payload);
        let delivery = Delivery::new(&self.fabric.entropy, self.fabric.now(), resolved.invoked_arn, payload, trace);
        let id = delivery.id.clone();
        self.fabric.deliveries.accept(vec![delivery]).await.expect("accepted");
        id
    }
}

impl Queues {
    /// Waits until `count` letters have come.
    pub async fn letters(&self, count: usize) -> Vec<Delivery> {
        loop {
            let arrived = self.arrived.notified();
            let taken = self.taken.lock().unwrap().clone();
            if taken.len() >= count {
                return taken;
            }
            arrived.await;
        }
    }
}

impl Target for Queues {
    fn check<'a>(&'a self, _: &'a Arn, _: &'a Sender) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Delivered> {
        self.taken.lock().unwrap().push(delivery.clone());
        self.arrived.notify_waiters();
        Box::pin(async { Delivered::Done { next: Vec::new() } })
    }
}

struct Nowhere;

impl Unpack for Nowhere {
    fn folders<'a>(&'a self, _: &'a Version) -> BoxFuture<'a, Result<Folders, wire::Error>> {
        Box::pin(async { Ok(Folders { code: "/nowhere".into(), layers: Vec::new(), image: None, held: Vec::new() }) })
    }

    fn keep_only<'a>(&'a self, _: &'a Registry) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

struct Starter(Arc<Fakes>);

impl Environments for Starter {
    fn start<'a>(
        &'a self,
        spec: EnvironmentSpec,
        _: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn Environment>, StartError>> {
        self.0.started.lock().unwrap().push(spec);
        Box::pin(async {
            if self.0.broken.load(Ordering::Relaxed) {
                return Err(StartError::Timeout { after: Duration::from_secs(10) });
            }
            Ok(Arc::new(Fake(self.0.clone())) as Arc<dyn Environment>)
        })
    }

    fn make_template<'a>(
        &'a self,
        _: EnvironmentSpec,
        _: Arc<dyn Output>,
    ) -> BoxFuture<'a, Result<Arc<dyn Template>, StartError>> {
        Box::pin(async { Err(StartError::Unforkable { reason: "it is a fake".into() }) })
    }
}

impl Fake {
    fn note(&self, step: &'static str) -> BoxFuture<'_, ()> {
        self.0.rests.lock().unwrap().push(step);
        Box::pin(async {})
    }
}

impl Environment for Fake {
    fn settle(&self, _limit: Duration) -> BoxFuture<'_, Settled> {
        Box::pin(async { Settled { result: Ok(()), duration: Duration::ZERO, max_memory_mb: 30, reusable: true } })
    }

    fn init_duration(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn invoke<'a>(&'a self, event: Event) -> BoxFuture<'a, Outcome> {
        let now = self.0.clock.lock().unwrap().as_ref().expect("a clock").now();
        self.0.events.lock().unwrap().push((now, event));
        let mut answers = self.0.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() };
        let result = match answer.unwrap_or(Ok("null")) {
            Ok(payload) => Ok(Bytes::from_static(payload.as_bytes())),
            Err(message) => Err(FunctionError::Handler {
                error_type: "Error".into(),
                body: Bytes::from(format!("{{\"errorMessage\":\"{message}\"}}")),
            }),
        };
        let (duration, max_memory_mb) = (Duration::from_millis(2), 100);
        Box::pin(async move { Outcome { result, duration, max_memory_mb, reusable: true, extensions_work: false } })
    }

    fn start_mode(&self) -> (StartMode, Option<&'static str>) {
        (StartMode::Exec, Some("it is a fake"))
    }

    fn invoke_streaming<'a>(&'a self, event: Event, _: sandbox::ResponseSender) -> BoxFuture<'a, Outcome> {
        self.invoke(event)
    }

    fn freeze<'a>(&'a self) -> BoxFuture<'a, ()> {
        self.note("freeze")
    }

    fn thaw<'a>(&'a self) -> BoxFuture<'a, ()> {
        self.note("thaw")
    }

    fn page_out<'a>(&'a self) -> BoxFuture<'a, ()> {
        self.note("page out")
    }

    fn stop<'a>(&'a self) -> BoxFuture<'a, ()> {
        self.note("stop")
    }

    fn is_alive(&self) -> bool {
        true
    }
}

/// The function `f`, with everything an event can end in.
fn function() -> Function {
    let scope = Scope::default();
    let arn = scope.arn("lambda", "function:f");
    let version = Version {
        scope: scope.clone(),
        function_name: "f".into(),
        arn: arn.clone(),
        version: LATEST.into(),
        revision: "1".into(),
        revision_id: "1".into(),
        role: "arn:aws:iam::000000000000:role/r".into(),
        runtime: Some("python3.12".into()),
        handler: Some("m.h".into()),
        code: Code::Package(Package { sha256: String::new(), size: 0, blob: String::new(), unpacked: 0 }),
        layers: Vec::new(),
        environment: Some(BTreeMap::from([("STAGE".into(), "test".into())])),
        memory_mb: 128,
        timeout_s: 3,
        ephemeral_storage_mb: 512,
        architecture: "x86_64".into(),
        description: String::new(),
        dead_letter_target: Some(DEAD.into()),
        tracing_mode: "PassThrough".into(),
        logging: Logging {
            format: "Text".into(),
            group: "/aws/lambda/f".into(),
            application_level: None,
            system_level: None,
        },
        snap_start: "None".into(),
        vpc: None,
        kms_key_arn: None,
        last_modified: Timestamp::EPOCH,
    };
    let config = EventInvokeConfig {
        on_success: Some(PASSED.into()),
        on_failure: Some(FAILED.into()),
        ..EventInvokeConfig::default()
    };
    Function {
        scope,
        name: "f".into(),
        arn,
        latest: Arc::new(version),
        versions: BTreeMap::new(),
        aliases: BTreeMap::new(),
        settings: Arc::new(FunctionSettings::default()),
        event_invoke_configs: BTreeMap::from([(LATEST.to_owned(), Arc::new(config))]),
        policies: BTreeMap::new(),
    }
}
