use std::sync::{Arc, PoisonError, RwLock};

use base::Timestamp;
use cell::{Cell, Cells, Tx};
use futures_util::future::try_join_all;
use store::Range;
use wire::Error;

use crate::directory::Record;
use crate::error;
use crate::message::{Content, Head};
use crate::name::QueueName;
use crate::order::{PAGE_ROWS, Place};
use crate::queue::{self, Queue, Refusal, content_row};
use crate::settings::Settings;
use crate::wake::Wake;

/// How often a command is tried that finds the queue's rows unread.
const TRIES_MAX: usize = 8;

/// A queue in use: its cell, what it goes by, and who waits for it.
pub(crate) struct QueueHandle {
    pub(crate) name: QueueName,
    pub(crate) wake: Arc<Wake>,
    cell: Cell<Queue>,
    cells: Cells,
    live: RwLock<Arc<Live>>,
    /// Rows are read by one at a time.
    reading: tokio::sync::Mutex<()>,
}

/// A queue's record, and what its attributes come to.
pub(crate) struct Live {
    pub(crate) record: Arc<Record>,
    pub(crate) settings: Settings,
}

impl QueueHandle {
    pub(crate) async fn open(cells: &Cells, name: QueueName, record: Arc<Record>) -> Result<QueueHandle, cell::Error> {
        let wake = Arc::new(Wake::new());
        let (fifo, waking) = (name.is_fifo(), wake.clone());
        let load = move |rows: &cell::Rows| Queue::load(rows, fifo, waking.clone());
        let cell = cells.open_with(cell_id(&name), queue::PAGED, load).await?;
        let live = RwLock::new(Arc::new(Live { settings: Settings::of(&name, &record.attributes), record }));
        Ok(QueueHandle { name, wake, cell, cells: cells.clone(), live, reading: tokio::sync::Mutex::default() })
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The queue's attributes or tags have changed.
    pub(crate) fn renew(&self, record: Arc<Record>) {
        let live = Live { settings: Settings::of(&self.name, &record.attributes), record };
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        // Who waits may have another dead-letter queue, or another retention, to reckon with.
        self.wake.all();
    }

    /// Runs a command; reads first what it needs of the store.
    pub(crate) async fn apply<T>(
        &self,
        mut command: impl FnMut(&mut Queue, &mut Tx<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        for _ in 0..TRIES_MAX {
            let ran = self.cell.apply(|queue, tx| {
                queue.ready()?;
                command(queue, tx)
            });
            match ran.await {
                Err(Refusal::Unloaded) => self.load().await?,
                outcome => return outcome,
            }
        }
        Err(Refusal::Unloaded)
    }

    /// The head at a place, as the store has it.
    pub(crate) async fn look(&self, place: Place) -> Result<Option<Head>, Error> {
        let row = self.cells.store().get(&self.cell.key(&place.row())).await.map_err(error::internal)?;
        row.map(|row| Head::decode(&row).ok_or_else(damaged)).transpose()
    }

    /// The contents of messages; `None` for one that was deleted meanwhile.
    pub(crate) async fn contents(
        &self,
        taken: Vec<(Head, Option<Box<Content>>)>,
    ) -> Result<Vec<(Head, Option<Content>)>, Error> {
        try_join_all(taken.into_iter().map(|(head, content)| self.content(head, content))).await
    }

    async fn content(&self, head: Head, kept: Option<Box<Content>>) -> Result<(Head, Option<Content>), Error> {
        if let Some(content) = kept {
            return Ok((head, Some(*content)));
        }
        let key = self.cell.key(&content_row(head.sequence));
        let row = self.cells.store().get(&key).await.map_err(error::internal)?;
        let content = row.map(|row| Content::decode(&row).ok_or_else(damaged)).transpose()?;
        Ok((head, content))
    }

    /// Reads the messages in flight and the first waiting ones, unless that is done.
    async fn load(&self) -> Result<(), Refusal> {
        let _one = self.reading.lock().await;
        if self.command(|queue, _| queue.is_loaded()).await? {
            return Ok(());
        }
        if !self.name.is_fifo() {
            let now = self.cells.clock().now();
            let mut after = Place { at: now.micros(), sequence: 0 };
            loop {
                let (heads, whole) = self.page(after).await?;
                if let Some(last) = heads.last() {
                    after = Place { at: last.visible.micros(), sequence: last.sequence };
                }
                self.command(|queue, _| queue.take_in_flight(heads, now)).await?;
                if whole {
                    break;
                }
            }
        }
        while self.read_once().await? && self.name.is_fifo() {}
        self.command(|queue, _| queue.end_loading()).await?;
        Ok(())
    }

    /// Reads further heads, if there are any and there is room.
    pub(crate) async fn read_on(&self) -> Result<(), Error> {
        let _one = self.reading.lock().await;
        self.read_once().await.map(drop).map_err(error::internal)
    }

    /// Whether something was read and there may be more.
    async fn read_once(&self) -> Result<bool, cell::Error> {
        // Committed first is what stands beyond the horizon: all of it is in what is read.
        let Some(reading) = self.command(|queue, _| queue.begin_reading()).await? else { return Ok(false) };
        match self.page(reading.after).await {
            Ok((heads, whole)) => {
                self.command(|queue, tx| queue.end_reading(tx, reading, heads, whole)).await?;
                Ok(!whole)
            }
            Err(error) => {
                self.command(|queue, _| queue.abandon_reading(reading)).await?;
                Err(error)
            }
        }
    }

    /// Heads after a place, and whether nothing follows them.
    async fn page(&self, after: Place) -> Result<(Vec<Head>, bool), cell::Error> {
        let failed = |source| cell::Error::Store { cell: self.cell.id().to_owned(), source };
        let from = [self.cell.key(&after.row()).as_slice(), b"\0"].concat();
        let end = Range::end_of_prefix(&self.cell.key(Place::ROWS)).unwrap_or_default();
        let range = Range::from(from).to(end).limit(PAGE_ROWS);
        let rows = self.cells.store().range(range).await.map_err(failed)?;
        let whole = rows.len() < PAGE_ROWS;
        let damaged = || cell::Error::Unreadable { cell: self.cell.id().to_owned(), reason: DAMAGED.to_owned() };
        let heads = rows.iter().map(|(_, row)| Head::decode(row).ok_or_else(damaged)).collect::<Result<_, _>>()?;
        Ok((heads, whole))
    }

    async fn command<T>(&self, command: impl FnOnce(&mut Queue, &mut Tx<'_>) -> T) -> Result<T, cell::Error> {
        self.cell.apply(|queue, tx| Ok(command(queue, tx))).await
    }

    /// Deletes the queue's rows.
    pub(crate) async fn close(&self) -> Result<(), cell::Error> {
        self.command(|queue, tx| queue.close(tx)).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.cells.clock().now()
    }
}

/// The path of a queue's cell. The directory's path is no prefix of it, so that neither has the other's rows.
pub(crate) fn cell_id(name: &QueueName) -> String {
    format!("sqs/queue/{}/{}", name.scope, name.name)
}

const DAMAGED: &str = "a message's row is damaged";

fn damaged() -> Error {
    error::internal(DAMAGED)
}
