use std::collections::BTreeMap;

use base::Timestamp;
use cell::{Rows, Tx};
use serde::{Deserialize, Serialize};

use crate::error;

/// How many tasks of a queue are remembered.
const TASKS_KEPT_MAX: usize = 10;

/// A task that moves the messages of a dead-letter queue away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MoveTask {
    pub(crate) handle: String,
    pub(crate) status: Status,
    /// The ARN of the queue they go to; `None` for where each came from.
    pub(crate) destination: Option<String>,
    pub(crate) messages_per_s_max: Option<i32>,
    pub(crate) moved: u64,
    pub(crate) to_move: u64,
    pub(crate) started: Timestamp,
    pub(crate) failure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Running,
    Cancelling,
    Cancelled,
    Completed,
    Failed,
}

/// The tasks whose source a queue is, by when they were started.
#[derive(Default)]
pub(crate) struct MoveTasks {
    by_start: BTreeMap<(Timestamp, String), MoveTask>,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Running => "RUNNING",
            Status::Cancelling => "CANCELLING",
            Status::Cancelled => "CANCELLED",
            Status::Completed => "COMPLETED",
            Status::Failed => "FAILED",
        }
    }

    pub(crate) fn is_active(self) -> bool {
        matches!(self, Status::Running | Status::Cancelling)
    }
}

impl MoveTasks {
    const ROWS: &'static str = "t/";

    pub(crate) fn load(rows: &Rows) -> Result<MoveTasks, String> {
        let mut tasks = MoveTasks::default();
        for (_, row) in rows.under(MoveTasks::ROWS) {
            let task: MoveTask = cell::json::read(row)?;
            tasks.by_start.insert((task.started, task.handle.clone()), task);
        }
        Ok(tasks)
    }

    pub(crate) fn active(&self) -> Option<&MoveTask> {
        self.by_start.values().rev().find(|task| task.status.is_active())
    }

    pub(crate) fn get(&self, handle: &str) -> Option<&MoveTask> {
        self.by_start.values().find(|task| task.handle == handle)
    }

    /// The newest first.
    pub(crate) fn newest(&self, max: usize) -> Vec<MoveTask> {
        self.by_start.values().rev().take(max).cloned().collect()
    }

    /// Adds a task, unless one is active.
    pub(crate) fn start(&mut self, tx: &mut Tx<'_>, task: MoveTask) -> Result<(), wire::Error> {
        if self.active().is_some() {
            let message = "There is already a task running. Only one active task is allowed for a source queue arn at \
                           a given time.";
            return Err(error::invalid_parameter(message));
        }
        self.put(tx, task);
        while self.by_start.len() > TASKS_KEPT_MAX {
            if let Some((_, oldest)) = self.by_start.pop_first() {
                tx.delete(row(&oldest));
            }
        }
        Ok(())
    }

    /// Changes a task; nothing where it is not known.
    pub(crate) fn change(&mut self, tx: &mut Tx<'_>, handle: &str, change: impl FnOnce(&mut MoveTask)) {
        if let Some(mut task) = self.get(handle).cloned() {
            change(&mut task);
            self.put(tx, task);
        }
    }

    fn put(&mut self, tx: &mut Tx<'_>, task: MoveTask) {
        cell::json::put(tx, row(&task), &task);
        self.by_start.insert((task.started, task.handle.clone()), task);
    }
}

fn row(task: &MoveTask) -> String {
    format!("{}{:016x}", MoveTasks::ROWS, task.started.micros().max(0))
}
