use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{Account, Region, Scope};
use cell::{Cell, Family};
use fabric::{Fabric, Unit};
use store::Range;
use wire::{Call, Error};

use crate::directory::Directory;
use crate::name::QueueName;
use crate::queue_handle::{QueueHandle, cell_id};
use crate::{error, mover, operations, resources, source, target};

/// What the paths of directories begin with.
const DIRECTORIES: &str = "sqs/queues/";

pub struct Sqs {
    pub(crate) fabric: Fabric,
    directories: Family<Directory>,
    open: Mutex<HashMap<QueueName, Arc<QueueHandle>>>,
    /// One queue is opened or deleted at a time: opening one twice would fence the first.
    opening: tokio::sync::Mutex<()>,
}

impl Sqs {
    /// Opens the service, ends what a crash interrupted and goes on with tasks.
    pub async fn open(fabric: Fabric) -> Result<Arc<Sqs>, cell::Error> {
        let directories = Family::new(&fabric.cells, DIRECTORIES);
        let sqs = Arc::new(Sqs { fabric, directories, open: Mutex::default(), opening: tokio::sync::Mutex::default() });
        for scope in sqs.scopes().await? {
            let directory = sqs.directories.get(&scope.to_string()).await?;
            let (unwiped, moving) = directory.read(|directory| (directory.unwiped(), directory.moving())).await?;
            for name in unwiped {
                sqs.wipe(&directory, &QueueName { scope: scope.clone(), name }).await?;
            }
            for name in moving {
                mover::go_on(sqs.clone(), QueueName { scope: scope.clone(), name });
            }
        }
        Ok(sqs)
    }

    /// Hangs the service in.
    pub fn plug(self: &Arc<Self>) {
        let plugs = &self.fabric.plugs;
        plugs.add_api(operations::api(self.clone()));
        plugs.add_target("sqs", Arc::new(target::Queues::new(self.clone())));
        plugs.add_queue_source("sqs", Arc::new(source::Queues::new(self.clone())));
        plugs.add_provider(Arc::new(resources::Provider::new(self.clone())));
    }

    pub(crate) async fn directory(&self, scope: &Scope) -> Result<Cell<Directory>, Error> {
        self.directories.get(&scope.to_string()).await.map_err(error::internal)
    }

    /// The queue of a URL.
    pub(crate) async fn queue_of(&self, call: &Call, url: &str) -> Result<Arc<QueueHandle>, Error> {
        self.queue(&QueueName::of_url(url, call)?).await
    }

    pub(crate) async fn queue(&self, name: &QueueName) -> Result<Arc<QueueHandle>, Error> {
        if let Some(queue) = self.lock().get(name) {
            return Ok(queue.clone());
        }
        let directory = self.directory(&name.scope).await?;
        let _one = self.opening.lock().await;
        if let Some(queue) = self.lock().get(name) {
            return Ok(queue.clone());
        }
        let record = directory.read(|directory| directory.get(&name.name).cloned()).await.map_err(error::internal)?;
        let record = record.ok_or_else(error::no_queue)?;
        let queue = QueueHandle::open(&self.fabric.cells, name.clone(), record).await.map_err(error::internal)?;
        let queue = Arc::new(queue);
        self.lock().insert(name.clone(), queue.clone());
        Ok(queue)
    }

    /// Deletes a queue and its messages.
    pub(crate) async fn delete(&self, name: &QueueName) -> Result<(), Error> {
        let directory = self.directory(&name.scope).await?;
        let _one = self.opening.lock().await;
        directory.apply(|directory, tx| directory.delete(tx, &name.name).map_err(Failed::Answer)).await?;
        self.wipe(&directory, name).await.map_err(error::internal)
    }

    /// Deletes the rows of a queue that is no longer in the directory.
    async fn wipe(&self, directory: &Cell<Directory>, name: &QueueName) -> Result<(), cell::Error> {
        let open = self.lock().remove(name);
        match open {
            Some(queue) => queue.close().await?,
            None => {
                let cell: Cell<Wiped> = self.fabric.cells.open(cell_id(name)).await?;
                cell.apply(|_, tx| {
                    tx.delete_prefix("");
                    Ok::<_, cell::Error>(())
                })
                .await?;
            }
        }
        directory
            .apply(|directory, tx| {
                directory.wiped(tx, &name.name);
                Ok(())
            })
            .await
    }

    /// The scopes that have, or had, queues.
    async fn scopes(&self) -> Result<Vec<Scope>, cell::Error> {
        let failed = |source| cell::Error::Store { cell: DIRECTORIES.to_owned(), source };
        let mut scopes = Vec::new();
        let mut from = DIRECTORIES.as_bytes().to_vec();
        let end = Range::end_of_prefix(&from).unwrap_or_default();
        loop {
            let range = Range::from(from).to(end.clone()).limit(1);
            let rows = self.fabric.store.range(range).await.map_err(failed)?;
            let Some((key, _)) = rows.into_iter().next() else { return Ok(scopes) };
            let path = String::from_utf8_lossy(&key[DIRECTORIES.len()..]).into_owned();
            let mut parts = path.split('/');
            let account = parts.next().unwrap_or_default();
            let region = parts.next().unwrap_or_default();
            if let (Some(account), Some(region)) = (Account::parse(account), Region::parse(region)) {
                scopes.push(Scope { account, region });
            }
            // On to the next account and region.
            let prefix = format!("{DIRECTORIES}{account}/{region}/");
            from = Range::end_of_prefix(prefix.as_bytes()).unwrap_or_else(|| end.clone());
        }
    }

    /// Tells a metric of a queue.
    pub(crate) fn measure(&self, queue: &QueueHandle, name: &'static str, value: f64, unit: Unit) {
        let now = self.fabric.now();
        self.fabric.metrics.tell(now, "AWS/SQS", name, &[("QueueName", &queue.name.name)], value, unit);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueName, Arc<QueueHandle>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of a queue's cell that is only opened to be wiped.
struct Wiped;

impl cell::State for Wiped {
    const PAGED: &'static [&'static str] = &[""];

    fn load(_: &cell::Rows) -> Result<Wiped, String> {
        Ok(Wiped)
    }
}

/// Why a command on a directory did not run, or did not last.
pub(crate) enum Failed {
    Answer(Error),
    Cell(cell::Error),
}

impl From<cell::Error> for Failed {
    fn from(error: cell::Error) -> Failed {
        Failed::Cell(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Error {
        match failed {
            Failed::Answer(error) => error,
            Failed::Cell(error) => error::internal(error),
        }
    }
}
