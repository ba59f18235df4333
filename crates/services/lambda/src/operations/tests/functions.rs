use model_lambda::{
    AliasRoutingConfiguration, CreateAliasRequest, DeadLetterConfig, DeleteFunctionRequest, GetFunctionRequest,
    ListFunctionsRequest, ListVersionsByFunctionRequest, PublishVersionRequest, PutFunctionConcurrencyRequest,
    UpdateFunctionCodeRequest, UpdateFunctionConfigurationRequest,
};

use super::super::aliases::create_alias;
use super::super::concurrency::put_function_concurrency;
use super::super::create_function::create_function;
use super::super::delete_function::delete_function;
use super::super::read_functions::{get_function, list_functions};
use super::super::update_function::{update_function_code, update_function_configuration};
use super::super::versions::{list_versions_by_function, publish_version};
use super::*;

async fn get(world: &World, name: &str) -> Result<model_lambda::GetFunctionResponse, wire::Error> {
    let request = GetFunctionRequest { function_name: name.into(), qualifier: None };
    get_function(world.lambda(), world.call(), request).await
}

fn publish(name: &str) -> PublishVersionRequest {
    PublishVersionRequest { function_name: name.into(), ..PublishVersionRequest::default() }
}

#[tokio::test]
async fn a_function_is_pending_when_made_and_active_when_read_even_after_a_restart() {
    let world = World::new().await;
    let made = world.make("f", "one").await;
    assert_eq!(made.state.as_deref(), Some("Pending"));
    assert_eq!(made.function_arn, Some(arn("f")));

    let world = world.restarted().await;
    let read = get(&world, "f").await.unwrap();
    let configuration = read.configuration.unwrap();
    assert_eq!(configuration.state.as_deref(), Some("Active"));
    assert_eq!(configuration.last_update_status.as_deref(), Some("Successful"));
    assert_eq!(configuration.code_sha256, made.code_sha256);

    let location = read.code.and_then(|code| code.location).unwrap();
    let digest = location.strip_prefix("http://127.0.0.1:4566/_kobel/code/").unwrap();
    assert_eq!(world.lambda.code(digest).await.unwrap(), zip_of("one"));
}

#[tokio::test]
async fn refuses_what_aws_refuses() {
    let world = World::new().await;
    world.make("f", "one").await;
    let dead = |target: &str| Some(DeadLetterConfig { target_arn: Some(target.into()) });
    let no_zip = FunctionCode { zip_file: Some(Bytes::from_static(b"no zip")), ..FunctionCode::default() };
    let bucket =
        FunctionCode { s3_bucket: Some("bucket".into()), s3_key: Some("key".into()), ..FunctionCode::default() };
    let fifo = "arn:aws:sqs:us-east-1:000000000000:q.fifo";
    let gone = "arn:aws:sqs:us-east-1:000000000000:gone";
    let layer = "arn:aws:lambda:us-east-1:000000000000:layer:l:1";
    let cases = [
        (request("f", "x"), 409, "Function already exist: f".to_owned()),
        (
            CreateFunctionRequest { code: no_zip, ..request("g", "x") },
            400,
            "Could not unzip uploaded file. Please check your file, then try to upload again.".to_owned(),
        ),
        (
            CreateFunctionRequest { runtime: None, ..request("g", "x") },
            400,
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.".to_owned(),
        ),
        (
            CreateFunctionRequest { layers: Some(vec![layer.into()]), ..request("g", "x") },
            400,
            format!("Layer version {layer} does not exist."),
        ),
        (
            CreateFunctionRequest { dead_letter_config: dead(gone), ..request("g", "x") },
            400,
            format!("The dead-letter target {gone} does not exist."),
        ),
        (
            CreateFunctionRequest { dead_letter_config: dead(fifo), ..request("g", "x") },
            400,
            format!("The dead-letter target {fifo} is neither a standard queue nor a standard topic."),
        ),
        (
            CreateFunctionRequest { code: bucket, ..request("g", "x") },
            501,
            "Kobel does not implement the operation GetObject of the service s3.".to_owned(),
        ),
    ];
    for (request, status, message) in cases {
        let error = create_function(world.lambda(), world.call(), request).await.unwrap_err();
        assert_eq!((error.status, error.message), (status, message));
    }
    assert_eq!(get(&world, "g").await.unwrap_err().message, format!("Function not found: {}", arn("g")));
}

