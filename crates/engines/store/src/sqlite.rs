mod connection;
mod log;
mod reader;
mod table;
mod writer;

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::{Batch, Error, Range, Row, Store, Then};
use log::Log;
use reader::Readers;
use writer::{Request, Writer};

/// How many requests wait for the writer; further ones are refused, which their callers see as `Overloaded`.
const WAITING_MAX: usize = 65_536;
/// How many bytes these have together.
const WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// A range of more rows than this is read by a thread that may block.
const INLINE_ROWS_MAX: usize = 64;

/// A store in one SQLite file. One thread writes: it puts all batches that wait into one transaction, so that
/// many share one sync of the disk.
pub struct Sqlite {
    readers: Arc<Readers>,
    /// Boxed, since the channel reserves room for all that may wait.
    requests: Mutex<Option<SyncSender<Box<Request>>>>,
    waiting_bytes: Arc<AtomicUsize>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Held as long as the store is open.
    _lock: File,
}

impl Sqlite {
    /// Opens or makes the store in `folder`.
    pub fn open(folder: &Path) -> Result<Sqlite, Error> {
        let failed = |reason: String| Error::Open { folder: folder.to_owned(), reason };
        fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        let lock = lock(folder)?;
        let file = folder.join("kobel.sqlite");
        let connection = connection::open_writing(&file).map_err(|error| failed(error.to_string()))?;
        let log = Log::open(&file).map_err(|error| failed(error.to_string()))?;
        let (requests, waiting) = mpsc::sync_channel(WAITING_MAX);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(connection, log, waiting_bytes.clone());
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run(&waiting));
        Ok(Sqlite {
            readers: Arc::new(Readers::new(file)),
            requests: Mutex::new(Some(requests)),
            waiting_bytes,
            writer: Mutex::new(Some(thread.map_err(|error| failed(error.to_string()))?)),
            _lock: lock,
        })
    }

    /// Never blocks.
    fn send(&self, request: Request) {
        let bytes = request.bytes();
        let refused = |request: Request, error| {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            request.refuse(error);
        };
        if self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > WAITING_BYTES_MAX {
            return refused(request, Error::Overloaded);
        }
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = requests.as_ref() else { return refused(request, Error::Closed) };
        let sent = sender.try_send(Box::new(request));
        // The answer of a refused batch is given without the lock.
        drop(requests);
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(request)) => refused(*request, Error::Overloaded),
            Err(TrySendError::Disconnected(request)) => refused(*request, Error::Closed),
        }
    }
}

/// Takes the folder for this process, as long as the file returned is open.
fn lock(folder: &Path) -> Result<File, Error> {
    let failed = |error: std::io::Error| Error::Open { folder: folder.to_owned(), reason: error.to_string() };
    let lock = File::create(folder.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

impl Store for Sqlite {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        async { self.readers.get(key) }.boxed()
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, Error>> {
        async move {
            if range.limit <= INLINE_ROWS_MAX {
                return self.readers.range(&range);
            }
            let readers = self.readers.clone();
            let read = tokio::task::spawn_blocking(move || readers.range(&range)).await;
            read.unwrap_or_else(|error| Err(Error::Failed { reason: error.to_string() }))
        }
        .boxed()
    }

    fn commit_then(&self, batch: Batch, then: Then) {
        let answer = Answer::new(then);
        match batch.bytes() {
            bytes if bytes > Batch::BYTES_MAX => {
                answer.give(Err(Error::TooLarge { bytes, bytes_max: Batch::BYTES_MAX }));
            }
            bytes => self.send(Request::Commit { batch, bytes, answer }),
        }
    }

    fn claim<'a>(&'a self, cell: &'a str) -> BoxFuture<'a, Result<u64, Error>> {
        let (answer, answered) = oneshot::channel();
        self.send(Request::Claim { cell: cell.to_owned(), answer });
        answered.map(|claimed| claimed.unwrap_or(Err(Error::Closed))).boxed()
    }
}

impl Drop for Sqlite {
    /// Lets the writer finish what it was given.
    fn drop(&mut self) {
        drop(self.requests.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
