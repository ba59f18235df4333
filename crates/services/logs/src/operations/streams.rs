use std::cmp::Reverse;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model_logs::{
    CreateLogStreamOutput, CreateLogStreamRequest, DeleteLogStreamOutput, DeleteLogStreamRequest,
    DescribeLogStreamsRequest, DescribeLogStreamsResponse, LogStream,
};
use wire::{Call, Error};

use crate::error;
use crate::groups::Stream;
use crate::service::{Logs, group_name};

pub async fn create_log_stream(
    logs: Arc<Logs>,
    call: Call,
    input: CreateLogStreamRequest,
) -> Result<CreateLogStreamOutput, Error> {
    let cell = logs.groups(&call).await?;
    let created = cell.apply(|groups, tx| {
        let free = match groups.stream(&input.log_group_name, &input.log_stream_name) {
            Ok(_) => Err(error::stream_exists()),
            Err(_) => groups.group(&input.log_group_name).map(drop),
        };
        if let Err(refused) = free {
            return Ok::<_, cell::Error>(Err(refused));
        }
        let stream = Stream {
            name: input.log_stream_name,
            number: groups.next_number(tx),
            created_ms: tx.now().millis(),
            first_event_ms: None,
            last_event_ms: None,
            last_ingestion_ms: None,
            stored_bytes: 0,
        };
        groups.put_stream(tx, &input.log_group_name, stream);
        Ok(Ok(()))
    });
    created.await.map_err(Error::internal)??;
    Ok(CreateLogStreamOutput {})
}

pub async fn delete_log_stream(
    logs: Arc<Logs>,
    call: Call,
    input: DeleteLogStreamRequest,
) -> Result<DeleteLogStreamOutput, Error> {
    let cell = logs.groups(&call).await?;
    let deleted = cell.apply(|groups, tx| {
        Ok::<_, cell::Error>(groups.remove_stream(tx, &input.log_group_name, &input.log_stream_name))
    });
    deleted.await.map_err(Error::internal)??;
    Ok(DeleteLogStreamOutput {})
}

pub async fn describe_log_streams(
    logs: Arc<Logs>,
    call: Call,
    input: DescribeLogStreamsRequest,
) -> Result<DescribeLogStreamsResponse, Error> {
    let group = group_name(input.log_group_name, input.log_group_identifier)?;
    let by_time = input.order_by.as_deref() == Some("LastEventTime");
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(error::invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let skip = input.next_token.as_deref().map_or(Ok(0), read_token)?;
    let max = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(50);
    let prefix = input.log_stream_name_prefix.unwrap_or_default();
    let cell = logs.groups(&call).await?;
    let streams = cell.read(|groups| {
        let streams = groups.streams(&group)?.filter(|stream| stream.name.starts_with(&prefix));
        Ok::<_, Error>(streams.cloned().collect::<Vec<_>>())
    });
    let mut streams = streams.await.map_err(Error::internal)??;
    match (by_time, input.descending.unwrap_or(false)) {
        (false, false) => {}
        (false, true) => streams.reverse(),
        (true, false) => streams.sort_by_key(|stream| stream.last_event_ms),
        (true, true) => streams.sort_by_key(|stream| Reverse(stream.last_event_ms)),
    }
    let more = streams.len() > skip + max;
    let page = streams.into_iter().skip(skip).take(max);
    let arn = call.scope.arn("logs", &format!("log-group:{group}:log-stream:"));
    let entry = |stream: Stream| LogStream {
        arn: Some(format!("{arn}{}", stream.name)),
        upload_sequence_token: stream.last_ingestion_ms.map(|ms| format!("{ms:056}")),
        log_stream_name: Some(stream.name),
        creation_time: Some(stream.created_ms),
        first_event_timestamp: stream.first_event_ms,
        last_event_timestamp: stream.last_event_ms,
        last_ingestion_time: stream.last_ingestion_ms,
        stored_bytes: Some(0),
    };
    Ok(DescribeLogStreamsResponse {
        log_streams: Some(page.map(entry).collect()),
        next_token: more.then(|| URL_SAFE_NO_PAD.encode((skip + max).to_string())),
    })
}

fn read_token(token: &str) -> Result<usize, Error> {
    let read = || String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?.parse().ok();
    read().ok_or_else(|| error::invalid("The specified nextToken is invalid."))
}
