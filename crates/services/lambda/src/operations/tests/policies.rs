use std::collections::BTreeMap;

use model_lambda::{
    AddPermissionRequest, DestinationConfig, GetPolicyRequest, ListTagsRequest, OnFailure,
    PutFunctionEventInvokeConfigRequest, RemovePermissionRequest, TagResourceRequest,
    UpdateFunctionEventInvokeConfigRequest,
};

use super::super::event_invoke_configs;
use super::super::policy::{add_permission, get_policy, remove_permission};
use super::super::tags::{list_tags, tag_resource};
use super::*;

fn permission(sid: &str) -> AddPermissionRequest {
    AddPermissionRequest {
        function_name: "f".into(),
        statement_id: sid.into(),
        action: "lambda:InvokeFunction".into(),
        principal: "s3.amazonaws.com".into(),
        source_arn: Some("arn:aws:s3:::b".into()),
        source_account: Some("000000000000".into()),
        ..AddPermissionRequest::default()
    }
}

#[tokio::test]
async fn permissions_are_statements_of_a_policy() {
    let world = World::new().await;
    world.make("f", "one").await;
    let read =
        || get_policy(world.lambda(), world.call(), GetPolicyRequest { function_name: "f".into(), qualifier: None });
    assert_eq!(read().await.unwrap_err().message, "The resource you requested does not exist.");

    let added = add_permission(world.lambda(), world.call(), permission("s3")).await.unwrap();
    let statement = format!(
        "{{\"Sid\":\"s3\",\"Effect\":\"Allow\",\"Principal\":{{\"Service\":\"s3.amazonaws.com\"}},\
         \"Action\":\"lambda:InvokeFunction\",\"Resource\":\"{}\",\"Condition\":{{\"StringEquals\":\
         {{\"AWS:SourceAccount\":\"000000000000\"}},\"ArnLike\":{{\"AWS:SourceArn\":\"arn:aws:s3:::b\"}}}}}}",
        arn("f")
    );
    assert_eq!(added.statement.as_deref(), Some(statement.as_str()));
    let policy = format!("{{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[{statement}]}}");
    assert_eq!(read().await.unwrap().policy.as_deref(), Some(policy.as_str()));

    let again = add_permission(world.lambda(), world.call(), permission("s3")).await.unwrap_err();
    assert!(again.message.starts_with("The statement id (s3) provided already exists."), "{}", again.message);

    let remove = |sid: &str| {
        let request = RemovePermissionRequest {
            function_name: "f".into(),
            statement_id: sid.into(),
            ..RemovePermissionRequest::default()
        };
        remove_permission(world.lambda(), world.call(), request)
    };
    assert_eq!(remove("x").await.unwrap_err().message, "Statement x is not found in resource policy.");
    remove("s3").await.unwrap();
    assert_eq!(remove("s3").await.unwrap_err().message, "No policy is associated with the given resource.");
}

#[tokio::test]
async fn a_policy_has_a_largest_size() {
    let world = World::new().await;
    world.make("f", "one").await;
    let mut refused = None;
    for number in 0..200 {
        let added = add_permission(world.lambda(), world.call(), permission(&format!("s{number}"))).await;
        if let Err(error) = added {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.map(|error| error.code.into_owned()), Some("PolicyLengthExceededException".to_owned()));
}

#[tokio::test]
async fn event_invoke_configs_are_replaced_by_put_and_merged_by_update() {
    let world = World::new().await;
    world.make("f", "one").await;
    let to = |arn: &str| {
        Some(DestinationConfig {
            on_failure: Some(OnFailure { destination: Some(arn.into()) }),
            ..DestinationConfig::default()
        })
    };
    let put = |retries: Option<i32>, destination_config: Option<DestinationConfig>| {
        let request = PutFunctionEventInvokeConfigRequest {
            function_name: "f".into(),
            maximum_retry_attempts: retries,
            destination_config,
            ..PutFunctionEventInvokeConfigRequest::default()
        };
        event_invoke_configs::put(world.lambda(), world.call(), request)
    };
    let update = |age: i32| {
        let request = UpdateFunctionEventInvokeConfigRequest {
            function_name: "f".into(),
            maximum_event_age_in_seconds: Some(age),
            ..UpdateFunctionEventInvokeConfigRequest::default()
        };
        event_invoke_configs::update(world.lambda(), world.call(), request)
    };
    let gone = "arn:aws:sqs:us-east-1:000000000000:gone";
    let cases = [
        (put(None, None).await, "You must specify at least one of error handling or destination setting.".to_owned()),
        (put(None, to(&arn("f"))).await, "You can't specify the function as a destination for itself.".to_owned()),
        (put(None, to(gone)).await, format!("The destination ARN {gone} is invalid.")),
        (
            put(None, to("arn:aws:iam::000000000000:role/r")).await,
            "The provided destination config DestinationConfig(onSuccess=null, \
             onFailure=OnFailure(destination=arn:aws:iam::000000000000:role/r)) is invalid."
                .to_owned(),
        ),
        (update(60).await, format!("The function {} doesn't have an EventInvokeConfig", arn("f:$LATEST"))),
    ];
    for (outcome, expected) in cases {
        assert_eq!(outcome.unwrap_err().message, expected);
    }
    put(Some(0), to(QUEUE)).await.unwrap();
    let merged = update(60).await.unwrap();
    assert_eq!((merged.maximum_retry_attempts, merged.maximum_event_age_in_seconds), (Some(0), Some(60)));
    assert_eq!(merged.destination_config.unwrap().on_failure.unwrap().destination.as_deref(), Some(QUEUE));
    let replaced = put(Some(1), None).await.unwrap();
    assert_eq!((replaced.maximum_retry_attempts, replaced.maximum_event_age_in_seconds), (Some(1), None));
    assert_eq!(replaced.destination_config.unwrap().on_failure.unwrap().destination, None);
}

#[tokio::test]
async fn tags_belong_to_functions_and_are_few() {
    let world = World::new().await;
    world.make("f", "one").await;
    let tag = |resource: String, count: usize| {
        let tags: BTreeMap<_, _> = (0..count).map(|number| (format!("k{number}"), "v".to_owned())).collect();
        tag_resource(world.lambda(), world.call(), TagResourceRequest { resource, tags })
    };
    tag(arn("f"), 2).await.unwrap();
    assert_eq!(tag(arn("f"), 51).await.unwrap_err().message, "Number of tags exceeds resource tag limit.");
    assert!(tag(arn("f:1"), 1).await.unwrap_err().message.starts_with("Tags on function aliases and versions"));
    assert_eq!(tag(arn("g"), 1).await.unwrap_err().message, format!("Function not found: {}", arn("g")));
    let listed = list_tags(world.lambda(), world.call(), ListTagsRequest { resource: arn("f") }).await.unwrap();
    assert_eq!(listed.tags.unwrap().len(), 2);
}
