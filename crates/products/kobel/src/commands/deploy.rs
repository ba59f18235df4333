use std::path::PathBuf;
use std::sync::Arc;

use sandbox::{Config, Isolation, Sandbox};

use super::Error;
use crate::build::Workshop;
use crate::client::Client;
use crate::deploy::Deployment;
use crate::{cli, print};

pub async fn run(deploy: cli::Deploy) -> Result<(), Error> {
    let client = Client::new(&deploy.endpoint.endpoint, &deploy.stack.region)?;
    let workshop = Workshop { folder: cache().join("builds"), java_interfaces: Arc::new(java_interfaces) };
    let deployment = Deployment::new(client, workshop, &deploy.stack)?;
    let outcome = deployment.deploy().await?;
    print::deployed(&deployment.stack_name, outcome.changed, &outcome.outputs);
    Ok(())
}

/// Where builds are kept between runs.
fn cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    cache.unwrap_or_else(std::env::temp_dir).join("kobel")
}

/// The interfaces' classes, made once; nothing is run by this sandbox.
fn java_interfaces() -> Result<PathBuf, String> {
    let config =
        Config { isolation: Isolation::Process, ..Config::new(cache().join("sandbox"), 0, Arc::new(|_, _| {})) };
    let sandbox = Sandbox::open(config).map_err(|error| error.to_string())?;
    sandbox.java_classpath().map_err(|error| error.to_string())
}
