use std::collections::BTreeMap;

use cell::{Rows, State, Tx};
use serde::{Deserialize, Serialize};
use wire::Error;

use crate::error;

/// A log group, as its row has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    /// Names the rows of its streams and events; never used again.
    pub number: u64,
    pub created_ms: i64,
    pub class: String,
    #[serde(default)]
    pub retention_days: Option<i32>,
    #[serde(default)]
    pub kms_key: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A log stream, as its row has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    pub name: String,
    pub number: u64,
    pub created_ms: i64,
    #[serde(default)]
    pub first_event_ms: Option<i64>,
    #[serde(default)]
    pub last_event_ms: Option<i64>,
    #[serde(default)]
    pub last_ingestion_ms: Option<i64>,
    /// Of all events that were put, uncompressed.
    #[serde(default)]
    pub stored_bytes: i64,
}

/// The groups and streams of an account in a region.
#[derive(Debug, Default)]
pub struct Groups {
    by_name: BTreeMap<String, Entry>,
    /// The highest number given to a group, stream or chunk.
    numbers: u64,
}

#[derive(Debug)]
struct Entry {
    group: Group,
    streams: BTreeMap<String, Stream>,
}

impl State for Groups {
    const PAGED: &'static [&'static str] = &["event/"];

    fn load(rows: &Rows) -> Result<Groups, String> {
        let mut groups = Groups::default();
        let mut names = BTreeMap::new();
        for (_, row) in rows.under("group/") {
            let group: Group = cell::json::read(row)?;
            names.insert(group.number, group.name.clone());
            groups.by_name.insert(group.name.clone(), Entry { group, streams: BTreeMap::new() });
        }
        for (key, row) in rows.under("stream/") {
            let stream: Stream = cell::json::read(row)?;
            let group = std::str::from_utf8(&key[..16.min(key.len())]).ok();
            let name = group.and_then(|hex| u64::from_str_radix(hex, 16).ok()).and_then(|number| names.get(&number));
            let entry = name.and_then(|name| groups.by_name.get_mut(name)).ok_or("a stream belongs to no group")?;
            entry.streams.insert(stream.name.clone(), stream);
        }
        let number = rows.get("number").and_then(|row| row.try_into().ok()).map(u64::from_be_bytes);
        groups.numbers = number.unwrap_or(0);
        Ok(groups)
    }
}

/// What the rows of a stream's chunks begin with.
pub fn chunks(group: &Group, stream: &Stream) -> String {
    format!("event/{:016x}/{:016x}/", group.number, stream.number)
}

impl Groups {
    pub fn group(&self, name: &str) -> Result<&Group, Error> {
        self.by_name.get(name).map(|entry| &entry.group).ok_or_else(error::no_group)
    }

    pub fn stream(&self, group: &str, name: &str) -> Result<(&Group, &Stream), Error> {
        let entry = self.by_name.get(group).ok_or_else(error::no_group)?;
        let stream = entry.streams.get(name).ok_or_else(error::no_stream)?;
        Ok((&entry.group, stream))
    }

    /// In order of their names.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.by_name.values().map(|entry| &entry.group)
    }

    /// In order of their names.
    pub fn streams(&self, group: &str) -> Result<impl Iterator<Item = &Stream>, Error> {
        self.by_name.get(group).map(|entry| entry.streams.values()).ok_or_else(error::no_group)
    }

    /// What the streams of a group have stored.
    pub fn stored_bytes(&self, group: &str) -> i64 {
        self.by_name.get(group).map_or(0, |entry| entry.streams.values().map(|stream| stream.stored_bytes).sum())
    }

    pub fn next_number(&mut self, tx: &mut Tx<'_>) -> u64 {
        self.numbers += 1;
        tx.put("number", self.numbers.to_be_bytes());
        self.numbers
    }

    /// Stores a group, new or changed.
    pub fn put_group(&mut self, tx: &mut Tx<'_>, group: Group) {
        cell::json::put(tx, format!("group/{}", group.name), &group);
        match self.by_name.get_mut(&group.name) {
            Some(entry) => entry.group = group,
            None => drop(self.by_name.insert(group.name.clone(), Entry { group, streams: BTreeMap::new() })),
        }
    }

    /// Stores a stream of an existing group, new or changed.
    pub fn put_stream(&mut self, tx: &mut Tx<'_>, group: &str, stream: Stream) {
        if let Some(entry) = self.by_name.get_mut(group) {
            cell::json::put(tx, format!("stream/{:016x}/{:016x}", entry.group.number, stream.number), &stream);
            entry.streams.insert(stream.name.clone(), stream);
        }
    }

    /// Deletes a group with all its streams and events.
    pub fn remove_group(&mut self, tx: &mut Tx<'_>, name: &str) -> Result<(), Error> {
        let entry = self.by_name.remove(name).ok_or_else(error::no_group)?;
        let number = entry.group.number;
        tx.delete(format!("group/{name}"));
        tx.delete_prefix(format!("stream/{number:016x}/"));
        tx.delete_prefix(format!("event/{number:016x}/"));
        Ok(())
    }

    /// Deletes a stream with its events.
    pub fn remove_stream(&mut self, tx: &mut Tx<'_>, group: &str, name: &str) -> Result<(), Error> {
        let entry = self.by_name.get_mut(group).ok_or_else(error::no_group)?;
        let stream = entry.streams.remove(name).ok_or_else(error::no_stream)?;
        tx.delete(format!("stream/{:016x}/{:016x}", entry.group.number, stream.number));
        tx.delete_prefix(chunks(&entry.group, &stream));
        Ok(())
    }
}
