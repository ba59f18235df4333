use std::fs;
use std::path::Path;
use std::process::Command;

use super::tool::{self, ToolError};

/// Whether there are dependencies to install that the folder does not hold.
pub fn needs_build(code: &Path) -> bool {
    let package = fs::read(code.join("package.json")).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_slice(&package).unwrap_or_default();
    let named = package["dependencies"].as_object().is_some_and(|dependencies| !dependencies.is_empty());
    named && !code.join("node_modules").is_dir()
}

/// The sources with `node_modules`, without development dependencies.
pub fn build(code: &Path, target: &Path) -> Result<(), ToolError> {
    tool::copy(code, target, |_| true)?;
    let verb = if code.join("package-lock.json").exists() { "ci" } else { "install" };
    let mut npm = Command::new("npm");
    npm.arg(verb).args(["--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(target);
    tool::run(&mut npm, &format!("npm {verb}"), "install Node.js with npm (Debian: nodejs npm)")
}
