use std::sync::Arc;
use std::time::Duration;

use super::{Key, Status};
use crate::registry::Version;
use crate::staged::Stage;

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
    assert_eq!(stage.invoker.pool().status(), Status { idle: 2, idle_memory_mb: 256 });
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
    stage.fabric.clock.advance(Duration::from_secs(15 * 60));
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
