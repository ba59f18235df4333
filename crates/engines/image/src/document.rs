//! What indexes, manifests and configurations say, in the OCI's form and in Docker's.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Digest, Error};

/// The largest index, manifest or configuration, in bytes: registries allow manifests of 4 MiB.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The most layers of an image, which is what container engines allow.
pub(crate) const LAYERS_MAX: usize = 127;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Says where a document or layer is, and what it must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default)]
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: std::collections::HashMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Platform {
    pub architecture: String,
    pub os: String,
}

/// Images for several machines, or the images of a layout.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    pub manifests: Vec<Descriptor>,
}

/// One image.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// What an image runs, and on which machine.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config {
    /// In Go's words: `amd64`, `arm64`.
    pub architecture: String,
    /// `ENTRYPOINT`
    pub entrypoint: Vec<String>,
    /// `CMD`
    pub command: Vec<String>,
    /// `WORKDIR`; empty for `/`.
    pub working_dir: String,
    /// `ENV`, `NAME=value`.
    pub variables: Vec<String>,
}

/// A configuration as it is written. `User` is not read: the sandbox's user takes its place, as on Lambda.
#[derive(Debug, Deserialize)]
pub(crate) struct ImageConfig {
    architecture: String,
    os: String,
    #[serde(default)]
    config: Option<RunConfig>,
    rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RunConfig {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    env: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl ImageConfig {
    /// The digests of the layers, unpacked; there are `layers` of them.
    pub(crate) fn layers(&self, layers: usize) -> Result<Vec<Digest>, Error> {
        let found = self.rootfs.diff_ids.len();
        if found != layers {
            return Err(Error::invalid(format!("its configuration names {found} layers where there are {layers}")));
        }
        self.rootfs.diff_ids.iter().map(|digest| digest.parse()).collect()
    }

    /// What it runs, if it is for this machine.
    pub(crate) fn into_config(self) -> Result<Config, Error> {
        let (os, architecture) = (&self.os, &self.architecture);
        if os != "linux" || architecture != machine() {
            return Err(Error::invalid(format!(
                "it is for {os}/{architecture}, and this machine is linux/{}",
                machine()
            )));
        }
        let run = self.config.unwrap_or_default();
        Ok(Config {
            architecture: self.architecture,
            entrypoint: run.entrypoint.unwrap_or_default(),
            command: run.cmd.unwrap_or_default(),
            working_dir: run.working_dir.unwrap_or_default(),
            variables: run.env.unwrap_or_default(),
        })
    }
}

/// This machine's architecture in Go's words.
pub(crate) fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Reads a document.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::invalid(format!("its {what} cannot be read: {error}")))
}

/// The manifest of an index for this machine. One that does not say for which it is will do if it is the only one.
pub(crate) fn choose(index: &Index) -> Result<&Descriptor, Error> {
    let fits = |descriptor: &&Descriptor| match &descriptor.platform {
        Some(platform) => platform.os == "linux" && platform.architecture == machine(),
        None => index.manifests.len() == 1,
    };
    index.manifests.iter().find(fits).ok_or_else(|| {
        let platforms = index.manifests.iter().filter_map(|descriptor| descriptor.platform.as_ref());
        let platforms: Vec<String> = platforms.map(|found| format!("{}/{}", found.os, found.architecture)).collect();
        Error::invalid(format!("it is for {}, and this machine is linux/{}", platforms.join(", "), machine()))
    })
}

/// Refuses what only looks like an image: an artifact, a signature, layers of another kind.
pub(crate) fn check_manifest(manifest: &Manifest) -> Result<(), Error> {
    let kind = manifest.config.media_type.as_str();
    if !matches!(kind, OCI_CONFIG | DOCKER_CONFIG) {
        return Err(Error::invalid(format!("its configuration is of the type `{kind}`, which is none of an image")));
    }
    if manifest.layers.len() > LAYERS_MAX {
        return Err(Error::TooLarge { reason: format!("it has more than {LAYERS_MAX} layers") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_the_manifest_for_this_machine() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let entry = |os: &str, architecture: &str, size: u64| {
            format!(
                r#"{{"digest": "{digest}", "size": {size}, "platform": {{"os": "{os}", "architecture": "{architecture}"}}}}"#
            )
        };
        let index = |entries: &[String]| -> Index {
            read(format!(r#"{{"manifests": [{}]}}"#, entries.join(",")).as_bytes(), "index").expect("an index")
        };
        let several = [entry("windows", machine(), 1), entry("linux", "mips", 2), entry("linux", machine(), 3)];
        assert_eq!(choose(&index(&several)).expect("one fits").size, 3);
        let error = choose(&index(&several[..2])).expect_err("none fits").to_string();
        assert!(error.contains("windows/") && error.contains("linux/mips"), "{error}");
    }

    #[test]
    fn reads_what_an_image_runs() {
        let text = format!(
            r#"{{"architecture": "{}", "os": "linux", "rootfs": {{"type": "layers", "diff_ids": []}},
                "config": {{"Entrypoint": ["/lambda-entrypoint.sh"], "Cmd": null, "User": "app", "WorkingDir": "/var/task",
                "Env": ["A=b"]}}}}"#,
            machine()
        );
        let config: ImageConfig = read(text.as_bytes(), "configuration").expect("a configuration");
        assert!(config.layers(1).is_err(), "a layer without a digest");
        let expected = Config {
            architecture: machine().to_owned(),
            entrypoint: vec!["/lambda-entrypoint.sh".to_owned()],
            command: Vec::new(),
            working_dir: "/var/task".to_owned(),
            variables: vec!["A=b".to_owned()],
        };
        assert_eq!(config.into_config().expect("for this machine"), expected);
        let other = text.replace(machine(), "mips");
        let other: ImageConfig = read(other.as_bytes(), "configuration").expect("a configuration");
        assert!(other.into_config().expect_err("another machine").to_string().contains("linux/mips"));
    }
}
