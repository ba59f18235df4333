use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::connection;
use super::log::Log;
use super::table::Table;
use crate::answer::Answer;
use crate::owners::Owners;
use crate::{Batch, Error};

/// How many requests share a transaction at most.
const SHARED_MAX: usize = 4_096;
/// No further request joins a transaction of so many bytes.
const SHARED_BYTES: usize = 8 * 1024 * 1024;

pub(super) enum Request {
    Commit { batch: Batch, bytes: usize, answer: Answer },
    Claim { cell: String, answer: oneshot::Sender<Result<u64, Error>> },
}

/// What a request came to, if the transaction becomes durable.
enum Outcome {
    Commit(Result<(), Error>),
    Claim(u64),
}

/// The only one who writes.
pub(super) struct Writer {
    connection: Connection,
    log: Log,
    owners: Owners,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Request {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Request::Commit { bytes, .. } => *bytes,
            Request::Claim { cell, .. } => cell.len(),
        }
    }

    pub(super) fn refuse(self, error: Error) {
        match self {
            Request::Commit { answer, .. } => answer.give(Err(error)),
            // A caller that has gone does not want to know.
            Request::Claim { answer, .. } => drop(answer.send(Err(error))),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Request::Commit { batch, .. } => batch.writes.len(),
            Request::Claim { .. } => 2,
        }
    }
}

impl Writer {
    pub(super) fn new(connection: Connection, log: Log, waiting_bytes: Arc<AtomicUsize>) -> Writer {
        Writer { connection, log, owners: Owners::default(), waiting_bytes }
    }

    /// Writes until nobody can ask any more.
    pub(super) fn run(mut self, waiting: &Receiver<Box<Request>>) {
        while let Ok(first) = waiting.recv() {
            let requests = self.gather(*first, waiting);
            let rows = requests.iter().map(Request::rows).sum();
            self.write(requests);
            self.log.wrote(rows, &self.connection);
        }
        self.log.close(&self.connection);
    }

    /// The requests that share the next transaction: all that wait, within bounds.
    fn gather(&self, first: Request, waiting: &Receiver<Box<Request>>) -> Vec<Request> {
        let mut bytes = first.bytes();
        let mut requests = vec![first];
        while requests.len() < SHARED_MAX && bytes < SHARED_BYTES {
            let Ok(request) = waiting.try_recv() else { break };
            bytes += request.bytes();
            requests.push(*request);
        }
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        requests
    }

    /// Carries the requests out in one transaction, and answers them once it is durable.
    pub(super) fn write(&mut self, requests: Vec<Request>) {
        match self.try_write(&requests) {
            Ok(outcomes) => {
                for (request, outcome) in requests.into_iter().zip(outcomes) {
                    self.answer(request, outcome);
                }
            }
            Err(error) => {
                let error = connection::error(&error);
                tracing::error!(%error, requests = requests.len(), "the store could not commit");
                self.owners.rolled_back();
                for request in requests {
                    if let Request::Commit { batch, .. } = &request {
                        self.owners.failed(batch);
                    }
                    request.refuse(error.clone());
                }
            }
        }
    }

    fn try_write(&mut self, requests: &[Request]) -> rusqlite::Result<Vec<Outcome>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut table = Table(&transaction);
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            outcomes.push(match request {
                Request::Commit { batch, .. } => Outcome::Commit(self.owners.apply(&mut table, batch)?),
                Request::Claim { cell, .. } => Outcome::Claim(self.owners.claim(&mut table, cell)?),
            });
        }
        transaction.commit()?;
        Ok(outcomes)
    }

    fn answer(&mut self, request: Request, outcome: Outcome) {
        match (request, outcome) {
            (Request::Commit { answer, .. }, Outcome::Commit(outcome)) => answer.give(outcome),
            (Request::Claim { cell, answer }, Outcome::Claim(epoch)) => {
                self.owners.claimed(&cell, epoch);
                // A caller that has gone does not want to know.
                drop(answer.send(Ok(epoch)));
            }
            (request, _) => request.refuse(Error::Failed { reason: "an outcome of another request".into() }),
        }
    }
}
