use std::collections::BTreeMap;
use std::sync::Arc;

use base::Scope;
use cell::{Rows, Tx, json};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::function::{Alias, EventInvokeConfig, Function, FunctionSettings};
use super::layer::{LayerName, LayerVersion, PublishedLayer};
use super::mapping::EventSourceMapping;
use super::policy::Policy;
use super::version::{LATEST, Package, Version};

/// The functions, layers and event source mappings of an account in a region. Cheap to clone: what it holds is shared.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub functions: BTreeMap<String, Arc<Function>>,
    pub layers: BTreeMap<String, Arc<PublishedLayer>>,
    pub mappings: BTreeMap<String, Arc<EventSourceMapping>>,
}

impl Account {
    pub fn load(scope: &Scope, rows: &Rows) -> Result<Account, String> {
        let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
        for (row, value) in rows.under("function/") {
            let row = std::str::from_utf8(row).map_err(|error| error.to_string())?;
            let (name, rest) = row.split_once('/').ok_or_else(|| format!("function/{row}: no name"))?;
            let draft = drafts.entry(name.to_owned()).or_default();
            draft.take(rest, value).map_err(|reason| format!("function/{row}: {reason}"))?;
        }
        let mut account = Account::default();
        for (name, draft) in drafts {
            let function = draft.finish(scope, &name).ok_or_else(|| format!("function/{name}: no $LATEST"))?;
            account.functions.insert(name, Arc::new(function));
        }
        account.layers = load_layers(scope, rows)?;
        for (row, value) in rows.under("mapping/") {
            let uuid = String::from_utf8_lossy(row).into_owned();
            let mut mapping: EventSourceMapping =
                json::read(value).map_err(|reason| format!("mapping/{uuid}: {reason}"))?;
            mapping.scope = scope.clone();
            mapping.uuid = uuid.clone();
            account.mappings.insert(uuid, Arc::new(mapping));
        }
        Ok(account)
    }

    /// The sum of all reserved concurrency.
    pub fn reserved_total(&self) -> u32 {
        self.functions.values().filter_map(|function| function.settings.reserved_concurrency).sum()
    }

    /// The bytes of all packages; a package counts for each version of a function or layer that has it.
    pub fn code_bytes(&self) -> u64 {
        let functions = self.functions.values().flat_map(|function| function.all_versions());
        let layers = self.layers.values().flat_map(|layer| layer.versions.values());
        functions.map(|version| version.code.size()).chain(layers.map(|version| version.package.size)).sum()
    }

    /// All packages that something refers to.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        let used = self.functions.values().flat_map(|function| function.packages());
        let layers = self.layers.values().flat_map(|layer| layer.versions.values());
        used.chain(layers.map(|version| &version.package))
    }

    /// Puts a new or changed function in; writes the rows that differ.
    pub fn put(&mut self, tx: &mut Tx<'_>, function: Function) -> Arc<Function> {
        let function = Arc::new(function);
        let old = self.functions.insert(function.name.clone(), function.clone());
        let old = old.as_deref();
        let row = |rest: &str| format!("function/{}/{rest}", function.name);
        write(tx, old.map(|f| &f.settings), &function.settings, || row("settings"));
        write(tx, old.map(|f| &f.latest), &function.latest, || row("version/$LATEST"));
        write_all(tx, old.map(|f| &f.versions), &function.versions, |number| row(&format!("version/{number}")));
        write_all(tx, old.map(|f| &f.aliases), &function.aliases, |name| row(&format!("alias/{name}")));
        write_all(tx, old.map(|f| &f.event_invoke_configs), &function.event_invoke_configs, |qualifier| {
            row(&format!("event-invoke-config/{qualifier}"))
        });
        write_all(tx, old.map(|f| &f.policies), &function.policies, |qualifier| row(&format!("policy/{qualifier}")));
        function
    }

    pub fn remove(&mut self, tx: &mut Tx<'_>, name: &str) -> Option<Arc<Function>> {
        let function = self.functions.remove(name)?;
        tx.delete_prefix(format!("function/{name}/"));
        Some(function)
    }

    /// Puts a new or changed layer in; writes the rows that differ.
    pub fn put_layer(&mut self, tx: &mut Tx<'_>, layer: PublishedLayer) {
        let name = layer.name.clone();
        let layer = Arc::new(layer);
        let old = self.layers.insert(name.clone(), layer.clone());
        let old = old.as_deref();
        write(tx, old.map(|l| &l.last_version), &layer.last_version, || format!("layer/{name}/last"));
        write_all(tx, old.map(|l| &l.versions), &layer.versions, |number| format!("layer/{name}/version/{number}"));
    }

    pub fn put_mapping(&mut self, tx: &mut Tx<'_>, mapping: EventSourceMapping) -> Arc<EventSourceMapping> {
        json::put(tx, format!("mapping/{}", mapping.uuid), &mapping);
        let mapping = Arc::new(mapping);
        self.mappings.insert(mapping.uuid.clone(), mapping.clone());
        mapping
    }

    pub fn remove_mapping(&mut self, tx: &mut Tx<'_>, uuid: &str) -> Option<Arc<EventSourceMapping>> {
        let mapping = self.mappings.remove(uuid)?;
        tx.delete(format!("mapping/{uuid}"));
        Some(mapping)
    }
}

