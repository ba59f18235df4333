use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::connection;

/// A checkpoint is due after so many rows have been written.
const CHECKPOINT_ROWS: usize = 4_000;
/// How many pages may wait in the log; past this, writes wait for a checkpoint.
const PAGES_MAX: i64 = 16_384;

/// Copies SQLite's write-ahead log into the file, from a thread and a connection of its own, so that commits do
/// not wait for it.
///
/// While commits go on without a pause, the log has grown by the time that such a checkpoint ends, and only a log
/// that was copied to its end begins anew. So when it has grown too long, the writer itself copies the rest.
pub(super) struct Log {
    rows_written: usize,
    due: Option<SyncSender<()>>,
    /// Whether the thread checkpoints; meanwhile nobody else can.
    running: Arc<AtomicBool>,
    /// Whether it found a log that is too long.
    too_long: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Log {
    pub(super) fn open(file: &Path) -> rusqlite::Result<Log> {
        let connection = connection::open_checkpointing(file)?;
        let (running, too_long) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (due, wanted) = mpsc::sync_channel::<()>(1);
        let told = (running.clone(), too_long.clone());
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
            while wanted.recv().is_ok() {
                told.1.store(checkpoint(&connection) > PAGES_MAX, Ordering::Relaxed);
                told.0.store(false, Ordering::Release);
            }
        });
        // Without the thread nobody would copy the log: the failure to start it is one to open.
        let thread = thread.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(Log { rows_written: 0, due: Some(due), running, too_long, thread: Some(thread) })
    }

    /// Takes note of a transaction that wrote so many rows by `writing`.
    pub(super) fn wrote(&mut self, rows: usize, writing: &Connection) {
        self.rows_written += rows;
        if self.running.load(Ordering::Acquire) {
            return;
        }
        if self.too_long.swap(false, Ordering::Relaxed) {
            checkpoint(writing);
        } else if self.rows_written >= CHECKPOINT_ROWS
            && let Some(due) = &self.due
        {
            self.rows_written = 0;
            self.running.store(true, Ordering::Release);
            if due.try_send(()).is_err() {
                self.running.store(false, Ordering::Release);
            }
        }
    }

    /// Empties the log.
    pub(super) fn close(mut self, writing: &Connection) {
        drop(self.due.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Err(error) = writing.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, "the last checkpoint of the store failed");
        }
    }
}

/// Checkpoints without waiting for anybody; returns how many pages the log had then.
fn checkpoint(connection: &Connection) -> i64 {
    let pages = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1));
    pages.unwrap_or_else(|error| {
        tracing::warn!(%error, "a checkpoint of the store failed");
        0
    })
}
