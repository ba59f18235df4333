use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::owners::{Owners, Rows};
use crate::{Batch, Error, Range, Row, Store, Then};

/// How many requests wait while the store is held; further ones are refused.
const WAITING_MAX: usize = 65_536;

/// A store in memory, for tests and simulation. Clones share their rows.
#[derive(Clone, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    rows: Table,
    owners: Owners,
    faults: VecDeque<Faults>,
    held: bool,
    /// What was asked while the store was held; none of it is durable.
    waiting: VecDeque<Request>,
}

#[derive(Clone, Default)]
struct Table(BTreeMap<Vec<u8>, Vec<u8>>);

enum Request {
    Commit { batch: Batch, answer: Answer },
    Claim { cell: String, answer: oneshot::Sender<u64> },
}

/// A request that was carried out, with what there is to tell; told outside the lock.
enum Done {
    Commit(Answer, Result<(), Error>),
    Claim(oneshot::Sender<u64>, u64),
}

/// What goes wrong with a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    None,
    /// It fails and is not applied.
    Refused,
    /// It is applied, but the answer is lost: the caller sees a failure.
    AnswerLost,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    /// Plans what happens to the next commits, one after another.
    pub fn plan(&self, faults: impl IntoIterator<Item = Faults>) {
        self.lock().faults.extend(faults);
    }

    /// Lets commits and claims wait from now on, as for a slow disk, until [`Memory::sync`] or
    /// [`Memory::release`].
    pub fn hold(&self) {
        self.lock().held = true;
    }

    /// Carries out up to `requests_max` of what waits, in order; returns how many it were.
    pub fn sync(&self, requests_max: usize) -> usize {
        let mut inner = self.lock();
        let count = requests_max.min(inner.waiting.len());
        let requests: Vec<Request> = inner.waiting.drain(..count).collect();
        let done: Vec<Done> = requests.into_iter().map(|request| inner.carry_out(request)).collect();
        drop(inner);
        done.into_iter().for_each(Done::tell);
        count
    }

    /// Carries out all that waits, and from now on everything at once.
    pub fn release(&self) {
        self.lock().held = false;
        self.sync(usize::MAX);
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// What a machine finds after losing power at this moment: all that is durable.
    pub fn after_power_loss(&self) -> Memory {
        self.after_power_loss_amid(0)
    }

    /// Like [`Memory::after_power_loss`], where the first `requests_max` of the waiting requests had got to the
    /// disk, though nobody was told so.
    pub fn after_power_loss_amid(&self, requests_max: usize) -> Memory {
        let inner = self.lock();
        let (rows, owners, faults) = (inner.rows.clone(), inner.owners.clone(), inner.faults.clone());
        let mut disk = Inner { rows, owners, faults, ..Inner::default() };
        for request in inner.waiting.iter().take(requests_max) {
            match request {
                // Nobody is told.
                Request::Commit { batch, .. } => drop(disk.commit(batch)),
                Request::Claim { cell, .. } => drop(disk.claim(cell)),
            }
        }
        Memory { inner: Arc::new(Mutex::new(Inner { rows: disk.rows, ..Inner::default() })) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, request: Request) {
        let mut inner = self.lock();
        if inner.held || !inner.waiting.is_empty() {
            if inner.waiting.len() < WAITING_MAX {
                inner.waiting.push_back(request);
                return;
            }
            drop(inner);
            return request.refuse(Error::Overloaded);
        }
        let done = inner.carry_out(request);
        drop(inner);
        done.tell();
    }
}

impl Inner {
    fn carry_out(&mut self, request: Request) -> Done {
        match request {
            Request::Commit { batch, answer } => Done::Commit(answer, self.commit(&batch)),
            Request::Claim { cell, answer } => Done::Claim(answer, self.claim(&cell)),
        }
    }

    fn claim(&mut self, cell: &str) -> u64 {
        let Ok(epoch) = self.owners.claim(&mut self.rows, cell);
        self.owners.claimed(cell, epoch);
        epoch
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), Error> {
        let fault = self.faults.pop_front().unwrap_or(Faults::None);
        if fault == Faults::Refused {
            self.owners.failed(batch);
            return Err(Error::Failed { reason: "an injected fault".into() });
        }
        let Ok(outcome) = self.owners.apply(&mut self.rows, batch);
        if outcome.is_ok() && fault == Faults::AnswerLost {
            self.owners.failed(batch);
            return Err(Error::Failed { reason: "an injected fault after the batch was applied".into() });
        }
        outcome
    }
}

impl Request {
    fn refuse(self, error: Error) {
        match self {
            Request::Commit { answer, .. } => answer.give(Err(error)),
            // Its sender sees that nobody answers.
            Request::Claim { .. } => {}
        }
    }
}

impl Done {
    fn tell(self) {
        match self {
            Done::Commit(answer, outcome) => answer.give(outcome),
            // A caller that has gone does not want to know.
            Done::Claim(answer, epoch) => drop(answer.send(epoch)),
        }
    }
}

impl Rows for Table {
    type Error = Infallible;

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        self.0.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Infallible> {
        self.0.remove(key);
        Ok(())
    }

    fn delete_prefix(&mut self, prefix: &[u8]) -> Result<(), Infallible> {
        let below = self.range(&Range::prefix(prefix).limit(usize::MAX));
        below.into_iter().for_each(|(key, _)| drop(self.0.remove(&key)));
        Ok(())
    }
}

impl Table {
    fn range(&self, range: &Range) -> Vec<Row> {
        if range.to.as_ref().is_some_and(|to| *to <= range.from) {
            return Vec::new();
        }
        let end = range.to.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.0.range((Bound::Included(range.from.clone()), end));
        let owned = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        match range.reverse {
            false => rows.take(range.limit).map(owned).collect(),
            true => rows.rev().take(range.limit).map(owned).collect(),
        }
    }
}

impl Store for Memory {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        let row = self.lock().rows.0.get(key).cloned();
        future::ready(Ok(row)).boxed()
    }

    fn range(&self, range: Range) -> BoxFuture<'_, Result<Vec<Row>, Error>> {
        future::ready(Ok(self.lock().rows.range(&range))).boxed()
    }

    fn commit_then(&self, batch: Batch, then: Then) {
        let answer = Answer::new(then);
        match batch.bytes() {
            bytes if bytes > Batch::BYTES_MAX => {
                answer.give(Err(Error::TooLarge { bytes, bytes_max: Batch::BYTES_MAX }));
            }
            _ => self.send(Request::Commit { batch, answer }),
        }
    }

    fn claim<'a>(&'a self, cell: &'a str) -> BoxFuture<'a, Result<u64, Error>> {
        let (answer, answered) = oneshot::channel();
        self.send(Request::Claim { cell: cell.to_owned(), answer });
        answered.map(|epoch| epoch.map_err(|_| Error::Closed)).boxed()
    }
}
