//! The engine: opened once, starts environments.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::bootstraps::Bootstraps;
#[cfg(target_os = "linux")]
use crate::capabilities::Feature;
use crate::capabilities::{self, Capabilities};
use crate::checkpoint;
#[cfg(target_os = "linux")]
use crate::class_cache::ClassCaches;
use crate::config::{Config, Connections};
use crate::deadline;
use crate::driver::chosen::{self, Driver};
use crate::driver::{Conversation, Listener, Spawned, process};
use crate::environment::{Environment, Purpose, WeakEnvironment};
use crate::error::{Error, StartError};
use crate::host;
use crate::network::Network;
use crate::plan::{self, Layout};
use crate::runtimes::{self, Family, Known, Resolved, Runtime};
use crate::scratch;
use crate::spec::{EnvironmentSpec, Image, Output, StartMode};
#[cfg(target_os = "linux")]
use crate::stem;
use crate::template::Template;

#[cfg(target_os = "linux")]
use crate::driver::microvm;
#[cfg(target_os = "linux")]
use crate::driver::namespaces::{self, Bearing};

/// How long an endpoint rests after a connection that it could not accept.
const ACCEPT_FAILED_REST: Duration = Duration::from_millis(50);
/// How many connections to the endpoint an environment may hold; further ones wait to be accepted. All of them come
/// out of the same descriptors of the server.
const ENDPOINT_CONNECTIONS_MAX: usize = 256;
/// Why nothing is forked with the other drivers.
const NO_NAMESPACES: &str = "functions run as plain processes, or in virtual machines";
/// The longest environment id.
const ID_BYTES_MAX: usize = 64;

/// The engine that runs execution environments. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    bootstraps: Bootstraps,
    runtimes: Known,
    /// Interpreters whose bootstrap is compiled.
    ready: Mutex<HashSet<Runtime>>,
    /// Runtime identifiers of which it was told that another version serves them.
    told: Mutex<HashSet<String>>,
    driver: Driver,
    #[cfg(target_os = "linux")]
    sdks: stem::sdk::Sdks,
    #[cfg(target_os = "linux")]
    class_caches: ClassCaches,
    /// Why the namespaces driver is not in use although it was asked for.
    reason: Option<String>,
    environments: Mutex<HashMap<String, WeakEnvironment>>,
}

impl Sandbox {
    /// Writes the bootstraps, removes what a killed predecessor left, and starts the launcher.
    ///
    /// Blocks for some milliseconds. Fails when the state folder cannot be written, or when
    /// [`Isolation::Namespaces`] is asked for and the host does not allow it.
    pub fn open(config: Config) -> Result<Sandbox, Error> {
        host::raise_file_limit();
        let absolute = std::path::absolute(&config.state_dir);
        let state_dir = absolute.map_err(|source| file_error("find", &config.state_dir, source))?;
        let config = Config { state_dir, ..config };
        let scratch_root = config.state_dir.join("environments");
        if scratch_root.exists() {
            std::fs::remove_dir_all(&scratch_root).map_err(|source| file_error("remove", &scratch_root, source))?;
        }
        std::fs::create_dir_all(&scratch_root).map_err(|source| file_error("create", &scratch_root, source))?;
        let bootstraps = Bootstraps::write(config.state_dir.join("runtime"))?;
        let (driver, reason) = chosen::open(&config, bootstraps.dir())?;
        driver.check_network(config.network.default)?;
        let has_roots = !matches!(driver, Driver::Process);
        let runtimes = Known::new(config.runtime_dirs.clone(), config.added_runtimes.clone(), has_roots);
        #[cfg(target_os = "linux")]
        let classes_dir = config.state_dir.join("classes");
        let inner = Inner {
            config,
            bootstraps,
            runtimes,
            ready: Mutex::new(HashSet::new()),
            told: Mutex::new(HashSet::new()),
            driver,
            #[cfg(target_os = "linux")]
            sdks: stem::sdk::Sdks::default(),
            #[cfg(target_os = "linux")]
            class_caches: ClassCaches::open(classes_dir)?,
            reason,
            environments: Mutex::new(HashMap::new()),
        };
        Ok(Sandbox { inner: Arc::new(inner) })
    }

