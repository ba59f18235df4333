use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model_sqs::{
    CancelMessageMoveTaskRequest, CancelMessageMoveTaskResult, ListMessageMoveTasksRequest, ListMessageMoveTasksResult,
    ListMessageMoveTasksResultEntry, StartMessageMoveTaskRequest, StartMessageMoveTaskResult,
};
use serde_json::{Value, json};
use wire::{Call, Error};

use super::list_dead_letter_source_queues::sources;
use crate::error;
use crate::move_task::{MoveTask, Status};
use crate::name::QueueName;
use crate::queue_handle::QueueHandle;
use crate::service::Sqs;

const MESSAGES_PER_S_MAX: i32 = 500;
const RESULTS_MAX: i32 = 10;

pub(crate) async fn start_message_move_task(
    sqs: Arc<Sqs>,
    _: Call,
    input: StartMessageMoveTaskRequest,
) -> Result<StartMessageMoveTaskResult, Error> {
    let queue = queue_of(&sqs, &input.source_arn, "SourceArn").await?;
    if let Some(max) = input.max_number_of_messages_per_second
        && !(1..=MESSAGES_PER_S_MAX).contains(&max)
    {
        let reason = "Must be between 1 and 500, if provided.";
        return Err(error::invalid_value(max, "MaxNumberOfMessagesPerSecond", reason));
    }
    if sources(&sqs, &queue.name).await?.is_empty() {
        return Err(error::invalid_parameter("Source queue must be configured as a Dead Letter Queue."));
    }
    if let Some(arn) = &input.destination_arn {
        let destination = queue_of(&sqs, arn, "DestinationArn").await?;
        if destination.name == queue.name || destination.name.is_fifo() != queue.name.is_fifo() {
            let reason = "The destination must be another queue of the same type as the source.";
            return Err(error::invalid_value(arn, "DestinationArn", reason));
        }
    }
    let id = sqs.fabric.entropy.uuid();
    let handle = STANDARD.encode(json!({"taskId": id, "sourceArn": input.source_arn}).to_string());
    let counts = queue.apply(|state, tx| state.counts(tx.now())).await?;
    let task = MoveTask {
        handle: handle.clone(),
        status: Status::Running,
        destination: input.destination_arn,
        messages_per_s_max: input.max_number_of_messages_per_second,
        moved: 0,
        to_move: counts.visible,
        started: sqs.fabric.now(),
        failure: None,
    };
    sqs.start_moving(&queue, task).await?;
    Ok(StartMessageMoveTaskResult { task_handle: Some(handle) })
}

pub(crate) async fn list_message_move_tasks(
    sqs: Arc<Sqs>,
    _: Call,
    input: ListMessageMoveTasksRequest,
) -> Result<ListMessageMoveTasksResult, Error> {
    let queue = queue_of(&sqs, &input.source_arn, "SourceArn").await?;
    let max = input.max_results.unwrap_or(1);
    if !(1..=RESULTS_MAX).contains(&max) {
        return Err(error::invalid_value(max, "MaxResults", "Must be between 1 and 10, if provided."));
    }
    let tasks = queue.apply(|state, _| Ok(state.tasks.newest(max.unsigned_abs() as usize))).await?;
    let results = tasks.into_iter().map(|task| shown(task, &input.source_arn)).collect();
    Ok(ListMessageMoveTasksResult { results: Some(results) })
}

pub(crate) async fn cancel_message_move_task(
    sqs: Arc<Sqs>,
    _: Call,
    input: CancelMessageMoveTaskRequest,
) -> Result<CancelMessageMoveTaskResult, Error> {
    let invalid = || error::invalid_parameter("Value for parameter TaskHandle is invalid.");
    let read = STANDARD.decode(&input.task_handle).ok();
    let read: Value = read.and_then(|text| serde_json::from_slice(&text).ok()).ok_or_else(invalid)?;
    let source = read["sourceArn"].as_str().ok_or_else(invalid)?;
    let queue = queue_of(&sqs, source, "SourceArn").await?;
    let moved = sqs.cancel_moving(&queue, &input.task_handle).await?;
    Ok(CancelMessageMoveTaskResult { approximate_number_of_messages_moved: i64::try_from(moved).ok() })
}

async fn queue_of(sqs: &Sqs, arn: &str, parameter: &str) -> Result<Arc<QueueHandle>, Error> {
    let missing = || error::no_resource(parameter);
    let name = arn.parse().ok().and_then(|arn| QueueName::of_arn(&arn)).ok_or_else(missing)?;
    match sqs.queue(&name).await {
        Err(error) if error.status < 500 => Err(missing()),
        outcome => outcome,
    }
}

fn shown(task: MoveTask, source: &str) -> ListMessageMoveTasksResultEntry {
    ListMessageMoveTasksResultEntry {
        task_handle: (task.status == Status::Running).then_some(task.handle),
        status: Some(task.status.name().to_owned()),
        source_arn: Some(source.to_owned()),
        destination_arn: task.destination,
        max_number_of_messages_per_second: task.messages_per_s_max,
        approximate_number_of_messages_moved: i64::try_from(task.moved).ok(),
        approximate_number_of_messages_to_move: i64::try_from(task.to_move).ok(),
        failure_reason: task.failure,
        started_timestamp: Some(task.started.millis()),
    }
}
