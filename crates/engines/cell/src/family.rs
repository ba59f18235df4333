use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Cell, Cells, Error, State};

/// Cells of one kind, each opened when it is first asked for: one for each account, or account and region.
pub struct Family<S> {
    cells: Cells,
    /// What their paths begin with, with a slash.
    prefix: String,
    open: Mutex<HashMap<String, Cell<S>>>,
    /// One is opened at a time: opening one twice would fence the first.
    opening: tokio::sync::Mutex<()>,
}

impl<S: State> Family<S> {
    /// The cells below `prefix`, such as `iam/`.
    pub fn new(cells: &Cells, prefix: &str) -> Family<S> {
        Family {
            cells: cells.clone(),
            prefix: prefix.to_owned(),
            open: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        }
    }

    /// The cell of that name.
    pub async fn get(&self, name: &str) -> Result<Cell<S>, Error> {
        if let Some(cell) = self.lock().get(name) {
            return Ok(cell.clone());
        }
        let _one = self.opening.lock().await;
        if let Some(cell) = self.lock().get(name) {
            return Ok(cell.clone());
        }
        let cell: Cell<S> = self.cells.open(format!("{}{name}", self.prefix)).await?;
        self.lock().insert(name.to_owned(), cell.clone());
        Ok(cell)
    }

    /// Forgets a cell whose rows are deleted. Whoever still has a handle can use it on.
    pub fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Cell<S>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