    /// How functions are isolated and limited on this host, and what is missing.
    pub fn capabilities(&self) -> Capabilities {
        let mut capabilities = match &self.inner.driver {
            #[cfg(target_os = "linux")]
            Driver::Namespaces(driver) => driver.capabilities(),
            #[cfg(target_os = "linux")]
            Driver::MicroVms(driver) => driver.capabilities(),
            Driver::Process => capabilities::of_processes(self.inner.reason.clone()),
        };
        capabilities.features.push(host::file_feature());
        capabilities.features.push(checkpoint::feature());
        capabilities
    }

    /// Whether [`Isolation::MicroVm`] is possible on this host. Blocks for some milliseconds.
    #[cfg(target_os = "linux")]
    pub fn microvms(&self) -> Feature {
        microvm::verdict(&self.inner.config.machines)
    }

    /// The interpreters that were added, and those of the host, newest first within a family. Blocks on the first call.
    pub fn runtimes(&self) -> Vec<Runtime> {
        self.inner.runtimes.all().to_vec()
    }

    /// How functions of an interpreter start here, and what would make it otherwise.
    pub fn start_mode(&self, runtime: &Runtime) -> (StartMode, &'static str) {
        match &self.inner.driver {
            #[cfg(target_os = "linux")]
            Driver::Namespaces(_) => stem::explain(runtime),
            #[cfg(target_os = "linux")]
            Driver::MicroVms(_) => (StartMode::Exec, microvm::NO_STEM),
            Driver::Process => {
                let _ = runtime;
                (StartMode::Exec, process::NO_STEM)
            }
        }
    }

    /// What serves a runtime identifier: the exact version, else the nearest with a warning.
    pub fn resolve(&self, identifier: &str) -> Result<Resolved, Error> {
        runtimes::choose(identifier, &self.inner.runtimes.all())
    }

    /// A jar with `com.amazonaws.services.lambda.runtime`, to compile Java functions against.
    /// Compiles it on the first call, which blocks for about a second.
    pub fn java_classpath(&self) -> Result<PathBuf, Error> {
        self.inner.bootstraps.java_jar(&self.inner.runtimes.all())
    }

    /// Makes an environment and runs its whole init phase. Must be called within a Tokio runtime.
    pub async fn start(&self, spec: EnvironmentSpec, output: Arc<dyn Output>) -> Result<Environment, StartError> {
        if !is_id(&spec.id) {
            return Err(StartError::Environment { reason: format!("`{}` is no environment id", spec.id) });
        }
        self.inner.driver.check_network(spec.network)?;
        let (spawned, started) = match &spec.image {
            Some(image) => {
                let started = deadline::start();
                (self.spawn_image(&spec, image).await?, started)
            }
            None => {
                let resolved = self.prepare(&spec.runtime).await?;
                self.inner.tell_once(&resolved);
                if resolved.family == Family::Provided {
                    crate::entrypoint::check(&spec)?;
                }
                let started = deadline::start();
                let spawned = self.spawn(&spec, &resolved).await?;
                if resolved.family == Family::Java {
                    let environment = self.init(spawned, spec.clone(), output, started, Purpose::Events).await?;
                    self.archive_classes(spec, resolved);
                    return Ok(environment);
                }
                (spawned, started)
            }
        };
        self.init(spawned, spec, output, started, Purpose::Events).await
    }

    /// Has the next start of a Java function find an archive of its classes.
    #[cfg(target_os = "linux")]
    fn archive_classes(&self, spec: EnvironmentSpec, resolved: Resolved) {
        let sandbox = self.clone();
        tokio::spawn(async move {
            if let Driver::Namespaces(driver) = &sandbox.inner.driver {
                sandbox.inner.class_caches.make(driver, &spec, &resolved).await;
            }
        });
    }

