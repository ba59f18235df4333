//! Which crate may depend on which.

use super::Finding;
use super::workspace::{Crate, Workspace};

/// The layers from below; a crate depends on its own layer and those below.
const LAYERS: &[&str] = &["pure", "engines", "models", "fabric", "services", "products"];

/// A library that only some crates may use.
struct Confined {
    libraries: &'static [&'static str],
    folders: &'static [&'static str],
    reason: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined {
        libraries: &["hyper", "hyper-util"],
        folders: &["crates/engines/wire", "crates/engines/sandbox", "crates/products/front", "crates/products/kobel"],
        reason: "HTTP is known to wire and front, to the sandbox's Runtime API and to the binary",
    },
    Confined {
        libraries: &["ureq"],
        folders: &["crates/engines/image"],
        reason: "only images are fetched from other machines",
    },
    Confined { libraries: &["rusqlite"], folders: &["crates/engines/store"], reason: "SQL is known to store alone" },
];

/// Libraries that do I/O or are asynchronous.
const NOT_PURE: &[&str] = &["tokio", "tokio-util", "tokio-stream", "hyper", "hyper-util", "rusqlite"];

pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in &workspace.crates {
        for dependency in &one.dependencies {
            for message in objections(workspace, one, dependency) {
                findings.push(Finding { path: format!("{}/Cargo.toml", one.folder), line: 0, message });
            }
        }
    }
    findings
}

fn objections(workspace: &Workspace, one: &Crate, dependency: &str) -> Vec<String> {
    let mut messages = Vec::new();
    let layer = layer(&one.folder);
    if layer == Some("pure") && NOT_PURE.contains(&dependency) {
        messages.push(format!("a pure crate must not depend on `{dependency}`"));
    }
    for confined in CONFINED {
        let is_allowed = confined.folders.contains(&one.folder.as_str());
        if confined.libraries.contains(&dependency) && !is_allowed {
            messages.push(format!("must not depend on `{dependency}`: {}", confined.reason));
        }
    }
    let below = workspace.crate_named(dependency).and_then(|other| self::layer(&other.folder));
    if let (Some(layer), Some(below)) = (layer, below) {
        if layer == "services" && below == "services" {
            messages.push(format!("a service must not depend on another service (`{dependency}`)"));
        } else if rank(below) > rank(layer) {
            messages
                .push(format!("`{layer}` must not depend on `{below}` (`{dependency}`): dependencies point downward"));
        }
    }
    messages
}

/// The layer of a crate by its folder; `None` for tools outside `crates`.
fn layer(folder: &str) -> Option<&str> {
    folder.strip_prefix("crates/")?.split('/').next()
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|known| *known == layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(crates: &[(&str, &[&str])]) -> Vec<String> {
        let crates = crates.iter().map(|(folder, dependencies)| Crate {
            folder: (*folder).to_owned(),
            name: folder.rsplit('/').next().unwrap_or_default().to_owned(),
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
        });
        let workspace = Workspace { crates: crates.collect(), sources: Vec::new() };
        check(&workspace).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn services_do_not_depend_on_services() {
        let findings = of(&[("crates/services/sns", &["sqs"]), ("crates/services/sqs", &[])]);
        assert_eq!(findings, ["crates/services/sns/Cargo.toml: a service must not depend on another service (`sqs`)"]);
    }

    #[test]
    fn dependencies_point_downward() {
        let findings = of(&[("crates/engines/wire", &["sqs"]), ("crates/services/sqs", &["wire"])]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("dependencies point downward"), "{findings:?}");
    }

    #[test]
    fn pure_crates_are_not_asynchronous() {
        assert_eq!(of(&[("crates/pure/clock", &["tokio"])]).len(), 1);
        assert!(of(&[("crates/engines/cell", &["tokio"])]).is_empty());
    }

    #[test]
    fn http_and_sql_are_confined() {
        assert_eq!(of(&[("crates/services/s3", &["hyper", "rusqlite"])]).len(), 2);
        assert!(of(&[("crates/engines/wire", &["hyper"]), ("crates/engines/store", &["rusqlite"])]).is_empty());
    }
}
