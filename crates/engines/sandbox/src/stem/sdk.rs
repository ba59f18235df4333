//! Which functions are forked from a stem that has loaded the AWS SDK of their runtime.
//!
//! The fork must be a start like any other also here. So it is for a function that imports the SDK itself, as long
//! as its code brings none of the modules that importing the SDK loads, and sets no variable that it reads then.

mod nodejs;
mod python;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::launcher::message::Stem;
use crate::runtimes::{Family, Runtime};
use crate::spec::EnvironmentSpec;

/// What tells a stem to load the SDK.
const ARGUMENT: &str = "sdk";
/// Of how many packages with their layers it is remembered whether they use the SDK.
const REMEMBERED_MAX: usize = 1_024;
/// How much of a package is looked at: its first levels of folders, so many sources, the beginning of each.
const DEPTH_MAX: usize = 2;
const SOURCES_MAX: usize = 256;
const SOURCE_BYTES_MAX: u64 = 1024 * 1024;
/// Variables, by the start of their names, that an SDK may read when it is imported. `runtimes/python/kobel_sdk.py` and
/// `runtimes/nodejs/sdk.js` check that it reads no others.
const READ_VARIABLES: [&str; 5] = ["HOME", "AWS_", "BOTO", "APPENGINE_RUNTIME", "FORCE_COLOR"];
/// Those that Lambda sets itself, which it does not read then: also checked there, by what [`SET_BY_LAMBDA_VARIABLE`] tells.
const SET_BY_LAMBDA: [&str; 13] = [
    "AWS_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_",
    "AWS_LAMBDA_METADATA_",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_XRAY_",
];

/// The variable that tells a stem of them, separated by commas.
const SET_BY_LAMBDA_VARIABLE: &str = "_KOBEL_SET_BY_LAMBDA";

/// What is known of packages.
#[derive(Default)]
pub(crate) struct Sdks {
    uses: Mutex<HashMap<Code, bool>>,
}

/// A package with its layers, as an interpreter sees them. Folders of packages never change.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Code {
    runtime: PathBuf,
    package: PathBuf,
    layers: Vec<PathBuf>,
}

impl Sdks {
    /// The stem with the SDK for a function that `plain` can bear, if it may be forked from one.
    pub(crate) async fn stem(&self, spec: &EnvironmentSpec, runtime: Option<&Runtime>, plain: &Stem) -> Option<Stem> {
        let runtime = runtime?;
        if spec.variables.keys().any(|name| is_read(name)) || !self.uses(spec, runtime).await {
            return None;
        }
        let mut stem = plain.clone();
        stem.name = format!("{} {ARGUMENT}", plain.name);
        stem.arguments.push(ARGUMENT.to_owned());
        stem.variables.push(format!("{SET_BY_LAMBDA_VARIABLE}={}", SET_BY_LAMBDA.join(",")));
        stem.with_sdk = true;
        Some(stem)
    }

    async fn uses(&self, spec: &EnvironmentSpec, runtime: &Runtime) -> bool {
        let code = Code { runtime: runtime.path.clone(), package: spec.code.clone(), layers: spec.layers.clone() };
        if let Some(known) = self.lock().get(&code) {
            return *known;
        }
        let (looked_at, runtime) = (code.clone(), runtime.clone());
        let look = tokio::task::spawn_blocking(move || looked_at.uses_sdk(&runtime));
        let uses = look.await.unwrap_or(false);
        let mut known = self.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(code, uses);
        uses
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Code, bool>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_read(variable: &str) -> bool {
    let starts = |names: &[&str]| names.iter().any(|name| variable.starts_with(name));
    starts(&READ_VARIABLES) && !starts(&SET_BY_LAMBDA)
}

impl Code {
    /// Whether the SDK that this code imports is the runtime's. Blocks.
    fn uses_sdk(&self, runtime: &Runtime) -> bool {
        match runtime.family {
            Family::Python => {
                python::has_sdk(runtime)
                    && !python::module_folders(self, runtime).any(|folder| python::holds_module(&folder))
                    && any_source(&self.package, &["py"], python::imports_sdk)
            }
            Family::Nodejs => {
                nodejs::has_sdk(runtime)
                    && !nodejs::module_folders(self, runtime).any(|folder| nodejs::holds_module(&folder))
                    && any_source(&self.package, &["js", "cjs", "mjs"], nodejs::imports_sdk)
            }
            Family::Java | Family::Ruby | Family::Dotnet | Family::Provided => false,
        }
    }
}

/// Whether one of the sources in this folder is as `wanted`.
fn any_source(package: &Path, endings: &[&str], wanted: impl Fn(&str) -> bool) -> bool {
    let mut folders = vec![(package.to_path_buf(), 0)];
    let mut looked_at = 0;
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                // What lies there is not the function's own.
                let is_own = depth < DEPTH_MAX && entry.file_name() != "node_modules";
                folders.extend(is_own.then_some((path, depth + 1)));
                continue;
            }
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if !endings.contains(&ending) {
                continue;
            }
            looked_at += 1;
            if looked_at > SOURCES_MAX {
                return false;
            }
            if wanted(&beginning(&path)) {
                return true;
            }
        }
    }
    false
}

/// The beginning of a source; nothing of one that cannot be read.
fn beginning(source: &Path) -> String {
    use std::io::Read;

    let mut bytes = Vec::new();
    let read = std::fs::File::open(source).and_then(|file| file.take(SOURCE_BYTES_MAX).read_to_end(&mut bytes));
    read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
