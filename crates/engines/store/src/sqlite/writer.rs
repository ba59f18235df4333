use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::connection;
use crate::broken::Broken;
use crate::{Batch, Condition, Error, Range, Write, epoch_key};

/// How many requests share a transaction at most.
const SHARED_MAX: usize = 4_096;
/// A checkpoint is due after so many rows have been written.
const CHECKPOINT_ROWS: usize = 4_000;

pub(super) enum Request {
    Commit { batch: Batch, answer: oneshot::Sender<Result<(), Error>> },
    Claim { cell: String, answer: oneshot::Sender<Result<u64, Error>> },
}

/// An answer that is given once the transaction is durable.
enum Answer {
    Commit { to: oneshot::Sender<Result<(), Error>>, outcome: Result<(), Error>, cell: String, epoch: u64 },
    Claim(oneshot::Sender<Result<u64, Error>>, u64),
}

/// What the writer knows of the cells' owners.
#[derive(Default)]
struct Owners {
    /// As the rows have them.
    epochs: HashMap<String, u64>,
    broken: Broken,
}

impl Answer {
    /// To a request behind one at which SQLite failed.
    fn untried(request: Request) -> Answer {
        match request {
            Request::Commit { batch, answer } => {
                Answer::Commit { to: answer, outcome: Ok(()), cell: batch.cell, epoch: batch.epoch }
            }
            Request::Claim { answer, .. } => Answer::Claim(answer, 0),
        }
    }
}

/// Writes until nobody can ask any more.
pub(super) fn run(mut connection: Connection, checkpointing: Connection, requests: &Receiver<Request>) {
    let (checkpoint, due) = mpsc::sync_channel::<()>(1);
    let checkpointer = std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
        while due.recv().is_ok() {
            let passive = checkpointing.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = passive {
                tracing::warn!(%error, "a checkpoint of the store failed");
            }
        }
    });
    let mut owners = Owners::default();
    let mut rows_written = 0;
    while let Ok(first) = requests.recv() {
        let shared: Vec<Request> = std::iter::once(first).chain(requests.try_iter().take(SHARED_MAX - 1)).collect();
        rows_written += write(&mut connection, &mut owners, shared);
        if rows_written >= CHECKPOINT_ROWS {
            rows_written = 0;
            // One that is under way or waiting serves as well.
            let _ = checkpoint.try_send(());
        }
    }
    drop(checkpoint);
    if let Ok(checkpointer) = checkpointer {
        let _ = checkpointer.join();
    }
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Applies the requests in one transaction and answers them; returns how many rows it wrote.
fn write(connection: &mut Connection, owners: &mut Owners, mut requests: Vec<Request>) -> usize {
    let mut answers = Vec::with_capacity(requests.len());
    let mut rows = 0;
    let mut apply_all = || -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for request in requests.drain(..) {
            match request {
                Request::Commit { batch, answer } => {
                    rows += batch.writes.len();
                    // The answer is kept first: should SQLite fail, it is among those that are told.
                    let (cell, epoch) = (batch.cell.clone(), batch.epoch);
                    answers.push(Answer::Commit { to: answer, outcome: Ok(()), cell: cell.clone(), epoch });
                    let applied = apply(&transaction, owners, batch)?;
                    if applied.is_err() {
                        owners.broken.add(cell, epoch);
                    }
                    if let Some(Answer::Commit { outcome, .. }) = answers.last_mut() {
                        *outcome = applied;
                    }
                }
                Request::Claim { cell, answer } => {
                    let epoch = epoch(&transaction, owners, &cell)? + 1;
                    answers.push(Answer::Claim(answer, epoch));
                    put(&transaction, &epoch_key(&cell), &epoch.to_be_bytes())?;
                    owners.epochs.insert(cell, epoch);
                }
            }
        }
        transaction.commit()
    };
    let done = apply_all().map_err(|error| connection::error(&error));
    if let Err(error) = &done {
        tracing::error!(%error, "the store could not commit");
        owners.epochs.clear();
        answers.extend(requests.drain(..).map(Answer::untried));
    }
    for answer in answers {
        // A caller that has gone does not want to know.
        match answer {
            Answer::Commit { to, outcome, cell, epoch } => {
                if done.is_err() {
                    owners.broken.add(cell, epoch);
                }
                drop(to.send(done.clone().and(outcome)));
            }
            Answer::Claim(to, epoch) => drop(to.send(done.clone().map(|()| epoch))),
        }
    }
    rows
}

/// Applies a batch, unless it is fenced or a condition does not hold.
fn apply(connection: &Connection, owners: &mut Owners, batch: Batch) -> rusqlite::Result<Result<(), Error>> {
    if let Err(fenced) = owners.broken.check(&batch) {
        return Ok(Err(fenced));
    }
    if !batch.cell.is_empty() && epoch(connection, owners, &batch.cell)? > batch.epoch {
        return Ok(Err(Error::Fenced { cell: batch.cell }));
    }
    for condition in &batch.conditions {
        let holds = match condition {
            Condition::Absent(key) => get(connection, key)?.is_none(),
            Condition::Equals(key, value) => get(connection, key)?.as_ref() == Some(value),
        };
        if !holds {
            return Ok(Err(Error::Condition));
        }
    }
    for write in &batch.writes {
        match write {
            Write::Put(key, value) => put(connection, key, value)?,
            Write::Delete(key) => {
                connection.prepare_cached("DELETE FROM kv WHERE key = ?1")?.execute(params![key])?;
            }
            Write::DeletePrefix(prefix) => delete_prefix(connection, prefix)?,
        }
    }
    Ok(Ok(()))
}

fn epoch(connection: &Connection, owners: &mut Owners, cell: &str) -> rusqlite::Result<u64> {
    if let Some(epoch) = owners.epochs.get(cell) {
        return Ok(*epoch);
    }
    let row = get(connection, &epoch_key(cell))?;
    let epoch = row.and_then(|row| row.as_slice().try_into().ok()).map_or(0, u64::from_be_bytes);
    owners.epochs.insert(cell.to_owned(), epoch);
    Ok(epoch)
}

fn get(connection: &Connection, key: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM kv WHERE key = ?1")?
        .query_row(params![key], |row| row.get(0))
        .optional()
}

fn put(connection: &Connection, key: &[u8], value: &[u8]) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO kv (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?;
    upsert.execute(params![key, value]).map(drop)
}

fn delete_prefix(connection: &Connection, prefix: &[u8]) -> rusqlite::Result<()> {
    match Range::end_of_prefix(prefix) {
        Some(end) => connection
            .prepare_cached("DELETE FROM kv WHERE key >= ?1 AND key < ?2")?
            .execute(params![prefix, end])
            .map(drop),
        None => connection.prepare_cached("DELETE FROM kv WHERE key >= ?1")?.execute(params![prefix]).map(drop),
    }
}
