//! Which functions are forked from a stem that has loaded the AWS SDK of their runtime.
//!
//! The fork must be a start like any other also here. So it is for a function that imports the SDK itself, as long
//! as its code brings none of the modules that importing the SDK loads, and sets no variable that it reads then.

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
const SOURCE_BYTES_MAX: u64 = 256 * 1024;
/// The packages that make up the SDK of Python.
const PYTHON_SDK: [&str; 2] = ["boto3", "botocore"];
/// Modules that are imported with the SDK, or that it uses where they are there.
const PYTHON_MODULES: &str = "\
    __future__ _strptime array ast awscrt boto3 botocore brotli brotlicffi bz2 calendar certifi cgi chardet \
    charset_normalizer compression concurrent configparser contextvars copy cryptography csv dataclasses \
    dateutil dis email fcntl fnmatch getpass glob gzip h2 heapq hmac html http idna importlib inspect ipaddress \
    jmespath locale logging lzma mimetypes mmap multiprocessing netrc ntpath opcode OpenSSL optparse pathlib \
    pickle pkg_resources platform pprint pyexpat queue quopri random requests runpy s3transfer secrets select \
    selectors shlex shutil signal simplejson six socket socks ssl string stringprep subprocess tempfile termios \
    textwrap threading typing unicodedata urllib urllib3 uuid weakref xml zipfile zlib zstandard";
/// Variables, by the start of their names, that the SDK may read when it is imported. `runtimes/python/kobel_sdk.py`
/// checks that it reads no others.
const READ_VARIABLES: [&str; 4] = ["HOME", "AWS_", "BOTO", "APPENGINE_RUNTIME"];
/// Those that Lambda sets itself, which it does not read then: also checked there.
const SET_BY_LAMBDA: [&str; 9] = [
    "AWS_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_",
    "AWS_XRAY_",
];

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
        let runtime = runtime.filter(|runtime| runtime.family == Family::Python)?;
        if spec.variables.keys().any(|name| is_read(name)) || !self.uses(spec, runtime).await {
            return None;
        }
        let mut stem = plain.clone();
        stem.name = format!("{} {ARGUMENT}", plain.name);
        stem.arguments.push(ARGUMENT.to_owned());
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
        has_sdk(runtime) && !self.brings_modules(runtime) && imports_sdk(&self.package)
    }

    fn brings_modules(&self, runtime: &Runtime) -> bool {
        let packages = format!("python/lib/python3.{}/site-packages", runtime.version.minor);
        let of_layers = self.layers.iter().flat_map(|layer| [layer.join("python"), layer.join(&packages)]);
        std::iter::once(self.package.clone()).chain(of_layers).any(|folder| holds_module(&folder))
    }
}

/// Whether the interpreter's own packages hold the SDK.
fn has_sdk(runtime: &Runtime) -> bool {
    let version = format!("python3.{}", runtime.version.minor);
    let mut folders = vec![runtime.prefix.join("lib").join(&version).join("site-packages")];
    if runtime.prefix == Path::new("/usr") {
        // Where Debian keeps packages.
        folders.extend(["/usr/lib/python3/dist-packages".into()]);
        folders.push(Path::new("/usr/local/lib").join(&version).join("dist-packages"));
    }
    PYTHON_SDK.iter().all(|package| folders.iter().any(|folder| folder.join(package).is_dir()))
}

/// Whether an import may find one of the SDK's modules in this folder.
fn holds_module(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        // `six.py`, `six/`, `zstandard.cpython-312-x86_64-linux-gnu.so`
        let module = name.to_string_lossy();
        let module = module.split('.').next().unwrap_or_default();
        PYTHON_MODULES.split(' ').any(|name| name == module)
    })
}

/// Whether one of the sources in this folder imports the SDK.
fn imports_sdk(package: &Path) -> bool {
    let mut folders = vec![(package.to_path_buf(), 0)];
    let mut looked_at = 0;
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && depth < DEPTH_MAX {
                folders.push((path, depth + 1));
            } else if path.extension().is_some_and(|ending| ending == "py") {
                looked_at += 1;
                if looked_at > SOURCES_MAX {
                    return false;
                }
                if source_imports_sdk(&path) {
                    return true;
                }
            }
        }
    }
    false
}

fn source_imports_sdk(source: &Path) -> bool {
    use std::io::Read;

    let mut bytes = Vec::new();
    let read = std::fs::File::open(source).and_then(|file| file.take(SOURCE_BYTES_MAX).read_to_end(&mut bytes));
    read.is_ok() && String::from_utf8_lossy(&bytes).lines().any(is_import_of_sdk)
}

/// Whether a line of Python is an import statement that names the SDK.
fn is_import_of_sdk(line: &str) -> bool {
    let line = line.trim_start();
    let is_sdk = |word: &&str| PYTHON_SDK.contains(word);
    let mut names = line.split(|character: char| !character.is_alphanumeric() && character != '_').skip(1);
    match line.split_ascii_whitespace().next() {
        Some("import") => names.any(|word| is_sdk(&word)),
        Some("from") => names.find(|word| !word.is_empty()).is_some_and(|word| is_sdk(&word)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
