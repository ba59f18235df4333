//! What is registered: functions with their versions, aliases, policies and settings, layers, and event source
//! mappings.
//!
//! Invariants: one cell holds an account in a region; a change is durable before anybody sees it; readers take an
//! immutable snapshot, so that resolving a name waits for nothing and touches no disk.

mod account;
mod function;
mod layer;
mod mapping;
mod name;
mod policy;
#[cfg(test)]
mod tests;
mod version;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base::{Entropy, Region, Scope};
use cell::{Cell, Cells, Tx};
use store::Range;
use tokio::sync::{Mutex, watch};
use wire::Error;

pub use account::Account;
pub use function::{Alias, EventInvokeConfig, Function, FunctionSettings, NETWORK_TAG, Resolved};
pub use layer::{LayerName, LayerReference, LayerVersion, PublishedLayer};
pub use mapping::EventSourceMapping;
pub use name::{FunctionName, not_found};
pub use policy::{POLICY_BYTES_MAX, Policy};
pub use version::{Code, Image, ImageOverrides, LATEST, Layer, Logging, Package, Version, Vpc};

/// What the paths of the registry's cells begin with.
const CELLS: &str = "lambda/";

/// See the module's documentation.
pub struct Registry {
    cells: Cells,
    entropy: Entropy,
    accounts: RwLock<HashMap<Scope, Arc<Account>>>,
    /// The open cells. Held while a change is made, so that snapshots are published in the order of changes.
    open: Mutex<HashMap<Scope, Cell<Account>>>,
    changes: watch::Sender<u64>,
}

impl Registry {
    /// Loads all accounts and regions.
    pub async fn open(cells: Cells, entropy: Entropy) -> Result<Registry, cell::Error> {
        let registry = Registry {
            entropy,
            accounts: RwLock::default(),
            open: Mutex::default(),
            changes: watch::channel(0).0,
            cells,
        };
        for scope in registry.stored_scopes().await? {
            let cell = registry.open_cell(&scope).await?;
            registry.publish(&scope, &cell).await?;
            registry.open.lock().await.insert(scope, cell);
        }
        Ok(registry)
    }

    /// What an invocation by `name_or_arn` and `qualifier` runs. An alias with weights is split by chance.
    /// Waits for nothing. The error is AWS's `ResourceNotFoundException`, with the qualifier in its text.
    pub fn resolve(&self, scope: &Scope, name_or_arn: &str, qualifier: Option<&str>) -> Result<Resolved, Error> {
        let named = FunctionName::parse(scope, name_or_arn, qualifier)?;
        let effective = named.qualifier.as_deref().unwrap_or(LATEST);
        let missing = || not_found(&format!("{}:{effective}", named.arn()));
        let account = self.account(&named.scope);
        let function = account.functions.get(&named.name).ok_or_else(missing)?;
        let version = match function.aliases.get(effective) {
            Some(alias) => function.version_of(alias.pick(self.chance())),
            None => function.version(effective),
        };
        Ok(Resolved {
            version: version.ok_or_else(missing)?.clone(),
            invoked_arn: named.invoked_arn(),
            function: function.settings.clone(),
            event_invoke_config: function.event_invoke_configs.get(effective).cloned(),
            qualifier: named.qualifier,
        })
    }

