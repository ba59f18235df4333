//! The server: makes environments, each ended in another way, and compares what there is before and after.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sandbox::{Config, Environment, EnvironmentSpec, Invocation, Isolation, Line, Network, Output, Sandbox, StartMode};

use crate::function::{EXIT, HANG};
use crate::traces::{Traces, launcher_of};

/// How many environments are there at the same time.
const WORKERS: usize = 6;
/// How many go before the comparison: stems boot meanwhile, and memory that is kept is taken.
const WARM_UP: usize = 48;
/// How often a cancelled start or invocation is given a turn before it is dropped.
const TURNS_MAX: usize = 40;

/// A kind of environment, and a way in which it ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Stopped,
    Dropped,
    StoppedFrozen,
    Exited,
    InvocationDropped,
    StartDropped,
    ForkedStopped,
    ForkedDropped,
    /// Two are forked from a template; it and one of them are dropped.
    Restored,
}

const ENDINGS: [Ending; 9] = [
    Ending::Stopped,
    Ending::ForkedStopped,
    Ending::Dropped,
    Ending::StoppedFrozen,
    Ending::Exited,
    Ending::InvocationDropped,
    Ending::ForkedDropped,
    Ending::StartDropped,
    Ending::Restored,
];

struct Nowhere;

impl Output for Nowhere {
    fn line(&self, _: Line) {}
}

struct Churn {
    sandbox: Sandbox,
    dir: PathBuf,
    next: AtomicUsize,
    forked: AtomicUsize,
}

/// Makes `count` environments and says `half` in their middle. Then compares, says `clean` and how much memory grew,
/// and ends; or says what is left and fails.
pub fn serve(dir: PathBuf, count: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(async {
        let mut config = Config::new(dir.join("state"), 4566, Arc::new(|_, _| {}));
        config.isolation = Isolation::Namespaces;
        config.launcher = Some(dir.join("launcher"));
        let sandbox = Sandbox::open(config).expect("sandbox");
        let churn = Arc::new(Churn { sandbox, dir, next: AtomicUsize::new(0), forked: AtomicUsize::new(0) });
        churn.run(WARM_UP).await;
        // The launcher may die too; all that it made goes with it.
        kill_the_launcher(&churn).await;
        churn.run(WARM_UP).await;
        let before = Traces::settled(&churn.dir).await;
        churn.forked.store(0, Ordering::Relaxed);
        churn.run(count / 2).await;
        println!("half");
        churn.run(count - count / 2).await;
        let forked = churn.forked.load(Ordering::Relaxed);
        assert!(forked > count / 8, "{forked} of {count} environments were forked");
        let grown = before.compare(&churn.dir).await;
        println!("clean {grown}");
    });
}

async fn kill_the_launcher(churn: &Churn) {
    let launcher = launcher_of(std::process::id()).expect("a launcher");
    let (spec, _) = churn.specification("provided.al2023");
    let environment = churn.sandbox.start(spec, Arc::new(Nowhere)).await.expect("an environment");
    let pid = rustix::process::Pid::from_raw(launcher as i32).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    environment.ended().await;
}

