//! Builds the functions and layers of a template from their sources: what `sam build` does for plain projects.
//!
//! A build depends only on the files of the code folder and on the runtime, so its result is kept under their
//! fingerprint and found again.

pub mod container;
mod fingerprint;
mod java;
mod nodejs;
mod python;
mod tool;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use fingerprint::{is_executable, is_residue};
pub use tool::ToolError;

/// What is to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The logical id of the function or layer.
    pub resource: String,
    /// `CodeUri` or `ContentUri`: a folder, or a finished archive.
    pub code: PathBuf,
    /// The runtime's identifier, `python3.12`; of a layer its `BuildMethod`, or empty where it is taken as it is.
    pub runtime: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Function,
    /// What is built lies in the folder in which its runtime looks for it below `/opt`.
    Layer,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{resource}: its code should be in `{path}`, which is not there")]
    Missing { resource: String, path: PathBuf },
    #[error("{resource}: failed to read or write `{path}`: {source}")]
    Io { resource: String, path: PathBuf, source: std::io::Error },
    #[error(
        "{resource}: Kobel does not build layers by the BuildMethod `{method}`; leave it out and put what the layer \
         holds into its folder"
    )]
    Method { resource: String, method: String },
    #[error("{resource}: {source}")]
    Tool { resource: String, source: ToolError },
}

/// Where builds find what they need and keep what they make.
#[derive(Clone)]
pub struct Workshop {
    /// Finished builds, by fingerprint.
    pub folder: PathBuf,
    /// Gives the classes of Lambda's Java interfaces, for `javac`; asked only when there is Java to build.
    pub java_interfaces: Arc<dyn Fn() -> Result<PathBuf, String> + Send + Sync>,
}

/// How a folder becomes a package.
enum Recipe {
    Python,
    Nodejs,
    Java,
}

impl Workshop {
    /// Builds `source`; tells `progress` what it is about to do, if it does anything. Gives the folder whose contents
    /// become the package, or a finished archive.
    pub fn build(&self, source: &Source, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
        let Source { resource, code, runtime, kind } = source;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::Io { resource: resource.clone(), path, source }
        };
        if !code.exists() {
            return Err(BuildError::Missing { resource: resource.clone(), path: code.clone() });
        }
        let inner = match kind {
            Kind::Function => "",
            Kind::Layer => layer_folder(resource, runtime)?,
        };
        let Some((recipe, what)) = recipe(code, runtime) else { return Ok(code.clone()) };
        let fingerprint = fingerprint::fingerprint(code, &format!("{runtime}{inner}")).map_err(io(code))?;
        let finished = self.folder.join(&fingerprint);
        if finished.is_dir() {
            return Ok(finished);
        }
        progress(&what);
        let draft = self.folder.join(format!("{fingerprint}.draft"));
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(io(&draft))?;
        }
        let target = draft.join(inner);
        fs::create_dir_all(&target).map_err(io(&target))?;
        let made = match recipe {
            Recipe::Python => python::build(code, &target, runtime),
            Recipe::Nodejs => nodejs::build(code, &target),
            Recipe::Java => (self.java_interfaces)()
                .map_err(ToolError::Interfaces)
                .and_then(|interfaces| java::build(code, &target, runtime, &interfaces)),
        };
        made.map_err(|source| BuildError::Tool { resource: resource.clone(), source })?;
        fs::rename(&draft, &finished).map_err(io(&finished))?;
        Ok(finished)
    }
}

/// Where a layer built by `method` has its files, as its runtime looks for them below `/opt`.
fn layer_folder(resource: &str, method: &str) -> Result<&'static str, BuildError> {
    match method {
        "" => Ok(""),
        _ if method.starts_with("python") => Ok("python"),
        _ if method.starts_with("nodejs") => Ok("nodejs"),
        _ => Err(BuildError::Method { resource: resource.to_owned(), method: method.to_owned() }),
    }
}

/// How to build `code`, and a line that says so; `None` where it is a package as it is.
fn recipe(code: &Path, runtime: &str) -> Option<(Recipe, String)> {
    if code.is_file() {
        return None;
    }
    let has = |name: &str| code.join(name).exists();
    match runtime {
        _ if runtime.starts_with("python") && python::needs_build(code) => {
            Some((Recipe::Python, "pip install -r requirements.txt".into()))
        }
        _ if runtime.starts_with("nodejs") && nodejs::needs_build(code) => {
            let command = if has("package-lock.json") { "npm ci" } else { "npm install" };
            Some((Recipe::Nodejs, command.into()))
        }
        _ if runtime.starts_with("java") => match java::sources(code) {
            sources if sources.is_empty() => None,
            sources => Some((Recipe::Java, format!("javac ({} files)", sources.len()))),
        },
        _ => None,
    }
}
