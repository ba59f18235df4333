//! The AWS SDK for JavaScript, version 3, which a Node.js has among its global packages.

use std::path::{Path, PathBuf};

use super::Code;
use crate::runtimes::Runtime;

/// Scopes of packages that make up the SDK.
const SCOPES: [&str; 3] = ["@aws-sdk", "@smithy", "@aws"];
/// How its packages begin where a source names one.
const NAMED: [&str; 3] = ["'@aws-sdk/", "\"@aws-sdk/", "`@aws-sdk/"];

/// Whether the global packages of the interpreter hold the SDK: where `runtimes/nodejs/sdk.js` looks.
pub(super) fn has_sdk(runtime: &Runtime) -> bool {
    let mut folders = vec![runtime.prefix.join("lib/node_modules")];
    if runtime.prefix == Path::new("/usr") {
        // Where Debian's npm installs.
        folders.push("/usr/local/lib/node_modules".into());
    }
    folders.iter().any(|folder| folder.join(SCOPES[0]).is_dir())
}

/// Where packages of a function and its layers are found.
pub(super) fn module_folders(code: &Code, runtime: &Runtime) -> impl Iterator<Item = PathBuf> {
    let versioned = format!("nodejs/node{}/node_modules", runtime.version.major);
    let of_layers =
        code.layers.iter().flat_map(move |layer| [layer.join("nodejs/node_modules"), layer.join(&versioned)]);
    // The last is what `NODE_PATH` says.
    [code.package.join("node_modules"), code.package.clone()].into_iter().chain(of_layers)
}

/// Whether a package of the SDK may be found in this folder.
pub(super) fn holds_module(folder: &Path) -> bool {
    SCOPES.iter().any(|scope| folder.join(scope).exists())
}

/// Whether a source names a package of the SDK.
pub(super) fn imports_sdk(source: &str) -> bool {
    NAMED.iter().any(|name| source.contains(name))
}
