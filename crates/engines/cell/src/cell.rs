use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Busy;
use store::Batch;
use tokio::sync::oneshot;

use crate::cells::Inner;
use crate::pending::Pending;
use crate::{Error, Rows, Tx};

/// How often a cell is loaded for one command whose state others break again before it can run.
const LOADS_MAX: usize = 16;

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
    pending: Pending,
    /// One load at a time.
    loading: tokio::sync::Mutex<()>,
}

struct Held<S> {
    /// Absent while the state must be loaded again: after a command that panicked or failed half-way.
    state: Option<S>,
    epoch: u64,
    /// Whether the newest batch deletes the cell.
    deleted: bool,
}

/// What a command came to, before that may be told.
struct Ran<T, E> {
    result: Result<T, E>,
    /// The newest batch of which it may speak.
    rests_on: u64,
    /// Its own batch's outcome.
    commit: Option<Commit>,
}

/// The outcome of a batch. Virtual time stands still until its receiver has taken note.
type Commit = oneshot::Receiver<(Result<(), store::Error>, Busy)>;

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
        let shared = Shared {
            prefix: format!("{id}/"),
            cells,
            id,
            load,
            paged,
            held: Mutex::new(Held { state: None, epoch: 0, deleted: false }),
            pending: Pending::new(),
            loading: tokio::sync::Mutex::new(()),
        };
        let cell = Cell { shared: Arc::new(shared) };
        cell.shared.load().await?;
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

    /// Runs a command. Its changes are durable when this returns, and before anybody sees them; so is what an error
    /// of the command tells. They are made whether or not the result is awaited to its end.
    ///
    /// A command that fails must have left the state as it was, unless it has written to the [`Tx`]: then, as after
    /// a panic, its writes are dropped and the state is loaded again.
    pub async fn apply<T, E: From<Error>>(
        &self,
        command: impl FnOnce(&mut S, &mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let ran = {
            let mut held = self.shared.ready().await?;
            self.shared.run(&mut held, command, false)
        };
        self.shared.told(ran).await
    }

    /// Runs a last command and, if it succeeds, deletes all rows of the cell with its batch. Whoever uses the cell
    /// from then on gets [`Error::Deleted`]; it may be opened anew.
    pub async fn delete<T, E: From<Error>>(
        &self,
        last: impl FnOnce(&mut S, &mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let ran = {
            let mut held = self.shared.ready().await?;
            self.shared.run(&mut held, last, true)
        };
        self.shared.told(ran).await
    }

    /// Looks at the state, once all that it shows is durable.
    pub async fn read<T>(&self, look: impl FnOnce(&S) -> T) -> Result<T, Error> {
        let ran = {
            let held = self.shared.ready().await?;
            let state = held.state.as_ref().expect("a cell that is ready has a state");
            Ran { result: Ok(look(state)), rests_on: self.shared.pending.rests_on(), commit: None }
        };
        self.shared.told(ran).await
    }
}

impl<S: Send + 'static> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Held<S>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: store::Error) -> Error {
        Error::Store { cell: self.id.clone(), source }
    }

    /// The state, loaded again where that is needed.
    async fn ready(&self) -> Result<MutexGuard<'_, Held<S>>, Error> {
        for _ in 0..LOADS_MAX {
            let deleted = {
                let held = self.lock();
                if held.state.is_some() && !self.pending.is_broken() {
                    return Ok(held);
                }
                held.deleted
            };
            if deleted {
                if self.pending.settled(self.pending.newest()).await {
                    return Err(Error::Deleted { cell: self.id.clone() });
                }
                self.lock().deleted = false;
            }
            self.load().await?;
        }
        Err(self.failed(store::Error::Overloaded))
    }

    /// Runs a command on the state, and hands its batch to the store while nobody else can run one: so the order of
    /// batches is that of commands.
    fn run<T, E>(
        self: &Arc<Self>,
        held: &mut Held<S>,
        command: impl FnOnce(&mut S, &mut Tx<'_>) -> Result<T, E>,
        last: bool,
    ) -> Ran<T, E> {
        // Should the command panic, the state is gone and thereby loaded again.
        let mut state = held.state.take().expect("a cell that is ready has a state");
        let mut tx = Tx::new(self.cells.clock.now(), &self.prefix, Batch::new(&self.id, held.epoch));
        let result = command(&mut state, &mut tx);
        let mut commit = None;
        if result.is_ok() && last {
            tx.end_cell();
            held.deleted = true;
        } else if result.is_ok() || tx.is_empty() {
            held.state = Some(state);
        }
        if result.is_ok() && !tx.is_empty() {
            commit = Some(self.hand_over(tx));
        }
        Ran { result, rests_on: self.pending.rests_on(), commit }
    }

    fn hand_over(self: &Arc<Self>, tx: Tx<'_>) -> Commit {
        let number = self.pending.begin();
        let (batch, messages) = tx.finish();
        let busy = self.cells.clock.busy();
        let (tell, told) = oneshot::channel();
        let shared = self.clone();
        let then = move |outcome: Result<(), store::Error>| {
            match &outcome {
                Ok(()) => {
                    shared.pending.succeeded(number);
                    if !messages.is_empty() {
                        shared.cells.outbox.committed(messages);
                    }
                }
                Err(_) => shared.pending.failed(number, messages),
            }
            // A caller that has gone does not want to know.
            drop(tell.send((outcome, busy)));
        };
        self.cells.store.commit_then(batch, Box::new(then));
        told
    }

    /// What a command or a look came to, once all of which it may speak is durable.
    async fn told<T, E: From<Error>>(&self, ran: Ran<T, E>) -> Result<T, E> {
        if let Some(commit) = ran.commit {
            let Ok((outcome, _busy)) = commit.await else { return Err(self.failed(store::Error::Closed).into()) };
            outcome.map_err(|source| self.failed(source))?;
        } else if !self.pending.settled(ran.rests_on).await {
            let reason = "what the answer rests on could not be committed".to_owned();
            return Err(self.failed(store::Error::Failed { reason }).into());
        }
        ran.result
    }

    /// Becomes the cell's owner and loads its state, if there is none that will last.
    async fn load(&self) -> Result<(), Error> {
        let _one = self.loading.lock().await;
        let _busy = self.cells.clock.busy();
        {
            let mut held = self.lock();
            if held.state.is_some() && !self.pending.is_broken() || held.deleted {
                return Ok(());
            }
            held.state = None;
        }
        // Batches on their way belong to the state that was given up, but may still be applied.
        self.pending.settled(self.pending.newest()).await;
        let epoch = self.cells.store.claim(&self.id).await.map_err(|source| self.failed(source))?;
        let rows = self.cells.rows(&self.id, &self.prefix, self.paged).await?;
        let unreadable = |reason| Error::Unreadable { cell: self.id.clone(), reason };
        let state = (self.load)(&rows).map_err(unreadable)?;
        self.send_doubtful().await?;
        let mut held = self.lock();
        held.epoch = epoch;
        held.state = Some(state);
        self.pending.mend();
        Ok(())
    }

    /// Tells the outbox of messages that are in the store although their commit was reported to have failed. The
    /// cell has been claimed since, so what is not there now will never be.
    async fn send_doubtful(&self) -> Result<(), Error> {
        let mut there = Vec::new();
        for message in self.pending.doubtful() {
            let row = self.cells.store.get(&message.key).await.map_err(|source| self.failed(source))?;
            if row.as_ref() == Some(&message.value) {
                there.push(message);
            }
        }
        if !there.is_empty() {
            self.cells.outbox.committed(there);
        }
        self.pending.forget_doubtful();
        Ok(())
    }
}
