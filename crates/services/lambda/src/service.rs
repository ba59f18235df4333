use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use blob::BlobId;
use bytes::Bytes;
use fabric::Fabric;
use sandbox::Sandbox;
use wire::{Call, Error};

use crate::configuration::Moment;
use crate::environment::{Environments, Unpacked};
use crate::event::Events;
use crate::image::Images;
use crate::invoke::{Config, Invoker};
use crate::mapping::Mappings;
use crate::output::Logs;
use crate::package::Packages;
use crate::registry::{Code, Function, FunctionName, Package, Registry, Version};
use crate::snapshot::State;
use crate::{error, operations, resources};

/// The part of the host's memory that idle environments may hold, over all functions.
const IDLE_MEMORY_SHARE: u64 = 2;
/// What they may hold where the host does not tell its memory, in MB.
const IDLE_MEMORY_MB: u64 = 4 * 1024;

/// How the service runs on this host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where code is unpacked.
    pub data_dir: PathBuf,
    /// Concurrent executions of an account in a region.
    pub concurrency: u32,
    /// Where functions reach Kobel.
    pub endpoint_url: String,
    /// The sum of the memory sizes of environments that are started ahead of need, in MB; 0 starts none.
    pub standby_memory_mb: u64,
}

pub struct Lambda {
    pub(crate) fabric: Fabric,
    pub(crate) registry: Arc<Registry>,
    pub(crate) packages: Arc<Packages>,
    pub(crate) images: Arc<Images>,
    pub(crate) invoker: Invoker,
    pub(crate) concurrency: u32,
    mappings: OnceLock<Mappings>,
}

impl Lambda {
    pub async fn open(fabric: Fabric, sandbox: Sandbox, settings: Settings) -> Result<Arc<Lambda>, Error> {
        Lambda::open_with(fabric, Arc::new(sandbox), settings).await
    }

    pub(crate) async fn open_with(
        fabric: Fabric,
        environments: Arc<dyn Environments>,
        settings: Settings,
    ) -> Result<Arc<Lambda>, Error> {
        let registry = Registry::open(fabric.cells.clone(), fabric.entropy.clone()).await.map_err(Error::internal)?;
        let registry = Arc::new(registry);
        let folder = settings.data_dir.join("code");
        let packages = Packages::open(fabric.blobs.clone(), fabric.entropy.clone(), folder).map_err(Error::internal)?;
        let packages = Arc::new(packages);
        let images = Images::open(settings.data_dir.join("images")).map_err(Error::internal)?;
        let images = Arc::new(images);
        // One whose function was not stored any more, because the server was killed.
        images.keep_only(&registry.images()).await;
        let unpacked = Unpacked { packages: packages.clone(), images: images.clone() };
        // On virtual time nothing may happen that no event leads to.
        let starts_ahead = fabric.clock.mode() != clock::Mode::Virtual;
        let config = Config {
            endpoint: settings.endpoint_url,
            account_concurrency: settings.concurrency,
            idle_memory_mb_max: sandbox::host_memory_mb().map_or(IDLE_MEMORY_MB, |host| host / IDLE_MEMORY_SHARE),
            standby_memory_mb_max: if starts_ahead { settings.standby_memory_mb } else { 0 },
            stream: sandbox::StreamLimits::default(),
        };
        let logs = Logs::new(fabric.clone());
        let invoker = Invoker::new(fabric.clone(), registry.clone(), Arc::new(unpacked), environments, logs, config);
        let concurrency = settings.concurrency;
        Ok(Arc::new(Lambda { fabric, registry, packages, images, invoker, concurrency, mappings: OnceLock::new() }))
    }

    /// Hangs the service in.
    pub fn plug(self: &Arc<Self>) {
        let plugs = &self.fabric.plugs;
        plugs.add_api(operations::api(self.clone()));
        plugs.add_target("lambda", Arc::new(Events::new(self.registry.clone(), self.invoker.clone())));
        plugs.add_provider(Arc::new(resources::Provider::new(self.clone())));
    }

    /// Begins to feed functions from their event sources. Call it when all plugs are in.
    pub fn start(&self) {
        self.invoker.renew_snapshots();
        self.mappings.get_or_init(|| Mappings::start(self.registry.clone(), self.invoker.clone()));
    }

    /// Takes no further batches and waits until no function runs.
    pub async fn drain(&self) {
        if let Some(mappings) = self.mappings.get() {
            mappings.drain().await;
        }
        self.invoker.drain().await;
    }

    pub fn invoker(&self) -> &Invoker {
        &self.invoker
    }

