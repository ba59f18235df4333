use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use store::Batch;
use tokio::sync::watch;

use crate::cells::Inner;
use crate::{Error, Tx};

/// The rows of a cell, in order, keyed by what follows the cell's path.
#[derive(Debug, Default)]
pub struct Rows {
    pub(crate) rows: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A cell's state, as it is held in memory.
pub trait State: Send + Sized + 'static {
    /// Row prefixes that are not loaded: the state pages these rows from the store itself.
    const PAGED: &'static [&'static str] = &[];

    /// Rebuilds the state from its rows; the error says which row is wrong and why.
    fn load(rows: &Rows) -> Result<Self, String>;
}

type Load<S> = Box<dyn Fn(&Rows) -> Result<S, String> + Send + Sync>;

/// A handle on a cell. Cheap to clone; clones act on one state.
pub struct Cell<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    cells: Arc<Inner>,
    id: String,
    /// The path with a slash: what the keys of all rows begin with.
    prefix: String,
    load: Load<S>,
    paged: &'static [&'static str],
    held: Mutex<Held<S>>,
    /// [`Held::ended`], for who waits.
    ended: watch::Sender<u64>,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
}

struct Held<S> {
    /// Absent while the state must be loaded again.
    state: Option<S>,
    epoch: u64,
    /// The number of the newest batch handed to the store.
    newest: u64,
    /// This batch and all before it have ended: they are durable, or have failed.
    ended: u64,
    /// Batches that ended before one with a lower number.
    ended_ahead: BTreeSet<u64>,
    /// The numbers of batches that failed.
    failed: BTreeSet<u64>,
}

/// How many failed batches are remembered, for readers that wait for them.
const FAILED_KEPT_MAX: usize = 10_000;

impl Rows {
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|(row, value)| (row.as_slice(), value.as_slice()))
    }

    /// The rows that begin with `prefix`, keyed by what follows it.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let begin = self.rows.partition_point(|(row, _)| row.as_slice() < prefix.as_bytes());
        let rows = self.rows[begin..].iter().take_while(move |(row, _)| row.starts_with(prefix.as_bytes()));
        rows.map(move |(row, value)| (&row[prefix.len()..], value.as_slice()))
    }

    pub fn get(&self, row: &str) -> Option<&[u8]> {
        let at = self.rows.binary_search_by(|(key, _)| key.as_slice().cmp(row.as_bytes())).ok()?;
        Some(&self.rows[at].1)
    }
}

impl<S> Clone for Cell<S> {
    fn clone(&self) -> Cell<S> {
        Cell { shared: self.shared.clone() }
    }
}

impl<S: Send + 'static> Cell<S> {
    pub(crate) async fn open(
        cells: Arc<Inner>,
        id: String,
        load: Load<S>,
        paged: &'static [&'static str],
    ) -> Result<Cell<S>, Error> {
        let held =
            Held { state: None, epoch: 0, newest: 0, ended: 0, ended_ahead: BTreeSet::new(), failed: BTreeSet::new() };
        let shared = Shared {
            prefix: format!("{id}/"),
            cells,
            id,
            load,
            paged,
            held: Mutex::new(held),
            ended: watch::channel(0).0,
            reloading: tokio::sync::Mutex::new(()),
        };
        let cell = Cell { shared: Arc::new(shared) };
        cell.shared.reload().await?;
        Ok(cell)
    }

    /// The cell's path.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// The key in the store of a row of the cell, for a state that pages rows.
    pub fn key(&self, row: &str) -> Vec<u8> {
        [self.shared.prefix.as_bytes(), row.as_bytes()].concat()
    }

    /// Runs a command. Its changes are durable when this returns, and before anybody sees them; an error of the
    /// command must have left the state as it was.
    pub async fn apply<T, E: From<Error>>(
        &self,
        command: impl FnOnce(&mut S, &mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let shared = &self.shared;
        shared.ready().await?;
        let (output, newest, commit) = shared.run(command)?;
        match commit {
            Some(commit) => commit.await?,
            None => shared.settled(newest).await?,
        }
        Ok(output)
    }

    /// Looks at the state, once all that it shows is durable.
    pub async fn read<T>(&self, look: impl FnOnce(&S) -> T) -> Result<T, Error> {
        let shared = &self.shared;
        shared.ready().await?;
        let (output, newest) = {
            let held = shared.lock();
            let Some(state) = held.state.as_ref() else { return Err(shared.failed(store::Error::Closed)) };
            (look(state), held.newest)
        };
        shared.settled(newest).await?;
        Ok(output)
    }
}

