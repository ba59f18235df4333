use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use walkdir::WalkDir;

use super::fingerprint::is_residue;

/// How much of a failed tool's output is shown: its end.
const SHOWN_BYTES_MAX: usize = 4_000;

#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("`{tool}` is needed to build it and was not found; {remedy}")]
    Missing { tool: String, remedy: String },
    #[error("`{command}` failed with {status}:\n{output}")]
    Failed { command: String, status: String, output: String },
    #[error("Lambda's Java interfaces could not be made: {0}")]
    Interfaces(String),
    #[error("failed to copy its sources: {0}")]
    Copy(#[from] io::Error),
}

/// Runs a build tool to its end; its output is shown only if it fails.
pub fn run(command: &mut Command, shown: &str, remedy: &str) -> Result<(), ToolError> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ToolError::Missing { tool, remedy: remedy.to_owned() },
        _ => ToolError::Failed { command: shown.to_owned(), status: error.to_string(), output: String::new() },
    })?;
    if output.status.success() {
        return Ok(());
    }
    let whole = [output.stdout, output.stderr].concat();
    let end = &whole[whole.len().saturating_sub(SHOWN_BYTES_MAX)..];
    Err(ToolError::Failed {
        command: shown.to_owned(),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(end).trim().to_owned(),
    })
}

/// Copies the files of a source folder, links as they are.
pub fn copy(from: &Path, to: &Path, wanted: impl Fn(&Path) -> bool) -> io::Result<()> {
    for entry in WalkDir::new(from).min_depth(1).into_iter().filter_entry(|entry| !is_residue(entry)) {
        let entry = entry?;
        let path = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let target = to.join(path);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else if !wanted(path) {
            continue;
        } else if entry.file_type().is_symlink() {
            link(&fs::read_link(entry.path())?, &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(original: &Path, target: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(original, target)
}

#[cfg(not(unix))]
fn link(original: &Path, target: &Path) -> io::Result<()> {
    fs::copy(original, target).map(|_| ())
}
