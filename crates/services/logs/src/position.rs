use std::collections::BTreeMap;

use fabric::Fabric;
use store::Range;
use wire::Error;

use crate::chunk::Chunk;

/// An event with its place: events are ordered by time, then by the call that put them, then within the call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub timestamp_ms: i64,
    pub chunk: u64,
    pub index: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub message: String,
    pub ingested_ms: i64,
}

/// The events of one call lie within a day, so a chunk that begins earlier than this has none of a span.
const SPAN_MS_MAX: i64 = 24 * 3600 * 1000;
/// How many rows are read at once.
const PAGE_ROWS: usize = 512;

impl Position {
    /// In a token: fixed width, so that it can be read again.
    pub fn encode(&self) -> String {
        format!("{:016x}{:016x}{:08x}", self.timestamp_ms, self.chunk, self.index)
    }

    pub fn decode(text: &str) -> Option<Position> {
        if text.len() != 40 || !text.is_ascii() {
            return None;
        }
        Some(Position {
            timestamp_ms: i64::from_str_radix(&text[..16], 16).ok()?,
            chunk: u64::from_str_radix(&text[16..32], 16).ok()?,
            index: u32::from_str_radix(&text[32..], 16).ok()?,
        })
    }

    /// The id of an event: 56 digits, as AWS's are.
    pub fn event_id(&self) -> String {
        format!("{:020}{:024}{:012}", self.timestamp_ms, self.chunk, self.index)
    }
}

/// The row of a chunk, behind its stream's prefix.
pub fn row(first_event_ms: i64, number: u64) -> String {
    format!("{first_event_ms:016x}/{number:016x}")
}

/// Which events of a span a scan is to find, and how many at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Most {
    First(usize),
    Last(usize),
}

/// Reads the events of a stream with `start_ms <= time < end_ms`, in order, and keeps those that `keep` keeps.
/// Stops once the first are found and no earlier one can come; of the last it holds no more than are asked for.
pub async fn scan(
    fabric: &Fabric,
    prefix: &[u8],
    span: std::ops::Range<i64>,
    most: Most,
    keep: &mut (dyn FnMut(&Position, &str) -> bool + Send),
) -> Result<BTreeMap<Position, Found>, Error> {
    let mut found = BTreeMap::new();
    let first = span.start.saturating_sub(SPAN_MS_MAX).max(0);
    let mut from = [prefix, format!("{first:016x}").as_bytes()].concat();
    let to = [prefix, format!("{:016x}", span.end.max(0)).as_bytes()].concat();
    loop {
        let range = Range::from(from).to(to.clone()).limit(PAGE_ROWS);
        let rows = fabric.store.range(range).await.map_err(Error::internal)?;
        let whole = rows.len() < PAGE_ROWS;
        let Some((last, _)) = rows.last() else { return Ok(found) };
        from = [last.as_slice(), b"\0"].concat();
        for (key, value) in rows {
            let Some((begins, number)) = place(&key[prefix.len()..]) else { continue };
            if most.is_reached(&found, begins) {
                return Ok(found);
            }
            let chunk = Chunk::decode(&value).ok_or_else(|| Error::internal("a chunk of events cannot be read"))?;
            for (index, (timestamp_ms, message)) in chunk.events.into_iter().enumerate() {
                let position =
                    Position { timestamp_ms, chunk: number, index: u32::try_from(index).unwrap_or(u32::MAX) };
                if span.contains(&timestamp_ms) && keep(&position, &message) {
                    found.insert(position, Found { message, ingested_ms: chunk.ingested_ms });
                }
            }
            most.shed(&mut found);
        }
        if whole {
            return Ok(found);
        }
    }
}

impl Most {
    /// Whether the first events are found: no earlier one can come from rows that begin at `begins` or later.
    fn is_reached(self, found: &BTreeMap<Position, Found>, begins: i64) -> bool {
        match self {
            Most::First(0) => true,
            Most::First(count) => found.keys().nth(count - 1).is_some_and(|last| last.timestamp_ms < begins),
            Most::Last(_) => false,
        }
    }

    /// Lets go of what later events have pushed out.
    fn shed(self, found: &mut BTreeMap<Position, Found>) {
        if let Most::Last(count) = self {
            while found.len() > count {
                found.pop_first();
            }
        }
    }
}

/// When a chunk begins, and its number.
fn place(row: &[u8]) -> Option<(i64, u64)> {
    let (begins, number) = std::str::from_utf8(row).ok()?.split_once('/')?;
    Some((i64::from_str_radix(begins, 16).ok()?, u64::from_str_radix(number, 16).ok()?))
}
