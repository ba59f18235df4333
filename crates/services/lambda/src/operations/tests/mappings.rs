use model_lambda::{
    CreateEventSourceMappingRequest, DeleteEventSourceMappingRequest, GetEventSourceMappingRequest,
    UpdateEventSourceMappingRequest,
};

use super::super::event_source_mappings::{create, delete, get, update};
use super::*;

fn mapping(function: &str, queue: &str) -> CreateEventSourceMappingRequest {
    CreateEventSourceMappingRequest {
        function_name: function.into(),
        event_source_arn: Some(queue.into()),
        ..CreateEventSourceMappingRequest::default()
    }
}

#[tokio::test]
async fn a_mapping_is_made_changed_and_deleted() {
    let world = World::new().await;
    world.make("f", "one").await;
    let made = create(world.lambda(), world.call(), mapping("f", QUEUE)).await.unwrap();
    assert_eq!((made.status, made.output.state.as_deref()), (Some(202), Some("Creating")));
    assert_eq!((made.output.batch_size, made.output.function_arn), (Some(10), Some(arn("f"))));
    let uuid = made.output.uuid.unwrap();

    let again = create(world.lambda(), world.call(), mapping("f", QUEUE)).await.unwrap_err();
    assert!(again.message.ends_with(&format!("update or delete the existing mapping with UUID {uuid}")));

    let world = world.restarted().await;
    let change = UpdateEventSourceMappingRequest {
        uuid: uuid.clone(),
        enabled: Some(false),
        batch_size: Some(5),
        ..UpdateEventSourceMappingRequest::default()
    };
    update(world.lambda(), world.call(), change).await.unwrap();
    let read = || get(world.lambda(), world.call(), GetEventSourceMappingRequest { uuid: uuid.clone() });
    let found = read().await.unwrap();
    assert_eq!((found.state.as_deref(), found.batch_size), (Some("Disabled"), Some(5)));
    assert!(!world.lambda.registry.mappings()[0].enabled);

    let gone = delete(world.lambda(), world.call(), DeleteEventSourceMappingRequest { uuid: uuid.clone() });
    assert_eq!(gone.await.unwrap().output.state.as_deref(), Some("Deleting"));
    assert_eq!(read().await.unwrap_err().message, "The resource you requested does not exist.");
}

#[tokio::test]
async fn refuses_what_cannot_work() {
    let world = World::new().await;
    let slow = CreateFunctionRequest { timeout: Some(31), ..request("slow", "one") };
    super::super::create_function::create_function(world.lambda(), world.call(), slow).await.unwrap();
    let cases = [
        (mapping("g", QUEUE), "Function does not exist"),
        (mapping("slow:live", QUEUE), "Function does not exist"),
        (mapping("slow", QUEUE), "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"),
        (
            mapping("slow", "arn:aws:sqs:us-east-1:000000000000:gone"),
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error \
             Message: The specified queue does not exist.",
        ),
        (
            CreateEventSourceMappingRequest { batch_size: Some(11), ..mapping("slow", SLOW_QUEUE) },
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(create(world.lambda(), world.call(), request).await.unwrap_err().message, expected);
    }
    assert!(create(world.lambda(), world.call(), mapping("slow", SLOW_QUEUE)).await.is_ok());
}
