use std::path::{Path, PathBuf};
use std::process::Command;

use walkdir::WalkDir;

use super::fingerprint::is_residue;
use super::tool::{self, ToolError};

/// The Java sources below `code`, unless a build tool's file says that they are not for plain `javac`.
pub fn sources(code: &Path) -> Vec<PathBuf> {
    if ["pom.xml", "build.gradle", "build.gradle.kts"].iter().any(|name| code.join(name).exists()) {
        return Vec::new();
    }
    let entries = WalkDir::new(code).sort_by_file_name().into_iter().filter_entry(|entry| !is_residue(entry));
    let files = entries.filter_map(Result::ok).map(walkdir::DirEntry::into_path);
    files.filter(|path| path.extension().is_some_and(|extension| extension == "java")).collect()
}

/// Classes of the sources, with their other files (resources, `lib/*.jar`) beside them.
pub fn build(code: &Path, target: &Path, runtime: &str, interfaces: &Path) -> Result<(), ToolError> {
    let is_source = |path: &Path| path.extension().is_some_and(|extension| extension == "java");
    tool::copy(code, target, |path| !is_source(path))?;
    let mut javac = Command::new("javac");
    javac.args(["-encoding", "UTF-8", "-parameters", "-g", "-nowarn"]);
    if let Some(release) = release(runtime) {
        javac.args(["--release", release]);
    }
    let classpath = std::env::join_paths([interfaces.to_owned(), code.join("lib").join("*")]).unwrap_or_default();
    javac.arg("-classpath").arg(classpath).arg("-d").arg(target).args(sources(code));
    tool::run(&mut javac, "javac", "install a JDK (Debian: default-jdk-headless)")
}

/// The language level of a runtime, if the host's `javac` may be newer.
fn release(runtime: &str) -> Option<&'static str> {
    match runtime {
        "java8" | "java8.al2" => Some("8"),
        "java11" => Some("11"),
        "java17" => Some("17"),
        // A later runtime is served by the nearest JDK of the host, at the level that this one has.
        _ => None,
    }
}
