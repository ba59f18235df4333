use rusqlite::{Connection, OptionalExtension, params};

use crate::Range;
use crate::owners::Rows;

/// The rows, as a transaction sees them.
pub(super) struct Table<'a>(pub(super) &'a Connection);

impl Rows for Table<'_> {
    type Error = rusqlite::Error;

    fn get(&self, key: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
        get(self.0, key)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> rusqlite::Result<()> {
        let upsert = "INSERT INTO kv (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
        self.0.prepare_cached(upsert)?.execute(params![key, value]).map(drop)
    }

    fn delete(&mut self, key: &[u8]) -> rusqlite::Result<()> {
        self.0.prepare_cached("DELETE FROM kv WHERE key = ?1")?.execute(params![key]).map(drop)
    }

    fn delete_prefix(&mut self, prefix: &[u8]) -> rusqlite::Result<()> {
        match Range::end_of_prefix(prefix) {
            Some(end) => {
                let below = "DELETE FROM kv WHERE key >= ?1 AND key < ?2";
                self.0.prepare_cached(below)?.execute(params![prefix, end]).map(drop)
            }
            None => self.0.prepare_cached("DELETE FROM kv WHERE key >= ?1")?.execute(params![prefix]).map(drop),
        }
    }
}

pub(super) fn get(connection: &Connection, key: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select = connection.prepare_cached("SELECT value FROM kv WHERE key = ?1")?;
    select.query_row(params![key], |row| row.get(0)).optional()
}
