//! The assembly: every engine and service made and hung together, and the order in which they start and stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base::Entropy;
use blob::Blobs;
use clock::Clock;
use cloudformation::CloudFormation;
use fabric::{Fabric, Parts};
use front::{FabricHost, Front, Serving};
use iam::Iam;
use lambda::Lambda;
use logs::Logs;
use s3::S3;
use sandbox::{Connection, Sandbox};
use sns::Sns;
use sqs::Sqs;
use store::Sqlite;

use crate::admin;
use crate::cli;
use crate::runtimes;

/// A running Kobel.
pub struct Server {
    pub fabric: Fabric,
    pub lambda: Arc<Lambda>,
    pub sandbox: Sandbox,
    pub address: SocketAddr,
    serving: Arc<Serving>,
    /// Keeps the files of added runtimes there.
    _runtimes: std::fs::File,
    /// Deleted with all state when the server is dropped, if nothing is to be kept.
    _ephemeral: Option<tempfile::TempDir>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Front(#[from] front::FrontError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Cell(#[from] cell::Error),
    #[error(transparent)]
    Blob(#[from] blob::Error),
    #[error(transparent)]
    Journal(#[from] fabric::JournalError),
    #[error(transparent)]
    Runtimes(#[from] runtimes::Error),
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    #[error("{0}")]
    Service(String),
    #[error("failed to read or write `{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}

impl Server {
    /// Starts all of it; when this returns, requests are answered and what was interrupted goes on.
    pub async fn start(options: &cli::Server, default_data: &Path) -> Result<Server, Error> {
        // The port first: that it is taken is the likeliest failure.
        let front = Front::bind(SocketAddr::new(options.host, options.port)).await?;
        let address = front.address();
        let (data, ephemeral) = data_folder(options, default_data)?;
        // Store and sandbox each wait for the system, so they open side by side.
        let (time, folder) = (options.time, data.clone());
        let weaving = tokio::task::spawn_blocking(move || weave(time, &folder, address));
        let serving: Arc<OnceLock<Arc<Serving>>> = Arc::default();
        let runtimes = runtimes::hold(&runtimes::at(&data))?;
        let sandbox = open_sandbox(options, &data, address.port(), serving.clone())?;
        let fabric = weaving.await.map_err(service)??;

        let s3 = S3::open(fabric.clone()).await?;
        let sqs = Sqs::open(fabric.clone()).await.map_err(service)?;
        let sns = Sns::open(fabric.clone());
        let logs = Logs::open(fabric.clone());
        let iam = Iam::open(fabric.clone());
        let settings = lambda::Settings {
            data_dir: data.clone(),
            concurrency: options.concurrency,
            endpoint_url: format!("http://127.0.0.1:{}", address.port()),
            standby_memory_mb: options.standby_memory,
        };
        let lambda = Lambda::open(fabric.clone(), sandbox.clone(), settings).await.map_err(service)?;
        let cloudformation = CloudFormation::open(fabric.clone()).await.map_err(service)?;
        sweep_blobs(&fabric, &s3, &lambda).await?;
        s3.plug();
        sqs.plug();
        sns.plug();
        logs.plug();
        iam.plug();
        lambda.plug();
        cloudformation.plug();

        let services = Arc::new(wire::Services::new(fabric.plugs.apis(), []));
        let host = Arc::new(FabricHost::new(fabric.clone()));
        let admin = admin::routes(&fabric, &services, &lambda, &cloudformation);
        let running = Arc::new(front.serve(services, host, admin));
        serving.set(running.clone()).ok();
        fabric.deliveries.start().await?;
        lambda.start();
        cloudformation.resume();
        Ok(Server { fabric, lambda, sandbox, address, serving: running, _runtimes: runtimes, _ephemeral: ephemeral })
    }

    /// The origin by which clients on this machine reach it.
    pub fn origin(&self) -> String {
        let host = if self.address.ip().is_unspecified() { "127.0.0.1".into() } else { self.address.ip().to_string() };
        format!("http://{host}:{}", self.address.port())
    }

    /// Takes no further requests, lets functions and deliveries under way end, and stops.
    pub async fn stop(self) {
        self.serving.stop();
        self.fabric.deliveries.drain().await;
        self.lambda.drain().await;
        self.sandbox.close().await;
        self.fabric.journal.flush();
    }
}

fn service(error: impl std::fmt::Display) -> Error {
    Error::Service(error.to_string())
}

fn data_folder(options: &cli::Server, default: &Path) -> Result<(PathBuf, Option<tempfile::TempDir>), Error> {
    if options.ephemeral {
        let folder = tempfile::Builder::new().prefix("kobel-").tempdir();
        let folder = folder.map_err(|source| Error::Io { path: std::env::temp_dir(), source })?;
        return Ok((folder.path().to_owned(), Some(folder)));
    }
    let data = options.data.clone().unwrap_or_else(|| default.to_owned());
    let io = |source| Error::Io { path: data.clone(), source };
    std::fs::create_dir_all(&data).map_err(io)?;
    let data = std::fs::canonicalize(&data).map_err(io)?;
    make_private(&data).map_err(io)?;
    Ok((data, None))
}

/// Others on the machine have no business in the data folder.
#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn weave(time: clock::Mode, data: &Path, address: SocketAddr) -> Result<Fabric, Error> {
    let entropy = Entropy::system();
    let parts = Parts {
        clock: Clock::new(time),
        blobs: Blobs::open(&data.join("blobs"), entropy.clone())?,
        entropy,
        store: Arc::new(Sqlite::open(&data.join("store"))?),
        journal: Some(data.join("journal")),
        origin: format!("http://127.0.0.1:{}", address.port()),
    };
    Ok(Fabric::weave(parts)?)
}

/// The sandbox hands each connection that a function opens to the front.
fn open_sandbox(
    options: &cli::Server,
    data: &Path,
    port: u16,
    serving: Arc<OnceLock<Arc<Serving>>>,
) -> Result<Sandbox, Error> {
    let runtime = tokio::runtime::Handle::current();
    let connections: sandbox::Connections = Arc::new(move |connection, held| {
        let _inside = runtime.enter();
        let Some(serving) = serving.get() else { return };
        let taken = match connection {
            Connection::Tcp(stream) => {
                // As for connections from outside: answers do not wait for acknowledgements.
                stream.set_nodelay(true).ok();
                tokio::net::TcpStream::from_std(stream).map(|stream| serving.take(stream, held))
            }
            Connection::Carried(stream) => {
                tokio::net::UnixStream::from_std(stream).map(|stream| serving.take(stream, held))
            }
        };
        if let Err(error) = taken {
            tracing::warn!(%error, "a function's connection could not be served");
        }
    });
    let (isolation, machines) = (options.isolation.into(), (&options.machines).into());
    let network = (&options.network).into();
    let defaults = sandbox::Config::new(data.join("sandbox"), port, connections);
    let added_runtimes = Some(runtimes::at(data));
    let config = sandbox::Config { isolation, machines, network, added_runtimes, ..defaults };
    Ok(Sandbox::open(config)?)
}

/// Deletes the blobs whose reference was never committed.
async fn sweep_blobs(fabric: &Fabric, s3: &S3, lambda: &Lambda) -> Result<(), Error> {
    let mut kept = s3.blob_ids().await.map_err(service)?;
    kept.extend(lambda.blob_ids());
    let swept = fabric.blobs.sweep(move |id| kept.contains(id)).await?;
    if swept > 0 {
        tracing::info!(swept, "deleted blobs that nothing refers to");
    }
    Ok(())
}
