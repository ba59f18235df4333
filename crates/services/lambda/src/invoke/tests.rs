use super::Refused;
use crate::admission::Throttle;
use crate::registry::FunctionSettings;
use crate::staged::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_environment_is_used_again() {
    let stage = Stage::set(|_| {}).await;
    stage.answers(&[Ok("1"), Err("no"), Ok("3")]);
    let first = stage.invoker.invoke(stage.request("{}")).await.expect("it runs");
    let second = stage.invoker.invoke(stage.request("{}")).await.expect("it runs");
    let third = stage.invoker.invoke(stage.request("{}")).await.expect("it runs");
    assert_eq!((first.payload.as_ref(), first.error_type), (b"1".as_slice(), None));
    assert_eq!(second.error_type.as_deref(), Some("Error"));
    assert_eq!(third.executed_version, "$LATEST");
    let tail = String::from_utf8(first.log_tail).expect("text");
    assert!(
        tail.starts_with("INIT_START Runtime Version: python3.12\t") && tail.contains("\tInit Duration: 100.00 ms\t\n")
    );
    let tail = String::from_utf8(third.log_tail).expect("text");
    assert!(tail.starts_with("START RequestId: ") && !tail.contains("Init Duration"));
    let started = stage.environments.started.lock().unwrap();
    assert_eq!(started.len(), 1);
    let variables = &started[0].variables;
    assert_eq!(variables["STAGE"], "test");
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_NAME"], "f");
    assert!(stage.fabric.sessions.get(&variables["AWS_ACCESS_KEY_ID"]).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_concurrency_is_throttled() {
    let settings = FunctionSettings { reserved_concurrency: Some(0), ..FunctionSettings::default() };
    let stage = Stage::set(|function| function.settings = settings.into()).await;
    let refused = stage.invoker.invoke(stage.request("{}")).await.err();
    assert!(matches!(refused, Some(Refused::Throttled(Throttle::Reserved))));
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_ends_idle_environments_and_their_sessions() {
    let stage = Stage::set(|_| {}).await;
    stage.invoker.invoke(stage.request("{}")).await.expect("it runs");
    assert_eq!(stage.invoker.pool().status().idle, 1);
    stage.invoker.drain().await;
    assert_eq!(stage.invoker.pool().status().idle, 0);
    let key = stage.environments.started.lock().unwrap()[0].variables["AWS_ACCESS_KEY_ID"].clone();
    assert!(stage.fabric.sessions.get(&key).is_none());
}
