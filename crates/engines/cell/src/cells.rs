use std::sync::Arc;

use clock::Clock;
use store::{Range, Store};

use crate::{Cell, Error, Outbox, Rows, State};

/// How many rows are read at once while a cell is loaded.
const PAGE_ROWS: usize = 4_096;

/// Where cells live: opens them for their owner.
#[derive(Clone)]
pub struct Cells {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) outbox: Arc<dyn Outbox>,
}

impl Cells {
    pub fn new(store: Arc<dyn Store>, clock: Clock, outbox: Arc<dyn Outbox>) -> Cells {
        Cells { inner: Arc::new(Inner { store, clock, outbox }) }
    }

    /// Becomes the owner of the cell `id` (a path such as `sqs/<account>/<region>/<queue>`) and loads its state.
    pub async fn open<S: State>(&self, id: impl Into<String>) -> Result<Cell<S>, Error> {
        self.open_with(id, S::PAGED, S::load).await
    }

    /// Like [`Cells::open`], for a state whose loading needs more than its rows.
    pub async fn open_with<S: Send + 'static>(
        &self,
        id: impl Into<String>,
        paged: &'static [&'static str],
        load: impl Fn(&Rows) -> Result<S, String> + Send + Sync + 'static,
    ) -> Result<Cell<S>, Error> {
        Cell::open(self.inner.clone(), id.into(), Box::new(load), paged).await
    }

    /// The store below, for rows that a cell pages instead of holding them.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }
}

impl Inner {
    /// All rows below `prefix`, keyed by what follows it, but those that begin with one of `paged`.
    pub(crate) async fn rows(&self, cell: &str, prefix: &str, paged: &[&str]) -> Result<Rows, Error> {
        let failed = |source| Error::Store { cell: cell.to_owned(), source };
        let mut rows = Vec::new();
        let mut from = prefix.as_bytes().to_vec();
        let end = Range::end_of_prefix(prefix.as_bytes()).unwrap_or_default();
        loop {
            let page = self.store.range(Range::from(from).to(end.clone()).limit(PAGE_ROWS)).await.map_err(failed)?;
            let whole = page.len() < PAGE_ROWS;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), b"\0"].concat();
            let own = |(key, value): (Vec<u8>, Vec<u8>)| (key[prefix.len()..].to_vec(), value);
            let paged_by = |key: &[u8]| paged.iter().find(|paged| key[prefix.len()..].starts_with(paged.as_bytes()));
            let first_paged = page.iter().position(|(key, _)| paged_by(key).is_some());
            match first_paged {
                None => rows.extend(page.into_iter().map(own)),
                Some(at) => {
                    let paged = paged_by(&page[at].0);
                    let after = [prefix.as_bytes(), paged.map_or(b"", |paged| paged.as_bytes())].concat();
                    rows.extend(page.into_iter().take(at).map(own));
                    from = Range::end_of_prefix(&after).unwrap_or(end.clone());
                    continue;
                }
            }
            if whole {
                break;
            }
        }
        Ok(Rows { rows })
    }
}