    #[cfg(not(target_os = "linux"))]
    fn archive_classes(&self, _spec: EnvironmentSpec, _resolved: Resolved) {}

    /// Starts a runtime that becomes a template.
    pub(crate) async fn start_template(
        &self,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
    ) -> Result<Environment, StartError> {
        let resolved = self.prepare(&spec.runtime).await?;
        self.inner.tell_once(&resolved);
        let started = deadline::start();
        let spawned = self.spawn_template(&spec, &resolved).await?;
        self.init(spawned, spec, output, started, Purpose::Template).await
    }

    /// Forks an environment from a template.
    pub(crate) async fn start_from(
        &self,
        template: &Template,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
    ) -> Result<Environment, StartError> {
        let resolved = self.prepare(&spec.runtime).await?;
        let started = deadline::start();
        let spawned = self.spawn_from(template, &spec, &resolved).await?;
        self.init(spawned, spec, output, started, Purpose::Events).await
    }

    /// The init phase of what was spawned.
    async fn init(
        &self,
        mut spawned: Spawned,
        spec: EnvironmentSpec,
        output: Arc<dyn Output>,
        started: Instant,
        purpose: Purpose,
    ) -> Result<Environment, StartError> {
        let endpoint = spawned.endpoint.take().map(|listener| self.accept(listener));
        let environment = Environment::init(spawned, &spec, output, endpoint, started, purpose).await?;
        self.inner.remember(spec.id, &environment);
        Ok(environment)
    }

    /// Stops all environments.
    pub async fn close(&self) {
        let all: Vec<WeakEnvironment> = self.inner.lock().drain().map(|(_, environment)| environment).collect();
        for environment in all.iter().filter_map(WeakEnvironment::upgrade) {
            environment.stop().await;
        }
    }

    /// Resolves the runtime and makes its bootstrap ready, away from the async threads.
    async fn prepare(&self, identifier: &str) -> Result<Resolved, Error> {
        if let Some(found) = self.inner.runtimes.at_once() {
            let resolved = runtimes::choose(identifier, &found)?;
            if self.inner.is_ready(&resolved) {
                return Ok(resolved);
            }
        }
        let sandbox = self.clone();
        let identifier = identifier.to_owned();
        let work = tokio::task::spawn_blocking(move || {
            let resolved = sandbox.resolve(&identifier)?;
            sandbox.inner.make_ready(&resolved)?;
            Ok(resolved)
        });
        work.await.expect("preparing a runtime does not panic")
    }

    async fn spawn(&self, spec: &EnvironmentSpec, resolved: &Resolved) -> Result<Spawned, StartError> {
        let speaks_itself = resolved.family == Family::Provided || plan::dotnet::is_executable(spec, resolved);
        let conversation = if speaks_itself { Conversation::RuntimeApi } else { Conversation::Channel };
        let spawned = match &self.inner.driver {
            #[cfg(target_os = "linux")]
            Driver::Namespaces(driver) => {
                let caches = &self.inner.class_caches;
                let layout = Layout { class_cache: caches.get(spec, resolved), ..Layout::of_lambda() };
                let command = plan::command(spec, resolved, &layout, self.inner.config.endpoint_port);
                let bearing = match stem::of(spec, resolved, &layout) {
                    Err(_) if layout.class_cache.is_some() => Bearing::Archived,
                    Err(reason) => Bearing::Program(caches.explain(spec, resolved).unwrap_or(reason)),
                    Ok(plain) => {
                        let with_sdk = self.inner.sdks.stem(spec, resolved.runtime.as_ref(), &plain).await;
                        Bearing::Stem(with_sdk.into_iter().chain([plain]).collect())
                    }
                };
                begin(driver, namespaces::start(spec, command, conversation, bearing)).await
            }
            Driver::Process if crate::extensions::external(spec).is_ok_and(|names| !names.is_empty()) => {
                return Err(Error::ExtensionsNeedNamespaces.into());
            }
            #[cfg(target_os = "linux")]
            Driver::MicroVms(driver) => {
                let command = plan::command(spec, resolved, &Layout::of_lambda(), self.inner.config.endpoint_port);
                driver.spawn(spec, command, conversation).await
            }
            Driver::Process => self.spawn_process(spec, resolved, conversation).await,
        };
        spawned.map_err(|error| StartError::Environment { reason: error.to_string() })
    }

