use std::sync::Arc;

use model_logs::{InputLogEvent, PutLogEventsRequest, PutLogEventsResponse, RejectedLogEventsInfo};
use wire::{Call, Error};

use crate::chunk::Chunk;
use crate::error;
use crate::groups::{Stream, chunks};
use crate::position::row;
use crate::service::Logs;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Counted for each event beside its message.
const EVENT_OVERHEAD_BYTES: usize = 26;
const CALL_BYTES_MAX: usize = 1_048_576;

/// Appends events to a stream: durable when it answers. Events too old or too new are left out and told.
pub async fn put_log_events(
    logs: Arc<Logs>,
    call: Call,
    input: PutLogEventsRequest,
) -> Result<PutLogEventsResponse, Error> {
    check(&input.log_events)?;
    let now_ms = logs.fabric.now().millis();
    let cell = logs.groups(&call).await?;
    let put = cell.apply(|groups, tx| {
        let (group, stream) = match groups.stream(&input.log_group_name, &input.log_stream_name) {
            Ok((group, stream)) => (group, stream.clone()),
            Err(missing) => return Ok::<_, cell::Error>(Err(missing)),
        };
        let prefix = chunks(group, &stream);
        let (events, rejected) = accept(input.log_events, now_ms, group.retention_days);
        if let (Some(first), Some(last)) = (events.first().map(|e| e.0), events.last().map(|e| e.0)) {
            let number = groups.next_number(tx);
            let bytes: usize = events.iter().map(|(_, message)| message.len() + EVENT_OVERHEAD_BYTES).sum();
            let chunk = Chunk { ingested_ms: now_ms, events };
            tx.put(format!("{prefix}{}", row(first, number)), chunk.encode());
            let changed = Stream {
                first_event_ms: Some(stream.first_event_ms.map_or(first, |ms| ms.min(first))),
                last_event_ms: Some(stream.last_event_ms.map_or(last, |ms| ms.max(last))),
                last_ingestion_ms: Some(now_ms),
                stored_bytes: stream.stored_bytes + i64::try_from(bytes).unwrap_or(0),
                ..stream
            };
            groups.put_stream(tx, &input.log_group_name, changed);
        }
        Ok(Ok(rejected))
    });
    let rejected = put.await.map_err(Error::internal)??;
    Ok(PutLogEventsResponse { next_sequence_token: Some(format!("{now_ms:056}")), rejected_log_events_info: rejected })
}

fn check(events: &[InputLogEvent]) -> Result<(), Error> {
    if events.windows(2).any(|pair| pair[0].timestamp > pair[1].timestamp) {
        let message = "Log events in a single PutLogEvents request must be in chronological order.";
        return Err(error::invalid(message));
    }
    let span = events.last().map_or(0, |last| last.timestamp) - events.first().map_or(0, |first| first.timestamp);
    if span > DAY_MS {
        let message = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
        return Err(error::invalid(message));
    }
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
    if bytes > CALL_BYTES_MAX {
        return Err(error::invalid(format!("Upload too large: {bytes} bytes exceeds limit of {CALL_BYTES_MAX}")));
    }
    Ok(())
}

/// The events that are taken, and which were not: more than two hours in the future, older than fourteen days, or
/// older than the group keeps.
fn accept(
    events: Vec<InputLogEvent>,
    now_ms: i64,
    retention_days: Option<i32>,
) -> (Vec<(i64, String)>, Option<RejectedLogEventsInfo>) {
    let expired_ms = retention_days.map_or(i64::MIN, |days| now_ms - i64::from(days) * DAY_MS);
    let old_ms = now_ms - 14 * DAY_MS;
    let new_ms = now_ms + 2 * HOUR_MS;
    let ends = |limit: i64| events.iter().take_while(|event| event.timestamp < limit).count();
    let index = |count: usize| i32::try_from(count).ok().filter(|count| *count > 0);
    let (expired, old) = (ends(expired_ms), ends(old_ms));
    let new = events.iter().position(|event| event.timestamp > new_ms);
    let rejected = RejectedLogEventsInfo {
        too_new_log_event_start_index: new.and_then(|at| i32::try_from(at).ok()),
        too_old_log_event_end_index: index(old),
        expired_log_event_end_index: index(expired),
    };
    let any = rejected != RejectedLogEventsInfo::default();
    let taken = old.max(expired)..new.unwrap_or(events.len());
    let kept = events.into_iter().enumerate().filter(|(at, _)| taken.contains(at));
    (kept.map(|(_, event)| (event.timestamp, event.message)).collect(), any.then_some(rejected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_out_of_time_are_told_by_index() {
        let now = 100 * DAY_MS;
        let event = |timestamp| InputLogEvent { timestamp, message: "m".into() };
        let events = vec![event(now - 20 * DAY_MS), event(now - 2 * DAY_MS), event(now), event(now + 3 * HOUR_MS)];
        let (taken, rejected) = accept(events, now, Some(1));
        assert_eq!(taken, [(now, "m".to_owned())]);
        let expected = RejectedLogEventsInfo {
            too_new_log_event_start_index: Some(3),
            too_old_log_event_end_index: Some(1),
            expired_log_event_end_index: Some(2),
        };
        assert_eq!(rejected, Some(expected));
    }
}
