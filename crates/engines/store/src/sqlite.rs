mod connection;
mod reader;
mod writer;

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, future};
use tokio::sync::oneshot;

use crate::{Batch, Commit, Error, Range, Row, Store};
use reader::Readers;
use writer::Request;

/// How many requests wait for the writer; further ones are refused, which their callers see as `Overloaded`.
const WAITING_MAX: usize = 65_536;

/// A store in one SQLite file. One thread writes: it puts all batches that wait into one transaction, so that
/// many share one sync of the disk.
pub struct Sqlite {
    readers: Readers,
    writer: Mutex<Option<Writer>>,
    /// Held as long as the store is open.
    _lock: File,
}

struct Writer {
    requests: SyncSender<Request>,
    thread: JoinHandle<()>,
}

impl Sqlite {
    /// Opens or makes the store in `folder`.
    pub fn open(folder: &Path) -> Result<Sqlite, Error> {
        let failed = |reason: String| Error::Open { folder: folder.to_owned(), reason };
        fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        let lock = File::create(folder.join("lock")).map_err(|error| failed(error.to_string()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { folder: folder.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
        }
        let file = folder.join("kobel.sqlite");
        let writing = connection::open_writing(&file).map_err(|error| failed(error.to_string()))?;
        let checkpointing = connection::open_writing(&file).map_err(|error| failed(error.to_string()))?;
        let (requests, waiting) = mpsc::sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || writer::run(writing, checkpointing, &waiting))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Sqlite { readers: Readers::new(file), writer: Mutex::new(Some(Writer { requests, thread })), _lock: lock })
    }

    /// Never blocks.
    fn send(&self, request: Request) -> Result<(), Error> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match writer.as_ref().map(|writer| writer.requests.try_send(request)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(Error::Overloaded),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(Error::Closed),
        }
    }
}

impl Store for Sqlite {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        future::ready(self.readers.get(key)).boxed()
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, Error>> {
        future::ready(self.readers.range(&range)).boxed()
    }

    fn commit(&self, batch: Batch) -> Commit {
        let (answer, answered) = oneshot::channel();
        let sent = self.send(Request::Commit { batch, answer });
        async {
            sent?;
            answered.await.unwrap_or(Err(Error::Closed))
        }
        .boxed()
    }

    fn claim<'a>(&'a self, cell: &'a str) -> BoxFuture<'a, Result<u64, Error>> {
        let (answer, answered) = oneshot::channel();
        let sent = self.send(Request::Claim { cell: cell.to_owned(), answer });
        async {
            sent?;
            answered.await.unwrap_or(Err(Error::Closed))
        }
        .boxed()
    }
}

impl Drop for Sqlite {
    /// Lets the writer finish what it was given.
    fn drop(&mut self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Writer { requests, thread }) = writer {
            drop(requests);
            let _ = thread.join();
        }
    }
}