/// A function whose rows are being read.
#[derive(Default)]
struct Draft {
    latest: Option<Version>,
    versions: BTreeMap<u64, Version>,
    aliases: BTreeMap<String, Arc<Alias>>,
    settings: FunctionSettings,
    event_invoke_configs: BTreeMap<String, Arc<EventInvokeConfig>>,
    policies: BTreeMap<String, Arc<Policy>>,
}

impl Draft {
    fn take(&mut self, row: &str, value: &[u8]) -> Result<(), String> {
        match row.split_once('/').unwrap_or((row, "")) {
            ("settings", _) => self.settings = json::read(value)?,
            ("version", LATEST) => self.latest = Some(json::read(value)?),
            ("version", number) => {
                let number = number.parse().map_err(|_| format!("{number} is no version"))?;
                self.versions.insert(number, json::read(value)?);
            }
            ("alias", name) => keep(&mut self.aliases, name, value)?,
            ("event-invoke-config", qualifier) => keep(&mut self.event_invoke_configs, qualifier, value)?,
            ("policy", qualifier) => keep(&mut self.policies, qualifier, value)?,
            _ => return Err("a row of an unknown kind".to_owned()),
        }
        Ok(())
    }

    fn finish(self, scope: &Scope, name: &str) -> Option<Function> {
        let arn = scope.arn("lambda", &format!("function:{name}"));
        let complete = |mut version: Version| {
            version.scope = scope.clone();
            version.function_name = name.to_owned();
            version.arn = arn.clone();
            Arc::new(version)
        };
        Some(Function {
            scope: scope.clone(),
            name: name.to_owned(),
            latest: complete(self.latest?),
            versions: self.versions.into_iter().map(|(number, version)| (number, complete(version))).collect(),
            aliases: self.aliases,
            settings: Arc::new(self.settings),
            event_invoke_configs: self.event_invoke_configs,
            policies: self.policies,
            arn,
        })
    }
}

fn load_layers(scope: &Scope, rows: &Rows) -> Result<BTreeMap<String, Arc<PublishedLayer>>, String> {
    let mut layers: BTreeMap<String, PublishedLayer> = BTreeMap::new();
    for (row, value) in rows.under("layer/") {
        let row = std::str::from_utf8(row).map_err(|error| error.to_string())?;
        let (name, rest) = row.split_once('/').ok_or_else(|| format!("layer/{row}: no name"))?;
        let layer = layers
            .entry(name.to_owned())
            .or_insert_with(|| PublishedLayer { name: name.to_owned(), ..PublishedLayer::default() });
        if rest == "last" {
            layer.last_version = Arc::new(json::read(value).map_err(|reason| format!("layer/{row}: {reason}"))?);
            continue;
        }
        let mut version: LayerVersion = json::read(value).map_err(|reason| format!("layer/{row}: {reason}"))?;
        version.arn = LayerName { scope: scope.clone(), name: name.to_owned() }.version_arn(version.number);
        layer.versions.insert(version.number, Arc::new(version));
    }
    Ok(layers.into_iter().map(|(name, layer)| (name, Arc::new(layer))).collect())
}

fn keep<T: DeserializeOwned>(map: &mut BTreeMap<String, Arc<T>>, key: &str, value: &[u8]) -> Result<(), String> {
    map.insert(key.to_owned(), Arc::new(json::read(value)?));
    Ok(())
}

fn write<T: Serialize>(tx: &mut Tx<'_>, old: Option<&Arc<T>>, new: &Arc<T>, row: impl FnOnce() -> String) {
    if !old.is_some_and(|old| Arc::ptr_eq(old, new)) {
        json::put(tx, row(), new.as_ref());
    }
}

fn write_all<K: Ord, T: Serialize>(
    tx: &mut Tx<'_>,
    old: Option<&BTreeMap<K, Arc<T>>>,
    new: &BTreeMap<K, Arc<T>>,
    row: impl Fn(&K) -> String,
) {
    for (key, value) in new {
        write(tx, old.and_then(|old| old.get(key)), value, || row(key));
    }
    for key in old.into_iter().flat_map(BTreeMap::keys).filter(|key| !new.contains_key(*key)) {
        tx.delete(row(key));
    }
}
