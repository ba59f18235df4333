use std::sync::Arc;
use std::time::Duration;

use super::rest::{END_AFTER, FREEZE_AFTER, PAGE_OUT_AFTER};
use super::{Key, Status};
use crate::registry::Version;
use crate::staged::Stage;

/// How often other tasks get their turn, before it counts that they did nothing.
const ROUNDS_MIN: u32 = 200;
const ROUNDS_MAX: u32 = 1_000_000;
const A_MOMENT: Duration = Duration::from_millis(1);

/// Runs `count` invocations one after another while `count` environments are out, so that all become idle.
async fn make_idle(stage: &Stage, count: usize) -> Arc<Version> {
    let pool = stage.invoker.pool();
    let version = stage.request("{}").resolved.version;
    let mut out = Vec::new();
    for _ in 0..count {
        stage.invoker.invoke(stage.request("{}")).await.expect("it runs");
        out.push(pool.take(&Key::of(&version)).await.expect("an idle one"));
    }
    for instance in out {
        pool.give(instance, true).await;
    }
    version
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_idle_environments_is_bounded() {
    let stage = Stage::set(|_| {}).await;
    make_idle(&stage, 3).await;
    assert_eq!(stage.environments.started.lock().unwrap().len(), 3);
    assert_eq!(stage.invoker.pool().status(), Status { idle: 2, idle_memory_mb: 200 });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_used_last_is_used_first() {
    let stage = Stage::set(|_| {}).await;
    let version = make_idle(&stage, 2).await;
    let pool = stage.invoker.pool();
    let key = Key::of(&version);
    let last = pool.take(&key).await.expect("an idle one");
    let used = last.credentials.access_key.clone();
    pool.give(last, true).await;
    assert_eq!(pool.take(&key).await.expect("an idle one").credentials.access_key, used);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_idle_for_long_ends() {
    let stage = Stage::set(|_| {}).await;
    make_idle(&stage, 1).await;
    stage.fabric.clock.advance(END_AFTER);
    while stage.invoker.pool().status().idle > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_on_old_code_after_an_update() {
    let stage = Stage::set(|_| {}).await;
    let old = make_idle(&stage, 1).await;
    let scope = base::Scope::default();
    let update = stage.registry.apply(&scope, |account, tx| {
        let mut function = crate::registry::Function::clone(&account.functions["f"]);
        let newer = Version { revision: "2".into(), ..Version::clone(&function.latest) };
        function.latest = newer.into();
        account.put(tx, function);
        Ok(())
    });
    update.await.expect("updated");
    stage.invoker.invoke(stage.request("{}")).await.expect("it runs");
    assert_eq!(stage.environments.started.lock().unwrap().len(), 2);
    while stage.invoker.pool().status().idle > 1 {
        tokio::task::yield_now().await;
    }
    assert!(stage.invoker.pool().take(&Key::of(&old)).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_environment_is_frozen_then_paged_out_then_ended() {
    let stage = Stage::set(|_| {}).await;
    let version = make_idle(&stage, 1).await;
    stage.rested(&[], FREEZE_AFTER - A_MOMENT).await;
    stage.rested(&["freeze"], A_MOMENT).await;
    stage.rested(&["freeze", "page out"], PAGE_OUT_AFTER - FREEZE_AFTER).await;
    let instance = stage.invoker.pool().take(&Key::of(&version)).await.expect("an idle one");
    stage.rested(&["freeze", "page out", "thaw"], Duration::ZERO).await;
    stage.invoker.pool().give(instance, true).await;
    stage.rested(&["freeze", "page out", "thaw", "freeze"], FREEZE_AFTER).await;
    stage.rested(&["freeze", "page out", "thaw", "freeze", "page out"], PAGE_OUT_AFTER).await;
    stage.rested(&["freeze", "page out", "thaw", "freeze", "page out", "stop"], END_AFTER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_pays_for_no_freeze() {
    let stage = Stage::set(|_| {}).await;
    for _ in 0..20 {
        stage.invoker.invoke(stage.request("{}")).await.expect("it runs");
        stage.rested(&[], FREEZE_AFTER - A_MOMENT).await;
    }
    assert_eq!(stage.environments.started.lock().unwrap().len(), 1);
    stage.rested(&["freeze"], A_MOMENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_ends_without_a_thaw() {
    let stage = Stage::set(|_| {}).await;
    make_idle(&stage, 2).await;
    stage.rested(&["freeze", "freeze"], FREEZE_AFTER).await;
    stage.invoker.pool().close().await;
    stage.rested(&["freeze", "freeze", "stop", "stop"], Duration::ZERO).await;
}

impl Stage {
    /// Lets time pass, and waits until what environments went through is `expected`.
    async fn rested(&self, expected: &[&str], time: Duration) {
        self.fabric.clock.advance(time);
        // What must not happen would happen soon.
        for _ in 0..ROUNDS_MIN {
            tokio::task::yield_now().await;
        }
        for _ in 0..ROUNDS_MAX {
            if *self.environments.rests.lock().unwrap() == expected {
                return;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(*self.environments.rests.lock().unwrap(), expected);
    }
}