    /// The blobs to which packages refer.
    pub fn blob_ids(&self) -> Vec<BlobId> {
        self.registry.packages().iter().filter_map(|package| package.blob.parse().ok()).collect()
    }

    /// The package of a function or layer with that SHA-256 (hexadecimal), to which `Code.Location` of GetFunction and
    /// `Content.Location` of GetLayerVersion lead.
    pub async fn code(&self, digest: &str) -> Result<Bytes, Error> {
        const PACKAGE_BYTES_MAX: usize = 300 * 1024 * 1024;
        let packages = self.registry.packages();
        let package = packages.iter().find(|package| package.digest() == digest);
        let package = package.ok_or_else(|| error::missing(format!("There is no package {digest}.")))?;
        let archive = self.packages.archive(package).await.map_err(Error::internal)?;
        let whole = archive.collect(PACKAGE_BYTES_MAX).await?;
        whole.ok_or_else(|| error::too_large("The package is larger than 300 MB."))
    }

    /// The function that a caller names, and how it was named.
    pub(crate) fn named(
        &self,
        call: &Call,
        text: &str,
        qualifier: Option<&str>,
    ) -> Result<(FunctionName, Arc<Function>), Error> {
        let name = FunctionName::parse(&call.scope, text, qualifier)?;
        let function = self.registry.function(&name.scope, &name.name).ok_or_else(|| name.not_found())?;
        Ok((name, function))
    }

    /// Changes a function that is there, and collects the packages that nothing refers to any more.
    pub(crate) async fn change(
        &self,
        name: &FunctionName,
        change: impl FnOnce(&mut Function) -> Result<(), Error>,
    ) -> Result<Arc<Function>, Error> {
        let changed = self.registry.apply(&name.scope, |account, tx| {
            let function = account.functions.get(&name.name).ok_or_else(|| name.not_found())?;
            let old = function.clone();
            let mut function = Function::clone(function);
            change(&mut function)?;
            Ok((old, account.put(tx, function)))
        });
        let (old, new) = changed.await?;
        self.collect(old.packages()).await;
        if old.images().next().is_some() {
            self.collect_images().await;
        }
        Ok(new)
    }

    /// Begins to take the snapshot of a version that was published, if it has SnapStart; at which moment it is shown.
    pub(crate) fn published(&self, version: &Arc<Version>, otherwise: Moment) -> Moment {
        if !version.has_snap_start() {
            return otherwise;
        }
        self.invoker.snapshot(version);
        self.moment(version)
    }

    /// At which moment a version is that was there before.
    pub(crate) fn moment(&self, version: &Version) -> Moment {
        match self.invoker.snapshots().state(version).filter(|_| version.has_snap_start()) {
            Some(State::Pending) => Moment::Pending,
            Some(State::Taken(_)) => Moment::Optimized,
            Some(State::Failed(_)) => Moment::Failed,
            Some(State::Gone | State::Renewing | State::Without(_)) | None => Moment::Settled,
        }
    }

    /// Deletes the packages as far as nothing refers to them any more.
    pub(crate) async fn collect(&self, dropped: impl Iterator<Item = &Package>) {
        let dropped: Vec<_> = dropped.collect();
        let kept = self.registry.packages();
        self.packages.collect(&dropped, &kept.iter().collect::<Vec<_>>()).await;
    }

    /// Deletes code that was stored for a version which is not there, as far as nothing refers to it.
    pub(crate) async fn collect_code(&self, dropped: &Code) {
        match dropped {
            Code::Package(package) => self.collect(std::iter::once(package)).await,
            Code::Image { .. } => self.collect_images().await,
        }
    }

    /// Deletes the images that no version has any more.
    pub(crate) async fn collect_images(&self) {
        self.images.keep_only(&self.registry.images()).await;
    }

    /// Gives the function the new `RevisionId` that a change of its policy or tags brings; no environment is stale
    /// for it.
    pub(crate) fn renew_revision(&self, function: &mut Function) {
        let latest = Version { revision_id: self.revision(), ..Version::clone(&function.latest) };
        function.latest = Arc::new(latest);
    }

    /// A new `RevisionId`.
    pub(crate) fn revision(&self) -> String {
        self.fabric.entropy.uuid()
    }
}

/// Whether the caller's idea of the newest revision is right.
pub(crate) fn check_revision(given: Option<&str>, newest: &str, api: &str) -> Result<(), Error> {
    match given {
        Some(given) if given != newest => Err(error::stale_revision(api)),
        _ => Ok(()),
    }
}
