//! The credentials that `docker login` keeps.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The name under which those of Docker's registry are kept.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// `NAME:PASSWORD` in base64 for a registry, if the user is logged in. Credential helpers are not run.
pub(super) fn of(registry: &str) -> Option<String> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))?;
    read(&folder.join("config.json"), registry)
}

fn read(file: &Path, registry: &str) -> Option<String> {
    let config: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let auths = config["auths"].as_object()?;
    let hub = (registry == "docker.io").then_some(DOCKER_HUB_KEY);
    let keys = [Some(registry), hub];
    let entry = keys.into_iter().flatten().find_map(|key| auths.get(key))?;
    if let Some(auth) = entry["auth"].as_str().filter(|auth| !auth.is_empty()) {
        return Some(auth.to_owned());
    }
    let (name, password) = (entry["username"].as_str()?, entry["password"].as_str()?);
    Some(STANDARD.encode(format!("{name}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_those_of_the_registry() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.json");
        let text = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "aHVi"},
            "localhost:5000": {"username": "u", "password": "p"}, "empty.io": {}}}"#;
        std::fs::write(&file, text).expect("a file");
        let cases =
            [("docker.io", Some("aHVi")), ("localhost:5000", Some("dTpw")), ("empty.io", None), ("ghcr.io", None)];
        for (registry, expected) in cases {
            assert_eq!(read(&file, registry).as_deref(), expected, "{registry}");
        }
        assert_eq!(read(&folder.path().join("none"), "docker.io"), None);
    }
}
