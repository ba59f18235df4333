use std::fs;
use std::path::Path;
use std::process::Command;

use super::tool::{self, ToolError};

/// Whether there are requirements to install.
pub fn needs_build(code: &Path) -> bool {
    let requirements = fs::read_to_string(code.join("requirements.txt")).unwrap_or_default();
    requirements.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

/// The sources, and what `requirements.txt` names beside them.
pub fn build(code: &Path, target: &Path, runtime: &str) -> Result<(), ToolError> {
    tool::copy(code, target, |_| true)?;
    let exact = Command::new(runtime).arg("--version").output().is_ok_and(|output| output.status.success());
    let python = if exact { runtime } else { "python3" };
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"])
        .arg(code.join("requirements.txt"))
        .arg("--target")
        .arg(target);
    tool::run(&mut pip, "pip install -r requirements.txt", "install Python 3 with pip (Debian: python3-pip)")
}