    #[cfg(target_os = "linux")]
    async fn spawn_template(&self, spec: &EnvironmentSpec, resolved: &Resolved) -> Result<Spawned, StartError> {
        let Driver::Namespaces(driver) = &self.inner.driver else { return Err(unforkable(NO_NAMESPACES)) };
        let layout = Layout::of_lambda();
        let stem = stem::of(spec, resolved, &layout).map_err(unforkable)?;
        let command = plan::command(spec, resolved, &layout, self.inner.config.endpoint_port);
        let starting = namespaces::start(spec, command, Conversation::Channel, Bearing::Template(stem));
        begin_within(spec.init_timeout, driver, starting).await
    }

    #[cfg(not(target_os = "linux"))]
    async fn spawn_template(&self, _spec: &EnvironmentSpec, _resolved: &Resolved) -> Result<Spawned, StartError> {
        Err(unforkable(NO_NAMESPACES))
    }

    #[cfg(target_os = "linux")]
    async fn spawn_from(
        &self,
        template: &Template,
        spec: &EnvironmentSpec,
        resolved: &Resolved,
    ) -> Result<Spawned, StartError> {
        let Driver::Namespaces(driver) = &self.inner.driver else { return Err(unforkable(NO_NAMESPACES)) };
        let command = plan::command(spec, resolved, &Layout::of_lambda(), self.inner.config.endpoint_port);
        let bearing = Bearing::OfTemplate(template.id().to_owned());
        // A template has run the function's code: nobody knows whether it does what it is told.
        begin_within(spec.init_timeout, driver, namespaces::start(spec, command, Conversation::Channel, bearing)).await
    }

    #[cfg(not(target_os = "linux"))]
    async fn spawn_from(
        &self,
        _template: &Template,
        _spec: &EnvironmentSpec,
        _resolved: &Resolved,
    ) -> Result<Spawned, StartError> {
        Err(unforkable(NO_NAMESPACES))
    }

    /// Runs a container image, which speaks the Runtime API.
    async fn spawn_image(&self, spec: &EnvironmentSpec, image: &Image) -> Result<Spawned, StartError> {
        match &self.inner.driver {
            #[cfg(target_os = "linux")]
            Driver::Namespaces(driver) => {
                let command = crate::image::command(spec, image, self.inner.config.endpoint_port)?;
                let own = Bearing::Program("the image's own program");
                let spawned = begin(driver, namespaces::start(spec, command, Conversation::RuntimeApi, own)).await;
                spawned.map_err(|error| StartError::Environment { reason: error.to_string() })
            }
            #[cfg(target_os = "linux")]
            Driver::MicroVms(driver) => {
                let command = crate::image::command(spec, image, self.inner.config.endpoint_port)?;
                let spawned = driver.spawn(spec, command, Conversation::RuntimeApi).await;
                spawned.map_err(|error| StartError::Environment { reason: error.to_string() })
            }
            Driver::Process => Err(Error::ImageNeedsNamespaces.into()),
        }
    }

    async fn spawn_process(
        &self,
        spec: &EnvironmentSpec,
        resolved: &Resolved,
        conversation: Conversation,
    ) -> std::io::Result<Spawned> {
        let scratch = self.inner.config.state_dir.join("environments").join(&spec.id);
        let (tmp, opt) = scratch::make(&scratch, &spec.layers)?;
        let layout = Layout {
            task_root: std::path::absolute(&spec.code)?,
            runtime_dir: self.inner.bootstraps.dir().to_path_buf(),
            opt,
            tmp,
            moves_interpreter: false,
            class_cache: None,
        };
        let command = plan::command(spec, resolved, &layout, self.inner.config.endpoint_port);
        let memory_bytes = u64::from(spec.memory_mb) * 1024 * 1024;
        process::spawn(process::Start { command, conversation, working_dir: layout.task_root, scratch, memory_bytes })
            .await
    }

