use std::sync::Arc;

use model_logs::{GetLogEventsRequest, GetLogEventsResponse, OutputLogEvent};
use wire::{Call, Error};

use crate::error;
use crate::groups::chunks;
use crate::position::{Found, Most, Position, scan};
use crate::service::{Logs, group_name};

const EVENTS_MAX: usize = 10_000;
const REPLY_BYTES_MAX: usize = 1_048_576;

/// From where, and in which direction, a call reads: its token's, or an end of the stream.
enum From {
    Head,
    Tail,
    After(Position),
    Before(Position),
}

/// A page of a stream's events in order of time. A token that is given back unchanged says that there are no more.
pub async fn get_log_events(
    logs: Arc<Logs>,
    call: Call,
    input: GetLogEventsRequest,
) -> Result<GetLogEventsResponse, Error> {
    let group = group_name(input.log_group_name, input.log_group_identifier)?;
    let cell = logs.groups(&call).await?;
    let prefix = cell.read(|groups| groups.stream(&group, &input.log_stream_name).map(|(g, s)| chunks(g, s)));
    let prefix = cell.key(&prefix.await.map_err(Error::internal)??);
    let from = match (input.next_token.as_deref(), input.start_from_head.unwrap_or(false)) {
        (Some(token), _) => read_token(token)?,
        (None, true) => From::Head,
        (None, false) => From::Tail,
    };
    let max = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(EVENTS_MAX).min(EVENTS_MAX);
    let forward = matches!(from, From::Head | From::After(_));
    let span = input.start_time.unwrap_or(0)..input.end_time.unwrap_or(i64::MAX);
    let span = match &from {
        From::After(position) => span.start.max(position.timestamp_ms)..span.end,
        From::Before(position) => span.start..span.end.min(position.timestamp_ms.saturating_add(1)),
        From::Head | From::Tail => span,
    };
    let mut wanted = |position: &Position, _: &str| match &from {
        From::After(after) => position > after,
        From::Before(before) => position < before,
        From::Head | From::Tail => true,
    };
    let most = if forward { Most::First(max) } else { Most::Last(max) };
    let found = scan(&logs.fabric, &prefix, span, most, &mut wanted).await?;
    let page = page(found.into_iter().collect(), max, forward);
    let edge = |position: Option<&Position>, direction: char| match (position, &from) {
        (Some(position), _) => format!("{direction}/{}/s", position.encode()),
        (None, From::After(position) | From::Before(position)) => format!("{direction}/{}/s", position.encode()),
        (None, _) => format!("{direction}/{}/s", Position { timestamp_ms: 0, chunk: 0, index: 0 }.encode()),
    };
    let forward_token = edge(page.last().map(|(position, _)| position), 'f');
    let backward_token = edge(page.first().map(|(position, _)| position), 'b');
    let event = |(position, found): (Position, Found)| OutputLogEvent {
        timestamp: Some(position.timestamp_ms),
        message: Some(found.message),
        ingestion_time: Some(found.ingested_ms),
    };
    Ok(GetLogEventsResponse {
        events: Some(page.into_iter().map(event).collect()),
        next_forward_token: Some(forward_token),
        next_backward_token: Some(backward_token),
    })
}

/// The first or the last events, as many as fit into a reply.
fn page(mut all: Vec<(Position, Found)>, max: usize, forward: bool) -> Vec<(Position, Found)> {
    let mut bytes = 0;
    let mut fits = |(_, found): &&(Position, Found)| {
        bytes += found.message.len() + 26;
        bytes <= REPLY_BYTES_MAX
    };
    let count = match forward {
        true => all.iter().take(max).take_while(&mut fits).count(),
        false => all.iter().rev().take(max).take_while(&mut fits).count(),
    };
    // One event always fits.
    let count = count.max(usize::from(max > 0 && !all.is_empty()));
    if forward {
        all.truncate(count);
        all
    } else {
        all.split_off(all.len() - count)
    }
}

fn read_token(token: &str) -> Result<From, Error> {
    let invalid = || error::invalid("The specified nextToken is invalid.");
    let mut parts = token.split('/');
    let (direction, position) = (parts.next(), parts.next().and_then(Position::decode));
    match (direction, position, parts.next(), parts.next()) {
        (Some("f"), Some(position), Some("s"), None) => Ok(From::After(position)),
        (Some("b"), Some(position), Some("s"), None) => Ok(From::Before(position)),
        _ => Err(invalid()),
    }
}
