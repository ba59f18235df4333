use std::collections::BTreeMap;
use std::sync::Arc;

use model_logs::{FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent};
use wire::{Call, Error};

use crate::error;
use crate::groups::chunks;
use crate::pattern::Pattern;
use crate::position::{Found, Most, Position, scan};
use crate::service::{Logs, group_name};

const EVENTS_MAX: usize = 10_000;
const STREAMS_MAX: usize = 100;
const REPLY_BYTES_MAX: usize = 1_048_576;

/// The events of a group's streams that match a pattern, in order of time.
pub async fn filter_log_events(
    logs: Arc<Logs>,
    call: Call,
    input: FilterLogEventsRequest,
) -> Result<FilterLogEventsResponse, Error> {
    let group = group_name(input.log_group_name, input.log_group_identifier)?;
    let named = input.log_stream_names.unwrap_or_default();
    if !named.is_empty() && input.log_stream_name_prefix.is_some() {
        let message = "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.";
        return Err(error::invalid(message));
    }
    if named.len() > STREAMS_MAX {
        return Err(error::invalid("At most 100 log stream names may be given."));
    }
    let pattern: Pattern = input.filter_pattern.as_deref().unwrap_or_default().parse()?;
    let after = input.next_token.as_deref().map(read_token).transpose()?;
    let max = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(EVENTS_MAX).clamp(1, EVENTS_MAX);
    let span = input.start_time.unwrap_or(0)..input.end_time.map_or(i64::MAX, |end| end.saturating_add(1));
    let span = after.as_ref().map_or(span.clone(), |after| span.start.max(after.timestamp_ms)..span.end);

    let cell = logs.groups(&call).await?;
    let prefix = input.log_stream_name_prefix.unwrap_or_default();
    let streams = cell.read(|groups| {
        let group = groups.group(&group)?.clone();
        let streams = groups
            .streams(&group.name)?
            .filter(|stream| stream.name.starts_with(&prefix) && (named.is_empty() || named.contains(&stream.name)));
        Ok::<_, Error>(streams.map(|stream| (stream.name.clone(), chunks(&group, stream))).collect::<Vec<_>>())
    });
    let streams = streams.await.map_err(Error::internal)??;
    if streams.len() < named.len() {
        return Err(error::no_stream());
    }
    let mut found: BTreeMap<Position, (String, Found)> = BTreeMap::new();
    for (name, rows) in streams {
        let mut wanted = |position: &Position, message: &str| {
            after.as_ref().is_none_or(|after| position > after) && pattern.matches(message)
        };
        let events = scan(&logs.fabric, &cell.key(&rows), span.clone(), Most::First(max + 1), &mut wanted).await?;
        found.extend(events.into_iter().map(|(position, event)| (position, (name.clone(), event))));
    }
    let count = fitting(found.values().take(max).map(|(_, event)| event.message.len()));
    let more = found.len() > count;
    let page: Vec<_> = found.into_iter().take(count).collect();
    let next_token = more.then(|| page.last().map(|(position, _)| position.encode())).flatten();
    let event = |(position, (stream, found)): (Position, (String, Found))| FilteredLogEvent {
        log_stream_name: Some(stream),
        timestamp: Some(position.timestamp_ms),
        message: Some(found.message),
        ingestion_time: Some(found.ingested_ms),
        event_id: Some(position.event_id()),
    };
    Ok(FilterLogEventsResponse {
        events: Some(page.into_iter().map(event).collect()),
        searched_log_streams: Some(Vec::new()),
        next_token,
    })
}

/// How many events, of which these are the lengths, fit into a reply; one always does.
fn fitting(lengths: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = |(at, length): &(usize, usize)| {
        bytes += length;
        *at == 0 || bytes <= REPLY_BYTES_MAX
    };
    lengths.enumerate().take_while(fits).count()
}

fn read_token(token: &str) -> Result<Position, Error> {
    Position::decode(token).ok_or_else(|| error::invalid("The specified nextToken is invalid."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_bounded_in_bytes_but_never_empty() {
        assert_eq!(fitting([REPLY_BYTES_MAX - 1, 1, 1].into_iter()), 2);
        assert_eq!(fitting([REPLY_BYTES_MAX + 1, 1].into_iter()), 1);
        assert_eq!(fitting(std::iter::empty()), 0);
    }
}
