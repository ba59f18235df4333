use fabric::Fabric;
use store::Range;
use wire::Error;

use crate::error;
use crate::object::{Head, Object};

/// How many rows are read at once.
const CHUNK_ROWS: usize = 1_001;

/// What a listing asks for.
#[derive(Clone, Debug, Default)]
pub struct Query<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    /// Begin after this key, or after all keys below this common prefix.
    pub after: Option<&'a str>,
    /// At most 1,000.
    pub max: usize,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub contents: Vec<(String, Head)>,
    pub common_prefixes: Vec<String>,
    /// The last key or common prefix of the page, where there is more.
    pub next: Option<String>,
}

/// Walks the rows below `base` in the order of their keys; what a delimiter rolls up is read no further
/// than the chunk in which it begins.
pub async fn list(fabric: &Fabric, base: &[u8], query: &Query<'_>) -> Result<Page, Error> {
    let mut page = Page::default();
    let mut last: Option<String> = None;
    let Some(mut from) = beginning(query) else { return Ok(page) };
    let end = Range::end_of_prefix(&[base, query.prefix.as_bytes()].concat()).unwrap_or_default();
    if query.max == 0 {
        return Ok(page);
    }
    'chunks: loop {
        let range = Range::from([base, from.as_slice()].concat()).to(end.clone()).limit(CHUNK_ROWS);
        let rows = fabric.store.range(range).await.map_err(error::internal)?;
        let whole = rows.len() < CHUNK_ROWS;
        for (row, value) in rows {
            let key = String::from_utf8(row[base.len()..].to_vec()).map_err(error::internal)?;
            if page.common_prefixes.last().is_some_and(|common| key.starts_with(common.as_str())) {
                continue;
            }
            if page.contents.len() + page.common_prefixes.len() == query.max {
                page.next = last;
                break 'chunks;
            }
            if let Some(common) = rolled_up(&key, query) {
                last = Some(common.to_owned());
                page.common_prefixes.push(common.to_owned());
                match Range::end_of_prefix(common.as_bytes()) {
                    Some(after) => from = after,
                    None => break 'chunks,
                }
                continue;
            }
            from = [key.as_bytes(), b"\0"].concat();
            last = Some(key.clone());
            page.contents.push((key, Object::decode(&value)?.head));
        }
        if whole {
            break;
        }
    }
    Ok(page)
}

/// The first key that may be listed; `None` if there is none.
fn beginning(query: &Query<'_>) -> Option<Vec<u8>> {
    let prefix = query.prefix.as_bytes().to_vec();
    let Some(after) = query.after.filter(|after| !after.is_empty()) else { return Some(prefix) };
    let rolled = rolled_up(after, query).is_some_and(|common| common == after);
    let begin = if rolled { Range::end_of_prefix(after.as_bytes())? } else { [after.as_bytes(), b"\0"].concat() };
    Some(begin.max(prefix))
}

/// The common prefix under which the delimiter puts a key.
fn rolled_up<'k>(key: &'k str, query: &Query<'_>) -> Option<&'k str> {
    let delimiter = query.delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(query.prefix)?;
    let at = rest.find(delimiter)?;
    Some(&key[..query.prefix.len() + at + delimiter.len()])
}
