//! boto3, which a Python has among its own packages.

use std::path::{Path, PathBuf};

use super::Code;
use crate::runtimes::Runtime;

/// The packages that make up the SDK.
const SDK: [&str; 2] = ["boto3", "botocore"];
/// Modules that are imported with the SDK, or that it uses where they are there.
const MODULES: &str = "\
    __future__ _strptime array ast awscrt boto3 botocore brotli brotlicffi bz2 calendar certifi cgi chardet \
    charset_normalizer compression concurrent configparser contextvars copy cryptography csv dataclasses \
    dateutil dis email fcntl fnmatch getpass glob gzip h2 heapq hmac html http idna importlib inspect ipaddress \
    jmespath locale logging lzma mimetypes mmap multiprocessing netrc ntpath opcode OpenSSL optparse pathlib \
    pickle pkg_resources platform pprint pyexpat queue quopri random requests runpy s3transfer secrets select \
    selectors shlex shutil signal simplejson six socket socks ssl string stringprep subprocess tempfile termios \
    textwrap threading typing unicodedata urllib urllib3 uuid weakref xml zipfile zlib zstandard";

/// Whether the interpreter's own packages hold the SDK.
pub(super) fn has_sdk(runtime: &Runtime) -> bool {
    let version = format!("python3.{}", runtime.version.minor);
    let mut folders = vec![runtime.prefix.join("lib").join(&version).join("site-packages")];
    if runtime.prefix == Path::new("/usr") {
        // Where Debian keeps packages.
        folders.extend(["/usr/lib/python3/dist-packages".into()]);
        folders.push(Path::new("/usr/local/lib").join(&version).join("dist-packages"));
    }
    SDK.iter().all(|package| folders.iter().any(|folder| folder.join(package).is_dir()))
}

/// Where modules of a package and its layers are found.
pub(super) fn module_folders(code: &Code, runtime: &Runtime) -> impl Iterator<Item = PathBuf> {
    let packages = format!("python/lib/python3.{}/site-packages", runtime.version.minor);
    let of_layers = code.layers.iter().flat_map(move |layer| [layer.join("python"), layer.join(&packages)]);
    std::iter::once(code.package.clone()).chain(of_layers)
}

/// Whether an import may find one of the SDK's modules in this folder.
pub(super) fn holds_module(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        // `six.py`, `six/`, `zstandard.cpython-312-x86_64-linux-gnu.so`
        let module = name.to_string_lossy();
        let module = module.split('.').next().unwrap_or_default();
        MODULES.split(' ').any(|name| name == module)
    })
}

/// Whether a source imports the SDK.
pub(super) fn imports_sdk(source: &str) -> bool {
    source.lines().any(is_import_of_sdk)
}

/// Whether a line of Python is an import statement that names the SDK.
pub(super) fn is_import_of_sdk(line: &str) -> bool {
    let line = line.trim_start();
    let is_sdk = |word: &&str| SDK.contains(word);
    let mut names = line.split(|character: char| !character.is_alphanumeric() && character != '_').skip(1);
    match line.split_ascii_whitespace().next() {
        Some("import") => names.any(|word| is_sdk(&word)),
        Some("from") => names.find(|word| !word.is_empty()).is_some_and(|word| is_sdk(&word)),
        _ => false,
    }
}