impl Churn {
    /// Makes `count` environments, some at a time.
    async fn run(self: &Arc<Self>, count: usize) {
        let end = self.next.load(Ordering::Relaxed) + count;
        let workers = (0..WORKERS).map(|_| {
            let churn = self.clone();
            tokio::spawn(async move {
                loop {
                    let number = churn.next.fetch_add(1, Ordering::Relaxed);
                    if number >= end {
                        return;
                    }
                    churn.one(number).await;
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("a worker");
        }
        self.next.store(end, Ordering::Relaxed);
    }

    async fn one(&self, number: usize) {
        let ending = ENDINGS[number % ENDINGS.len()];
        let turns = number / ENDINGS.len() % TURNS_MAX;
        if let Ending::Restored = ending {
            return self.restore().await;
        }
        let forked = matches!(ending, Ending::ForkedStopped | Ending::ForkedDropped);
        let (spec, id) = self.specification(if forked { "python3.12" } else { "provided.al2023" });
        let starting = self.sandbox.start(spec, Arc::new(Nowhere));
        if let Ending::StartDropped = ending {
            return give_up_after(turns, starting).await;
        }
        let environment = starting.await.unwrap_or_else(|error| panic!("{id}, {ending:?}: {error}"));
        self.forked.fetch_add(usize::from(environment.start_mode() == StartMode::Stem), Ordering::Relaxed);
        let answer = environment.invoke(event(&id, "7")).await.result;
        assert_eq!(answer.as_deref().ok(), Some(&b"7"[..]), "{id}, {ending:?}: {answer:?}");
        end(environment, ending, &id, turns).await;
    }

    async fn restore(&self) {
        let (spec, id) = self.snap_start();
        let template = self.sandbox.make_template(spec, Arc::new(Nowhere)).await;
        let template = template.unwrap_or_else(|error| panic!("{id}: {error}"));
        for stopped in [true, false] {
            let (spec, id) = self.snap_start();
            let restored = self.sandbox.restore(&template, spec, Arc::new(Nowhere)).await;
            let restored = restored.unwrap_or_else(|error| panic!("{id}: {error}"));
            let answer = restored.invoke(event(&id, "7")).await.result;
            assert_eq!(answer.as_deref().ok(), Some(&b"7"[..]), "{id}, restored: {answer:?}");
            if stopped {
                restored.stop().await;
            }
        }
    }

    fn snap_start(&self) -> (EnvironmentSpec, String) {
        let (mut spec, id) = self.specification("python3.12");
        spec.variables.insert("AWS_LAMBDA_INITIALIZATION_TYPE".to_owned(), "snap-start".to_owned());
        (spec, id)
    }

    fn specification(&self, runtime: &str) -> (EnvironmentSpec, String) {
        static IDS: AtomicUsize = AtomicUsize::new(0);
        let id = format!("e-{}", IDS.fetch_add(1, Ordering::Relaxed));
        let layers = ["one", "two"].map(|layer| self.dir.join(layer));
        let spec = EnvironmentSpec {
            id: id.clone(),
            runtime: runtime.to_owned(),
            image: None,
            handler: "app.handler".to_owned(),
            code: self.dir.join("code"),
            layers: if runtime.starts_with("python") { layers.into() } else { Vec::new() },
            variables: BTreeMap::new(),
            memory_mb: 256,
            ephemeral_storage_mb: 512,
            // With all that the way to the outside needs.
            network: Some(Network::Host),
            init_timeout: Duration::from_secs(60),
            credentials: None,
            account_id: None,
            telemetry: sandbox::Telemetry::default(),
        };
        (spec, id)
    }
}

async fn end(environment: Environment, ending: Ending, id: &str, turns: usize) {
    match ending {
        Ending::Stopped | Ending::ForkedStopped => environment.stop().await,
        Ending::StoppedFrozen => {
            environment.freeze().await;
            environment.stop().await;
        }
        Ending::Exited => {
            environment.invoke(event(id, EXIT)).await.result.expect_err("it has left");
            environment.ended().await;
        }
        Ending::InvocationDropped => {
            give_up_after(turns, environment.invoke(event(id, HANG))).await;
            environment.ended().await;
        }
        Ending::ForkedDropped => {
            environment.freeze().await;
            environment.thaw().await;
            drop(environment);
        }
        Ending::Dropped | Ending::StartDropped | Ending::Restored => drop(environment),
    }
}

/// Drops a future, unless it is over after so many turns.
async fn give_up_after<T>(turns: usize, future: impl Future<Output = T>) {
    let turns = async {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = future => {}
        () = turns => {}
    }
}

fn event(id: &str, payload: &str) -> Invocation {
    Invocation {
        request_id: id.to_owned(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        function_arn: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
        deadline: Duration::from_secs(60),
        deadline_epoch_ms: 4_102_444_800_000,
        trace_id: "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned(),
        client_context: None,
        cognito_identity: None,
    }
}

/// Puts down what the server needs.
pub fn furnish(dir: &Path) -> std::io::Result<()> {
    for (file, text) in [("code/app.py", "import one, two\ndef handler(event, context):\n    return event\n")]
        .into_iter()
        .chain([("one/python/one.py", ""), ("two/python/two.py", "")])
    {
        let file = dir.join(file);
        std::fs::create_dir_all(file.parent().expect("a folder"))?;
        std::fs::write(file, text)?;
    }
    Ok(())
}
