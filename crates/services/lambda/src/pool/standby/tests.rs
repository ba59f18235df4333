use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::Timestamp;

use super::super::{Instance, Key};
use super::shelf::{Asked, Demand, SPARE_UNUSED_MAX, Shelf};
use crate::invoke::Invoked;
use crate::registry::{Function, FunctionSettings, Version};
use crate::staged::Stage;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const MINUTE: Duration = Duration::from_secs(60);
/// One environment, which is idle again after its invocation.
const QUIET: Demand = Demand { idle: 1, running: 0, concurrency_max: 1_000 };

impl Stage {
    async fn run(&self) -> Invoked {
        self.invoker.invoke(self.request("{}")).await.expect("it runs")
    }

    /// How many environments were started, when no more are being started.
    async fn started(&self) -> usize {
        self.invoker.spares_settled().await;
        self.environments.started.lock().unwrap().len()
    }

    /// Takes the idle environment, as a concurrent invocation does.
    async fn take_idle(&self) -> Instance {
        let version = self.request("{}").resolved.version;
        self.invoker.pool().take(&Key::of(&version)).await.expect("an idle one")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_in_use_has_a_spare_that_serves_a_concurrent_invocation() {
    let stage = Stage::set_with_standby(512, |_| {}).await;
    for _ in 0..3 {
        stage.run().await;
    }
    assert_eq!(stage.started().await, 2);
    let busy = stage.take_idle().await;
    let tail = String::from_utf8(stage.run().await.log_tail).expect("text");
    assert!(tail.starts_with("START RequestId: ") && !tail.contains("Init Duration"), "{tail}");
    // It is an environment like any other now, and the next spare may be needed.
    assert_eq!(stage.invoker.pool().status().idle, 1);
    assert_eq!(stage.started().await, 3);
    stage.invoker.pool().give(busy, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_goes_before_the_spare() {
    let stage = Stage::set_with_standby(512, |_| {}).await;
    for _ in 0..3 {
        stage.run().await;
    }
    assert_eq!(stage.started().await, 2);
    let used = stage.take_idle().await;
    let key = used.credentials.access_key.clone();
    stage.invoker.pool().give(used, true).await;
    stage.run().await;
    assert_eq!(stage.take_idle().await.credentials.access_key, key);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spare_is_started_without_memory_for_it_or_beyond_the_functions_concurrency() {
    let reserved = |concurrency| {
        let settings = FunctionSettings { reserved_concurrency: Some(concurrency), ..FunctionSettings::default() };
        move |function: &mut Function| function.settings = settings.into()
    };
    for (memory_mb, concurrency, environments) in [(512, 2, 2), (512, 1, 1), (127, 2, 1), (0, 2, 1)] {
        let stage = Stage::set_with_standby(memory_mb, reserved(concurrency)).await;
        for _ in 0..4 {
            stage.run().await;
        }
        assert_eq!(stage.started().await, environments, "{memory_mb} MB, concurrency {concurrency}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spare_of_an_old_revision_is_never_used() {
    let stage = Stage::set_with_standby(512, |_| {}).await;
    for _ in 0..3 {
        stage.run().await;
    }
    assert_eq!(stage.started().await, 2);
    let scope = base::Scope::default();
    let update = stage.registry.apply(&scope, |account, tx| {
        let mut function = Function::clone(&account.functions["f"]);
        let newer = Version { revision: "2".into(), ..Version::clone(&function.latest) };
        function.latest = newer.into();
        account.put(tx, function);
        Ok(())
    });
    update.await.expect("updated");
    stage.run().await;
    assert_eq!(stage.started().await, 3);
    while stage.invoker.standby().memory_mb() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spare_that_fails_is_told_in_the_log_and_not_tried_again_at_once() {
    let stage = Stage::set_with_standby(512, |_| {}).await;
    stage.run().await;
    stage.run().await;
    let mut lines = stage.invoker.logs().follow();
    stage.environments.broken.store(true, Ordering::Relaxed);
    stage.run().await;
    assert_eq!(stage.started().await, 2);
    stage.run().await;
    assert_eq!(stage.started().await, 2);
    let mut texts = Vec::new();
    while let Ok(line) = lines.try_recv() {
        texts.extend(line.request_id.is_none().then(|| line.message.clone()));
    }
    assert!(texts[0].starts_with("INIT_START "), "{texts:?}");
    assert!(texts[1].starts_with("INIT_REPORT ") && texts[1].ends_with("Status: timeout"), "{texts:?}");
    stage.environments.broken.store(false, Ordering::Relaxed);
    stage.fabric.clock.advance(5 * MINUTE);
    for _ in 0..3 {
        stage.run().await;
    }
    assert_eq!(stage.started().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn spares_end_when_they_are_unused_for_long_and_when_the_server_stops() {
    let stage = Stage::set_with_standby(512, |_| {}).await;
    for _ in 0..3 {
        stage.run().await;
    }
    assert_eq!(stage.started().await, 2);
    assert_eq!(stage.invoker.standby().memory_mb(), 128);
    stage.fabric.clock.advance(SPARE_UNUSED_MAX);
    while stage.invoker.standby().memory_mb() > 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        stage.run().await;
    }
    stage.invoker.drain().await;
    assert_eq!(stage.invoker.standby().memory_mb(), 0);
    for spec in stage.environments.started.lock().unwrap().iter() {
        assert!(stage.fabric.sessions.get(&spec.variables["AWS_ACCESS_KEY_ID"]).is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_taken_from_spares_before_it_is_taken_from_what_was_used() {
    // The limit is 256 MB; an environment that was used holds 100 MB, and a spare counts with its memory size.
    let stage = Stage::set_with_standby(512, |_| {}).await;
    for _ in 0..3 {
        stage.run().await;
    }
    assert_eq!(stage.started().await, 2);
    let busy = stage.take_idle().await;
    stage.run().await;
    assert_eq!(stage.started().await, 3);
    assert_eq!(stage.invoker.standby().memory_mb(), 128);
    stage.invoker.pool().give(busy, true).await;
    stage.run().await;
    assert_eq!(stage.started().await, 3);
    assert_eq!((stage.invoker.pool().status().idle, stage.invoker.standby().memory_mb()), (2, 0));
}

/// A version of a function of that name, and an environment of it.
async fn environment(stage: &Stage, name: &str, memory_mb: u32) -> (Arc<Version>, Instance) {
    stage.run().await;
    let mut instance = stage.take_idle().await;
    let arn = base::Scope::default().arn("lambda", &format!("function:{name}"));
    let version = Version { arn, memory_mb, function_name: name.into(), ..Version::clone(&instance.version) };
    instance.version = Arc::new(version);
    (instance.version.clone(), instance)
}

fn use_often(shelf: &mut Shelf, version: &Arc<Version>, now: Timestamp) -> Asked {
    shelf.used(version, QUIET, now);
    shelf.used(version, QUIET, now);
    shelf.used(version, QUIET, now)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spare_gives_way_only_when_its_version_is_not_in_use() {
    let stage = Stage::set(|_| {}).await;
    let mut shelf = Shelf::new(384);
    for name in ["a", "b"] {
        let (version, instance) = environment(&stage, name, 128).await;
        let key = use_often(&mut shelf, &version, NOW).start.expect("there is room");
        assert!(shelf.put(&key, instance).is_none());
    }
    let (large, instance) = environment(&stage, "large", 256).await;
    assert!(use_often(&mut shelf, &large, NOW + MINUTE).start.is_none());
    let (b, _) = environment(&stage, "b", 128).await;
    shelf.used(&b, QUIET, NOW + 4 * MINUTE);
    let asked = use_often(&mut shelf, &large, NOW + 6 * MINUTE);
    assert_eq!(asked.ended.iter().map(|ended| ended.version.function_name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert!(shelf.put(&asked.start.expect("a gives way"), instance).is_none());
    assert_eq!(shelf.memory_mb(), 384);
    let ended = shelf.shrink(300);
    assert_eq!(ended[0].version.function_name, "b");
    assert_eq!(shelf.memory_mb(), 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_count_only_while_they_are_recent_and_demand_while_nothing_is_idle() {
    let stage = Stage::set(|_| {}).await;
    let (version, _) = environment(&stage, "a", 128).await;
    let cases = [
        // Minutes of the uses, what is known at the last one, and whether a spare is started.
        ([0, 0, 0], QUIET, true),
        ([0, 2, 4], QUIET, true),
        ([0, 2, 6], QUIET, false),
        ([0, 0, 0], Demand { idle: 2, ..QUIET }, false),
        ([0, 0, 0], Demand { idle: 0, running: 3, ..QUIET }, true),
        ([0, 0, 0], Demand { running: 3, concurrency_max: 4, ..QUIET }, false),
        ([0, 0, 0], Demand { running: 2, concurrency_max: 4, ..QUIET }, true),
    ];
    for (minutes, demand, expected) in cases {
        let mut shelf = Shelf::new(128);
        let [first, second, last] = minutes.map(|minute| NOW + minute * MINUTE);
        assert!(shelf.used(&version, demand, first).start.is_none());
        assert!(shelf.used(&version, demand, second).start.is_none());
        assert_eq!(shelf.used(&version, demand, last).start.is_some(), expected, "{minutes:?} {demand:?}");
        // One that is being started is enough.
        assert!(!expected || shelf.used(&version, demand, last).start.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_spares_are_started_at_once() {
    let stage = Stage::set(|_| {}).await;
    let mut shelf = Shelf::new(1024);
    let mut begun = Vec::new();
    for name in ["a", "b", "c"] {
        let (version, _) = environment(&stage, name, 128).await;
        begun.extend(use_often(&mut shelf, &version, NOW).start);
    }
    assert_eq!(begun.len(), 2);
    shelf.failed(&begun[0], NOW);
    let (version, _) = environment(&stage, "c", 128).await;
    assert!(shelf.used(&version, QUIET, NOW).start.is_some());
    assert_eq!(shelf.memory_mb(), 256);
}
