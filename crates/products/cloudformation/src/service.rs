use std::sync::{Arc, Mutex, PoisonError};

use base::{Account, Region, Scope};
use cell::{Cell, Family};
use fabric::{Change, Fabric};
use serde_json::{Map, Value};
use store::Range;
use tokio::sync::broadcast;

use crate::event::StackEvent;
use crate::operations;
use crate::state::Stacks;

/// What the paths of its cells begin with.
const CELLS: &str = "cloudformation/";
/// How far a follower may fall behind before it misses events.
const FOLLOWER_BEHIND_MAX: usize = 1_024;

/// The service CloudFormation.
pub struct CloudFormation {
    pub(crate) fabric: Fabric,
    cells: Family<Stacks>,
    followers: broadcast::Sender<Arc<StackEvent>>,
    /// Stacks with an operation that was in progress when Kobel ended.
    interrupted: Mutex<Vec<(Scope, String)>>,
}

impl CloudFormation {
    /// What changing a resource's properties takes, as its provider says.
    pub(crate) fn judge(&self, resource_type: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Change {
        match self.fabric.plugs.provider(resource_type) {
            Some(provider) => provider.change(resource_type, old, new),
            None => Change::between(old, new, &[]),
        }
    }

    /// Loads the stacks and finds the operations that a crash interrupted; [`CloudFormation::resume`] carries them
    /// on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open(fabric: Fabric) -> Result<Arc<CloudFormation>, cell::Error> {
        let service = CloudFormation {
            cells: Family::new(&fabric.cells, CELLS),
            fabric,
            followers: broadcast::channel(FOLLOWER_BEHIND_MAX).0,
            interrupted: Mutex::default(),
        };
        let mut interrupted = Vec::new();
        for scope in service.stored_scopes().await? {
            let cell = service.cell(&scope).await?;
            let in_progress = |stacks: &Stacks| -> Vec<String> {
                let stacks = stacks.stacks.iter().filter(|(_, stack)| stack.operation.is_some());
                stacks.map(|(uuid, _)| uuid.clone()).collect()
            };
            interrupted.extend(cell.read(in_progress).await?.into_iter().map(|uuid| (scope.clone(), uuid)));
        }
        *service.interrupted.lock().unwrap_or_else(PoisonError::into_inner) = interrupted;
        Ok(Arc::new(service))
    }

    /// Adds the operations.
    pub fn plug(self: &Arc<Self>) {
        self.fabric.plugs.add_api(operations::api(self.clone()));
    }

    /// Carries on the operations that a crash interrupted. Called once, when all plugs are in.
    pub fn resume(self: &Arc<Self>) {
        let interrupted = std::mem::take(&mut *self.interrupted.lock().unwrap_or_else(PoisonError::into_inner));
        for (scope, uuid) in interrupted {
            self.start(scope, uuid);
        }
    }

    /// The events of all stacks, as they come.
    pub fn follow(&self) -> broadcast::Receiver<Arc<StackEvent>> {
        self.followers.subscribe()
    }

    /// Tells followers what is durable.
    pub(crate) fn publish(&self, told: Vec<Arc<StackEvent>>) {
        for event in told {
            // Nobody may be following.
            let _ = self.followers.send(event);
        }
    }

    pub(crate) async fn cell(&self, scope: &Scope) -> Result<Cell<Stacks>, cell::Error> {
        self.cells.get(&scope.to_string()).await
    }

    /// The scopes that have a cell: after each, the search goes on behind all its rows.
    async fn stored_scopes(&self) -> Result<Vec<Scope>, cell::Error> {
        let failed = |source| cell::Error::Store { cell: CELLS.to_owned(), source };
        let end = Range::end_of_prefix(CELLS.as_bytes()).unwrap_or_default();
        let mut from = CELLS.as_bytes().to_vec();
        let mut scopes = Vec::new();
        while let Some((key, _)) =
            self.fabric.store.range(Range::from(from).to(end.clone()).limit(1)).await.map_err(failed)?.first()
        {
            let text = String::from_utf8_lossy(key);
            let mut parts = text[CELLS.len()..].split('/');
            let (account, region) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            from = Range::end_of_prefix(format!("{CELLS}{account}/{region}/").as_bytes()).unwrap_or(end.clone());
            if let (Some(account), Some(region)) = (Account::parse(account), Region::parse(region)) {
                scopes.push(Scope { account, region });
            }
        }
        Ok(scopes)
    }
}