    /// The account as it is now. Waits for nothing.
    pub fn account(&self, scope: &Scope) -> Arc<Account> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        accounts.get(scope).cloned().unwrap_or_default()
    }

    /// The function as it is now.
    pub fn function(&self, scope: &Scope, name: &str) -> Option<Arc<Function>> {
        self.account(scope).functions.get(name).cloned()
    }

    /// The version as it is now, for whoever holds an older one.
    pub fn current(&self, version: &Version) -> Option<Arc<Version>> {
        self.function(&version.scope, &version.function_name)?.version_of(&version.version).cloned()
    }

    /// The sum of all reserved concurrency.
    pub fn reserved_total(&self, scope: &Scope) -> u32 {
        self.account(scope).reserved_total()
    }

    /// The event source mappings of all accounts and regions.
    pub fn mappings(&self) -> Vec<Arc<EventSourceMapping>> {
        self.all().iter().flat_map(|account| account.mappings.values().cloned()).collect()
    }

    /// All versions of all functions of all accounts and regions.
    pub fn versions(&self) -> Vec<Arc<Version>> {
        let accounts = self.all();
        let functions = accounts.iter().flat_map(|account| account.functions.values());
        functions.flat_map(|function| function.all_versions()).cloned().collect()
    }

    /// All packages that something refers to: of functions, of the layers that they have, and of layers.
    pub fn packages(&self) -> Vec<Package> {
        self.all().iter().flat_map(|account| account.packages().cloned().collect::<Vec<_>>()).collect()
    }

    /// All images that versions of functions have.
    pub fn images(&self) -> Vec<Image> {
        let accounts = self.all();
        let functions = accounts.iter().flat_map(|account| account.functions.values());
        functions.flat_map(|function| function.images()).cloned().collect()
    }

    /// The layer version as it is now.
    pub fn layer_version(&self, reference: &LayerReference) -> Option<Arc<LayerVersion>> {
        let account = self.account(&reference.layer.scope);
        account.layers.get(&reference.layer.name)?.versions.get(&reference.number).cloned()
    }

    /// All accounts in all regions.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Tells of each change of functions, settings and mappings, by a number that grows.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Makes a change. It is durable, and seen by all, when this returns. An error must leave the account as it was.
    pub async fn apply<T>(
        &self,
        scope: &Scope,
        change: impl FnOnce(&mut Account, &mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut open = self.open.lock().await;
        let cell = match open.get(scope) {
            Some(cell) => cell.clone(),
            None => {
                let cell = self.open_cell(scope).await.map_err(Error::internal)?;
                open.insert(scope.clone(), cell.clone());
                cell
            }
        };
        let output = cell.apply(|account, tx| change(account, tx).map_err(Refused::Change)).await?;
        self.publish(scope, &cell).await.map_err(Error::internal)?;
        Ok(output)
    }

    async fn publish(&self, scope: &Scope, cell: &Cell<Account>) -> Result<(), cell::Error> {
        let account = Arc::new(cell.read(Account::clone).await?);
        self.accounts.write().unwrap_or_else(PoisonError::into_inner).insert(scope.clone(), account);
        self.changes.send_modify(|number| *number += 1);
        Ok(())
    }

    async fn open_cell(&self, scope: &Scope) -> Result<Cell<Account>, cell::Error> {
        let own = scope.clone();
        self.cells.open_with(format!("{CELLS}{scope}"), &[], move |rows| Account::load(&own, rows)).await
    }

    /// The scopes that have rows: hops from one cell's first row to the next cell's.
    async fn stored_scopes(&self) -> Result<Vec<Scope>, cell::Error> {
        let failed = |source| cell::Error::Store { cell: CELLS.to_owned(), source };
        let end = Range::end_of_prefix(CELLS.as_bytes()).unwrap_or_default();
        let mut from = CELLS.as_bytes().to_vec();
        let mut scopes = Vec::new();
        loop {
            let first = self.cells.store().range(Range::from(from).to(end.clone()).limit(1)).await.map_err(failed)?;
            let Some((key, _)) = first.into_iter().next() else { return Ok(scopes) };
            match scope_of(&key) {
                Some(scope) => {
                    from = Range::end_of_prefix(format!("{CELLS}{scope}/").as_bytes()).unwrap_or_default();
                    scopes.push(scope);
                }
                None => from = [key.as_slice(), b"\0"].concat(),
            }
        }
    }

    /// A number in 0.0..1.0.
    fn chance(&self) -> f64 {
        const STEPS: u64 = 1 << 32;
        self.entropy.below(STEPS) as f64 / STEPS as f64
    }
}

/// `lambda/<account>/<region>/…`.
fn scope_of(key: &[u8]) -> Option<Scope> {
    let mut parts = std::str::from_utf8(key).ok()?.strip_prefix(CELLS)?.split('/');
    Some(Scope { account: base::Account::parse(parts.next()?)?, region: Region::parse(parts.next()?)? })
}

/// Why a change was not made.
enum Refused {
    Change(Error),
    Cell(cell::Error),
}

impl From<cell::Error> for Refused {
    fn from(error: cell::Error) -> Refused {
        Refused::Cell(error)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        match refused {
            Refused::Change(error) => error,
            Refused::Cell(error) => Error::internal(error),
        }
    }
}