#[tokio::test]
async fn versions_are_published_once_and_never_numbered_twice() {
    let world = World::new().await;
    world.make("f", "one").await;
    let number = |published: model_lambda::FunctionConfiguration| published.version.unwrap();
    let first = publish_version(world.lambda(), world.call(), publish("f")).await.unwrap();
    assert_eq!((first.version.as_deref(), first.function_arn), (Some("1"), Some(arn("f:1"))));

    // The same archive once more is no change.
    let upload = |source: &str| UpdateFunctionCodeRequest {
        function_name: "f".into(),
        zip_file: Some(zip_of(source)),
        publish: Some(true),
        ..UpdateFunctionCodeRequest::default()
    };
    assert_eq!(number(update_function_code(world.lambda(), world.call(), upload("one")).await.unwrap()), "1");
    assert_eq!(number(update_function_code(world.lambda(), world.call(), upload("two")).await.unwrap()), "2");

    let delete = DeleteFunctionRequest { function_name: "f".into(), qualifier: Some("2".into()) };
    delete_function(world.lambda(), world.call(), delete).await.unwrap();
    assert_eq!(number(update_function_code(world.lambda(), world.call(), upload("three")).await.unwrap()), "3");

    let list = ListVersionsByFunctionRequest { function_name: "f".into(), ..ListVersionsByFunctionRequest::default() };
    let listed = list_versions_by_function(world.lambda(), world.call(), list).await.unwrap();
    let versions: Vec<_> = listed.versions.unwrap().into_iter().map(number).collect();
    assert_eq!(versions, ["$LATEST", "1", "3"]);
}

#[tokio::test]
async fn an_update_changes_the_revision_and_minds_the_caller_s() {
    let world = World::new().await;
    world.make("f", "one").await;
    let made = get(&world, "f").await.unwrap().configuration.unwrap();
    let update = |revision_id: Option<String>| UpdateFunctionConfigurationRequest {
        function_name: "f".into(),
        timeout: Some(60),
        revision_id,
        ..UpdateFunctionConfigurationRequest::default()
    };
    let stale = update_function_configuration(world.lambda(), world.call(), update(Some("stale".into()))).await;
    assert_eq!(stale.unwrap_err().status, 412);

    let old = world.lambda.registry.resolve(&Scope::default(), "f", None).unwrap().version;
    let updated = update_function_configuration(world.lambda(), world.call(), update(made.revision_id.clone()));
    let updated = updated.await.unwrap();
    assert_eq!((updated.timeout, updated.last_update_status.as_deref()), (Some(60), Some("InProgress")));
    assert_ne!(updated.revision_id, made.revision_id);
    let new = world.lambda.registry.resolve(&Scope::default(), "f", None).unwrap().version;
    assert_ne!(new.revision, old.revision);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let world = World::new().await;
    world.make("f", "one").await;
    let made = get(&world, "f").await.unwrap().configuration.unwrap();
    let request = UpdateFunctionCodeRequest {
        function_name: "f".into(),
        zip_file: Some(zip_of("two")),
        dry_run: Some(true),
        ..UpdateFunctionCodeRequest::default()
    };
    update_function_code(world.lambda(), world.call(), request).await.unwrap();
    let read = get(&world, "f").await.unwrap().configuration.unwrap();
    assert_eq!((read.code_sha256, read.revision_id), (made.code_sha256, made.revision_id));
}

