//! The driver of an engine: the one that was asked for, or the best that the host allows.

use std::path::Path;

#[cfg(target_os = "linux")]
use super::microvm::MicroVms;
#[cfg(target_os = "linux")]
use super::namespaces::Namespaces;
use crate::config::{Config, Isolation};
use crate::error::Error;

pub(crate) enum Driver {
    #[cfg(target_os = "linux")]
    Namespaces(Namespaces),
    #[cfg(target_os = "linux")]
    MicroVms(MicroVms),
    Process,
}

/// Opens it; with why namespaces are not in use although they were not refused.
#[cfg(target_os = "linux")]
pub(crate) fn open(config: &Config, runtime_dir: &Path) -> Result<(Driver, Option<String>), Error> {
    if config.isolation == Isolation::Process {
        return Ok((Driver::Process, None));
    }
    if config.isolation == Isolation::MicroVm {
        return Ok((Driver::MicroVms(MicroVms::open(config, runtime_dir)?), None));
    }
    match Namespaces::open(config, runtime_dir) {
        Ok(driver) => Ok((Driver::Namespaces(driver), None)),
        Err(error) if config.isolation == Isolation::Namespaces => Err(error),
        Err(error) => {
            tracing::warn!(%error, "functions run as plain processes, which is no isolation boundary");
            Ok((Driver::Process, Some(error.to_string())))
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn open(config: &Config, _runtime_dir: &Path) -> Result<(Driver, Option<String>), Error> {
    let reason = "namespaces exist on Linux only".to_owned();
    match config.isolation {
        Isolation::Namespaces => Err(Error::Namespaces { reason }),
        Isolation::MicroVm => Err(Error::MicroVm { reason: "virtual machines are made on Linux only".to_owned() }),
        Isolation::Auto | Isolation::Process => {
            tracing::warn!("functions run as plain processes, which is no isolation boundary");
            Ok((Driver::Process, Some(reason)))
        }
    }
}
