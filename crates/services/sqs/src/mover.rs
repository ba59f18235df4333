//! What carries out a task that moves the messages of a dead-letter queue away.

use std::sync::Arc;
use std::time::Duration;

use wire::Error;

use crate::error;
use crate::message::Content;
use crate::move_task::{MoveTask, Status};
use crate::name::QueueName;
use crate::queue::{RELOCATION_MAX, Want};
use crate::queue_handle::QueueHandle;
use crate::relocation::Reason;
use crate::service::{Failed, Sqs};

/// How many messages are moved in one batch.
const BATCH_MAX: usize = 10;

/// How a task ended.
enum Ended {
    Completed,
    Cancelled,
    Failed(String),
}

/// Goes on with the active task of a queue, if it has one, until it ends.
pub(crate) fn go_on(sqs: Arc<Sqs>, source: QueueName) {
    tokio::spawn(async move {
        if let Err(error) = run(&sqs, &source).await {
            tracing::warn!(%error, queue = source.name, "a message move task goes on after the next start");
        }
    });
}

async fn run(sqs: &Arc<Sqs>, source: &QueueName) -> Result<(), Error> {
    let queue = sqs.queue(source).await?;
    while let Some(task) = queue.apply(|state, _| Ok(state.tasks.active().cloned())).await? {
        let pause = match step(sqs, &queue, &task).await? {
            Some(ended) => {
                end(&queue, &task, ended).await?;
                continue;
            }
            None => pause(&task),
        };
        if let Some(pause) = pause {
            sqs.fabric.clock.sleep(pause).await;
        }
    }
    let directory = sqs.directory(&source.scope).await?;
    let ended = directory.apply(|directory, tx| {
        directory.end_moving(tx, &source.name);
        Ok::<_, Failed>(())
    });
    Ok(ended.await?)
}

/// Moves a batch; says how the task ended, if it did.
async fn step(sqs: &Arc<Sqs>, queue: &Arc<QueueHandle>, task: &MoveTask) -> Result<Option<Ended>, Error> {
    if task.status == Status::Cancelling {
        return Ok(Some(Ended::Cancelled));
    }
    if let Some(destination) = &task.destination
        && !exists(sqs, destination).await
    {
        return Ok(Some(Ended::Failed("AWS.SimpleQueueService.NonExistentQueue".to_owned())));
    }
    // All that is visible counts as received too often: it is taken out of sight, to be relocated.
    let want = Want { max: BATCH_MAX, visibility_timeout: Some(RELOCATION_MAX), receives_max: Some(0), attempt: None };
    if queue.apply(|state, tx| state.needs_page(tx.now())).await? {
        queue.read_on().await?;
    }
    let live = queue.live();
    let taken = queue.apply(|state, tx| state.receive(tx, &live.settings, &want)).await?;
    if taken.dead.is_empty() {
        let more = taken.again || queue.apply(|state, tx| state.needs_page(tx.now())).await?;
        return Ok((!more).then_some(Ended::Completed));
    }
    let count = taken.dead.len();
    let target = |content: &Content| task.destination.clone().or_else(|| content.dead_letter_source.clone());
    let moved = sqs.relocate(queue, taken.dead, target, &Reason::MoveTask).await?;
    queue
        .apply(|state, tx| {
            state.tasks.change(tx, &task.handle, |task| task.moved += moved as u64);
            Ok(())
        })
        .await?;
    Ok((moved < count).then(|| Ended::Failed("CouldNotDetermineMessageSource".to_owned())))
}

async fn exists(sqs: &Sqs, arn: &str) -> bool {
    let name = arn.parse().ok().and_then(|arn| QueueName::of_arn(&arn));
    match name {
        Some(name) => sqs.queue(&name).await.is_ok(),
        None => false,
    }
}

async fn end(queue: &QueueHandle, task: &MoveTask, ended: Ended) -> Result<(), Error> {
    let (status, failure) = match ended {
        Ended::Completed => (Status::Completed, None),
        Ended::Cancelled => (Status::Cancelled, None),
        Ended::Failed(reason) => (Status::Failed, Some(reason)),
    };
    let ended = queue.apply(|state, tx| {
        state.tasks.change(tx, &task.handle, |task| {
            task.status = status;
            task.failure = failure.clone();
        });
        Ok(())
    });
    Ok(ended.await?)
}

/// How long to wait after a batch so that no more messages are moved in a second than the task allows.
fn pause(task: &MoveTask) -> Option<Duration> {
    let per_s = task.messages_per_s_max.and_then(|max| u32::try_from(max).ok()).filter(|max| *max > 0)?;
    Some(Duration::from_secs(1) * BATCH_MAX as u32 / per_s)
}

impl Sqs {
    /// Begins a task, which then runs by itself.
    pub(crate) async fn start_moving(self: &Arc<Self>, queue: &QueueHandle, task: MoveTask) -> Result<(), Error> {
        queue.apply(|state, tx| Ok(state.tasks.start(tx, task.clone())?)).await?;
        let directory = self.directory(&queue.name.scope).await?;
        let noted = directory.apply(|directory, tx| {
            directory.begin_moving(tx, &queue.name.name);
            Ok::<_, Failed>(())
        });
        noted.await?;
        go_on(self.clone(), queue.name.clone());
        Ok(())
    }

    /// Asks the task of that handle to end; gives how many messages it has moved.
    pub(crate) async fn cancel_moving(&self, queue: &QueueHandle, handle: &str) -> Result<u64, Error> {
        let cancelled = queue.apply(|state, tx| {
            let task = state.tasks.get(handle).ok_or_else(error::no_task)?.clone();
            if task.status != Status::Running {
                return Err(error::invalid_parameter("Only active tasks can be cancelled.").into());
            }
            state.tasks.change(tx, handle, |task| task.status = Status::Cancelling);
            Ok(task.moved)
        });
        Ok(cancelled.await?)
    }
}
