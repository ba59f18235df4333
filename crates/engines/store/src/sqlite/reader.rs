use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, params};

use super::{connection, table};
use crate::{Error, Range, Row};

/// How many idle connections are kept.
const IDLE_MAX: usize = 4;

/// Connections for reading, opened as needed.
pub(super) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(file: PathBuf) -> Readers {
        Readers { file, idle: Mutex::default() }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.with(|connection| table::get(connection, key))
    }

    pub(super) fn range(&self, range: &Range) -> Result<Vec<Row>, Error> {
        let sql = match (range.to.is_some(), range.reverse) {
            (true, false) => "SELECT key, value FROM kv WHERE key >= ?1 AND key < ?3 ORDER BY key LIMIT ?2",
            (true, true) => "SELECT key, value FROM kv WHERE key >= ?1 AND key < ?3 ORDER BY key DESC LIMIT ?2",
            (false, false) => "SELECT key, value FROM kv WHERE key >= ?1 ORDER BY key LIMIT ?2",
            (false, true) => "SELECT key, value FROM kv WHERE key >= ?1 ORDER BY key DESC LIMIT ?2",
        };
        let limit = i64::try_from(range.limit).unwrap_or(i64::MAX);
        self.with(|connection| {
            let mut select = connection.prepare_cached(sql)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            match &range.to {
                Some(to) => select.query_map(params![range.from, limit, to], row)?.collect(),
                None => select.query_map(params![range.from, limit], row)?.collect(),
            }
        })
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::open_reading(&self.file).map_err(|error| connection::error(&error))?,
        };
        let result = read(&connection).map_err(|error| connection::error(&error));
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        result
    }
}