    /// Hands connections from inside an environment to the server.
    fn accept(&self, mut listener: Listener) -> JoinHandle<()> {
        let connections: Connections = self.inner.config.connections.clone();
        let room = Arc::new(Semaphore::new(ENDPOINT_CONNECTIONS_MAX));
        tokio::spawn(async move {
            loop {
                let Ok(held) = room.clone().acquire_owned().await else { return };
                match listener.accept().await {
                    Ok(connection) => connections(connection, held),
                    // It may be the host that has no descriptors left: the next one can do better.
                    Err(error) => {
                        tracing::debug!(%error, "a function's connection was lost");
                        deadline::after(ACCEPT_FAILED_REST).await;
                    }
                }
            }
        })
    }
}

impl Inner {
    /// Warns that a runtime is served by another version: once for each, not at every start.
    fn tell_once(&self, resolved: &Resolved) {
        let Some(warning) = &resolved.warning else { return };
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(resolved.identifier.clone()) {
            tracing::warn!("{warning}");
        }
    }

    fn is_ready(&self, resolved: &Resolved) -> bool {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.runtime.as_ref().is_none_or(|runtime| ready.contains(runtime))
    }

    /// Compiles the bootstrap of an interpreter, once. Blocks.
    fn make_ready(&self, resolved: &Resolved) -> Result<(), Error> {
        let Some(runtime) = resolved.runtime.as_ref().filter(|_| !self.is_ready(resolved)) else { return Ok(()) };
        match runtime.family {
            // What an image holds is not run outside of the sandbox.
            Family::Python if runtime.root.is_none() => self.bootstraps.compile_python(runtime),
            Family::Java => drop(self.bootstraps.java_jar(&self.runtimes.all())?),
            Family::Dotnet => self.bootstraps.configure_dotnet(runtime)?,
            _ => {}
        }
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(runtime.clone());
        Ok(())
    }

    fn remember(&self, id: String, environment: &Environment) {
        let mut environments = self.lock();
        environments.retain(|_, environment| environment.upgrade().is_some());
        environments.insert(id, environment.downgrade());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, WeakEnvironment>> {
        self.environments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver {
    /// Plain processes have the host's network and no other; virtual machines have the endpoint.
    fn check_network(&self, asked: Option<Network>) -> Result<(), Error> {
        match (self, asked) {
            (Driver::Process, Some(network @ (Network::None | Network::Kobel))) => {
                Err(Error::NetworkNeedsNamespaces { network })
            }
            #[cfg(target_os = "linux")]
            (Driver::MicroVms(_), Some(network @ (Network::None | Network::Host))) => {
                Err(Error::NetworkOfMachines { network })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(target_os = "linux")]
async fn begin(
    driver: &namespaces::Namespaces,
    starting: std::io::Result<namespaces::Starting>,
) -> std::io::Result<Spawned> {
    driver.spawn(starting?).await
}

#[cfg(target_os = "linux")]
async fn begin_within(
    limit: Duration,
    driver: &namespaces::Namespaces,
    starting: std::io::Result<namespaces::Starting>,
) -> Result<Spawned, StartError> {
    let spawned = deadline::within(limit, begin(driver, starting)).await;
    let spawned = spawned.ok_or(StartError::Timeout { after: limit })?;
    spawned.map_err(|error| StartError::Environment { reason: error.to_string() })
}

fn unforkable(reason: &str) -> StartError {
    StartError::Unforkable { reason: reason.to_owned() }
}

fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(allowed)
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { action, path: path.display().to_string(), source }
}