impl<S: Send + 'static> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Held<S>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: store::Error) -> Error {
        Error::Store { cell: self.id.clone(), source }
    }

    /// Runs a command on the state; returns its output, the newest batch on which that rests, and what commits
    /// its changes, if it has any.
    fn run<T, E: From<Error>>(
        self: &Arc<Self>,
        command: impl FnOnce(&mut S, &mut Tx<'_>) -> Result<T, E>,
    ) -> Result<(T, u64, Option<Committing>), E> {
        let mut held = self.lock();
        let batch = Batch::new(&self.id, held.epoch);
        let Some(state) = held.state.as_mut() else {
            return Err(self.failed(store::Error::Closed).into());
        };
        let mut tx = Tx::new(self.cells.clock.now(), &self.prefix, batch);
        match command(state, &mut tx) {
            Ok(output) if tx.is_empty() => Ok((output, held.newest, None)),
            Ok(output) => {
                let commit = self.hand_over(&mut held, tx);
                Ok((output, held.newest, Some(commit)))
            }
            Err(error) => {
                if !tx.is_empty() {
                    // The state may show half of what the command meant to do.
                    held.state = None;
                }
                Err(error)
            }
        }
    }

    /// Hands the batch to the store, in the order of commands, and returns what waits for it to be durable. The
    /// waiting goes on where the caller gives up, so that messages are sent and failures noticed all the same.
    fn hand_over(self: &Arc<Self>, held: &mut Held<S>, tx: Tx<'_>) -> Committing {
        held.newest += 1;
        let number = held.newest;
        let (batch, messages) = tx.finish();
        let busy = self.cells.clock.busy();
        let commit = self.cells.store.commit(batch);
        let shared = self.clone();
        Committing::new(async move {
            let outcome = commit.await;
            if outcome.is_ok() && !messages.is_empty() {
                shared.cells.outbox.committed(messages);
            }
            let ended = shared.lock().end(number, outcome.is_ok());
            shared.ended.send_replace(ended);
            drop(busy);
            outcome.map_err(|source| shared.failed(source))
        })
    }

    /// Waits until the batches up to `number` have ended; an error if the last of them failed, on which what the
    /// caller has seen rests.
    async fn settled(&self, number: u64) -> Result<(), Error> {
        if self.lock().ended < number {
            let mut ended = self.ended.subscribe();
            if ended.wait_for(|ended| *ended >= number).await.is_err() {
                return Err(self.failed(store::Error::Closed));
            }
        }
        if self.lock().failed.contains(&number) {
            let reason = "what the answer rests on could not be committed".to_owned();
            return Err(self.failed(store::Error::Failed { reason }));
        }
        Ok(())
    }

    /// Makes sure that there is a state.
    async fn ready(&self) -> Result<(), Error> {
        if self.lock().state.is_some() {
            return Ok(());
        }
        self.reload().await
    }

    async fn reload(&self) -> Result<(), Error> {
        let _one = self.reloading.lock().await;
        let newest = {
            let held = self.lock();
            if held.state.is_some() {
                return Ok(());
            }
            held.newest
        };
        // Batches on their way belong to the state that was given up, but may still be applied.
        let mut ended = self.ended.subscribe();
        if ended.wait_for(|ended| *ended >= newest).await.is_err() {
            return Err(self.failed(store::Error::Closed));
        }
        let epoch = self.cells.store.claim(&self.id).await.map_err(|source| self.failed(source))?;
        let rows = self.cells.rows(&self.id, &self.prefix, self.paged).await?;
        let unreadable = |reason| Error::Unreadable { cell: self.id.clone(), reason };
        let state = (self.load)(&rows).map_err(unreadable)?;
        let mut held = self.lock();
        held.epoch = epoch;
        held.state = Some(state);
        Ok(())
    }
}

impl<S> Held<S> {
    /// Takes note of a batch's end; returns up to where all have ended.
    fn end(&mut self, number: u64, durable: bool) -> u64 {
        if !durable {
            // The state shows what will not last: it is loaded again before it is used.
            self.state = None;
            self.failed.insert(number);
            if self.failed.len() > FAILED_KEPT_MAX {
                self.failed.pop_first();
            }
        }
        self.ended_ahead.insert(number);
        while self.ended_ahead.remove(&(self.ended + 1)) {
            self.ended += 1;
        }
        self.ended
    }
}

/// Waits for a batch to be durable and tells the outbox; carried on by the runtime where its owner drops it
/// before its end.
struct Committing {
    future: Option<Boxed>,
}

type Boxed = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Committing {
    fn new(future: impl Future<Output = Result<(), Error>> + Send + 'static) -> Committing {
        Committing { future: Some(Box::pin(future)) }
    }
}

impl Future for Committing {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let future = self.future.as_mut().expect("polled only until its end");
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        if let (Some(future), Ok(runtime)) = (self.future.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(future);
        }
    }
}
