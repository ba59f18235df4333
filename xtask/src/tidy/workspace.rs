//! What is checked: the crates with their dependencies, and their sources.

use std::fs;
use std::path::Path;

/// The crates and Rust sources of the clone.
pub struct Workspace {
    pub crates: Vec<Crate>,
    pub sources: Vec<Source>,
}

/// A crate of the workspace.
pub struct Crate {
    /// The folder relative to the root: `crates/services/sqs`.
    pub folder: String,
    /// The name by which others depend on it: `sqs`.
    pub name: String,
    /// The names of its dependencies of every kind.
    pub dependencies: Vec<String>,
}

/// A Rust source.
pub struct Source {
    /// Relative to the root.
    pub path: String,
    pub text: String,
}

/// The sections of a manifest that hold dependencies.
/// Tests may look upward: a protocol is tested with the tables of real services.
const SECTIONS: &[&str] = &["dependencies", "build-dependencies"];

/// The folders whose Rust sources are checked.
const SOURCE_FOLDERS: &[&str] = &["crates", "xtask"];

impl Workspace {
    pub fn read(root: &Path) -> Result<Workspace, String> {
        let manifest = table(&root.join("Cargo.toml"))?;
        let rooms = manifest["workspace"]["dependencies"].as_table().cloned().unwrap_or_default();
        let mut files = Vec::new();
        for folder in SOURCE_FOLDERS {
            walk(&root.join(folder), &mut files)?;
        }
        let mut workspace = Workspace { crates: Vec::new(), sources: Vec::new() };
        for file in files {
            let path = relative(root, &file);
            if path.ends_with("/Cargo.toml") {
                let folder = path.trim_end_matches("/Cargo.toml").to_owned();
                workspace.crates.push(read_crate(&file, folder, &rooms)?);
            } else if path.ends_with(".rs") {
                workspace.sources.push(Source { path, text: read(&file)? });
            }
        }
        Ok(workspace)
    }

    /// The crate by the name that others use, if it is one of the workspace's.
    pub fn crate_named(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|candidate| candidate.name == name)
    }
}

fn read_crate(manifest: &Path, folder: String, rooms: &toml::Table) -> Result<Crate, String> {
    let table = table(manifest)?;
    let known = rooms.iter().find(|(_, room)| room.get("path").and_then(toml::Value::as_str) == Some(&folder));
    let name = match known {
        Some((name, _)) => name.clone(),
        None => table["package"]["name"].as_str().unwrap_or_default().to_owned(),
    };
    let mut dependencies = Vec::new();
    let targets = table.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    for holder in std::iter::once(&toml::Value::Table(table.clone())).chain(targets) {
        for section in SECTIONS {
            let entries = holder.get(section).and_then(toml::Value::as_table);
            dependencies.extend(entries.into_iter().flat_map(toml::Table::keys).cloned());
        }
    }
    Ok(Crate { folder, name, dependencies })
}

fn walk(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("failed to read `{}`: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !is_built(&path) {
                walk(&path, files)?;
            }
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn is_built(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == "target" || name == "node_modules")
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("failed to read `{}`: {error}", path.display()))
}

fn table(path: &Path) -> Result<toml::Table, String> {
    read(path)?.parse().map_err(|error| format!("failed to parse `{}`: {error}", path.display()))
}