#[tokio::test]
async fn a_deleted_function_takes_its_code_with_it() {
    let world = World::new().await;
    world.make("f", "one").await;
    world.make("other", "two").await;
    assert_eq!(world.lambda.blob_ids().len(), 2);
    let delete = DeleteFunctionRequest { function_name: "f".into(), qualifier: None };
    delete_function(world.lambda(), world.call(), delete).await.unwrap();
    assert_eq!(get(&world, "f").await.unwrap_err().status, 404);
    let folders = std::fs::read_dir(world.folder.path().join("code")).unwrap().count();
    assert_eq!((world.lambda.blob_ids().len(), folders), (1, 1));
}

#[tokio::test]
async fn lists_go_on_where_a_page_ended_whatever_the_names() {
    let world = World::new().await;
    let names = ["a", "a-b", "a0", "a_b", "ab"];
    for name in names {
        world.make(name, "one").await;
    }
    let mut marker = None;
    let mut listed = Vec::new();
    for _ in names {
        let request = ListFunctionsRequest { marker, max_items: Some(1), ..ListFunctionsRequest::default() };
        let page = list_functions(world.lambda(), world.call(), request).await.unwrap();
        listed.extend(page.functions.unwrap().into_iter().filter_map(|function| function.function_name));
        marker = page.next_marker;
    }
    assert_eq!((listed.as_slice(), marker), (names.map(str::to_owned).as_slice(), None));
}

#[tokio::test]
async fn aliases_split_between_published_versions_only() {
    let world = World::new().await;
    world.make("f", "one").await;
    publish_version(world.lambda(), world.call(), publish("f")).await.unwrap();
    let alias = |version: &str, other: Option<(&str, f64)>| CreateAliasRequest {
        function_name: "f".into(),
        name: "live".into(),
        function_version: version.into(),
        routing_config: other.map(|(version, weight)| AliasRoutingConfiguration {
            additional_version_weights: Some([(version.to_owned(), weight)].into()),
        }),
        ..CreateAliasRequest::default()
    };
    let cases = [
        (alias("7", None), format!("Function not found: {}", arn("f:7"))),
        (
            alias("$LATEST", Some(("1", 0.5))),
            "$LATEST is not supported for an alias pointing to more than 1 version".to_owned(),
        ),
        (
            alias("1", Some(("1", 0.5))),
            "Invalid function version 1. Function version 1 is already included in routing configuration.".to_owned(),
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(create_alias(world.lambda(), world.call(), request).await.unwrap_err().message, expected);
    }
    let made = create_alias(world.lambda(), world.call(), alias("1", None)).await.unwrap();
    assert_eq!(made.alias_arn, Some(arn("f:live")));
    let again = create_alias(world.lambda(), world.call(), alias("1", None)).await.unwrap_err();
    assert_eq!(again.message, format!("Alias already exists: {}", arn("f:live")));
    let delete = DeleteFunctionRequest { function_name: "f".into(), qualifier: Some("1".into()) };
    assert_eq!(delete_function(world.lambda(), world.call(), delete).await.unwrap_err().status, 409);
}

#[tokio::test]
async fn reservations_leave_a_hundred_to_the_others() {
    let world = World::new().await;
    world.make("f", "one").await;
    world.make("g", "one").await;
    let reserve = |name: &str, reserved: i32| {
        let request =
            PutFunctionConcurrencyRequest { function_name: name.into(), reserved_concurrent_executions: reserved };
        put_function_concurrency(world.lambda(), world.call(), request)
    };
    assert!(reserve("f", 800).await.is_ok());
    assert!(reserve("f", 900).await.is_ok());
    let refused = reserve("g", 1).await.unwrap_err();
    assert!(refused.message.ends_with("below its minimum value of [100]."), "{}", refused.message);
    assert!(refused.members.is_empty());
    assert!(reserve("g", 0).await.is_ok());
    assert_eq!(reserve("h", 1).await.unwrap_err().message, format!("Function not found: {}", arn("h:$LATEST")));
    assert!(
        reserve("f:1", 1).await.unwrap_err().message.starts_with("This operation is permitted on Lambda functions")
    );
}
