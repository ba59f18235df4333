use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use model_sqs::{ReceiveMessageRequest, ReceiveMessageResult};
use wire::{Call, Error};

use crate::error;
use crate::queue::Want;
use crate::sending::is_id;
use crate::service::Sqs;
use crate::shown::{Names, message};

const MESSAGES: RangeInclusive<i32> = 1..=10;
const WAIT_S: RangeInclusive<i32> = 0..=20;
const VISIBILITY_S: RangeInclusive<i32> = 0..=43_200;

pub(crate) async fn receive_message(
    sqs: Arc<Sqs>,
    call: Call,
    input: ReceiveMessageRequest,
) -> Result<ReceiveMessageResult, Error> {
    let queue = sqs.queue_of(&call, &input.queue_url).await?;
    let max = input.max_number_of_messages.unwrap_or(1);
    check(max, MESSAGES, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")?;
    if let Some(wait_s) = input.wait_time_seconds {
        check(wait_s, WAIT_S, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")?;
    }
    if let Some(timeout_s) = input.visibility_timeout {
        check(timeout_s, VISIBILITY_S, "VisibilityTimeout", "Must be between 0 and 43200, if provided.")?;
    }
    let fifo = queue.name.is_fifo();
    match &input.receive_request_attempt_id {
        Some(id) if !fifo => return Err(error::not_for_this_type(id, "ReceiveRequestAttemptId")),
        Some(id) if !is_id(id) => {
            return Err(error::invalid_id(id, "ReceiveRequestAttemptId"));
        }
        _ => {}
    }
    let want = Want {
        max: max.unsigned_abs() as usize,
        visibility_timeout: input.visibility_timeout.map(seconds),
        receives_max: None,
        attempt: input.receive_request_attempt_id,
    };
    let wait = input.wait_time_seconds.map_or(queue.live().settings.wait, seconds);
    let received = sqs.receive(&queue, want, queue.now() + wait).await?;
    let (old, new) =
        (input.attribute_names.unwrap_or_default(), input.message_system_attribute_names.unwrap_or_default());
    let system = Names::read(old.iter().chain(&new));
    let custom = Names::read(&input.message_attribute_names.unwrap_or_default());
    let messages: Vec<_> = received.into_iter().map(|received| message(received, &system, &custom)).collect();
    Ok(ReceiveMessageResult { messages: (!messages.is_empty()).then_some(messages) })
}

fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::from(seconds.unsigned_abs()))
}

fn check(value: i32, range: RangeInclusive<i32>, parameter: &str, reason: &str) -> Result<(), Error> {
    if range.contains(&value) { Ok(()) } else { Err(error::invalid_value(value, parameter, reason)) }
}
