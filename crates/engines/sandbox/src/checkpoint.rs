//! CRIU, which could restore a JVM after its init: whether the host has one that would do.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::capabilities::Feature;
use crate::runtimes::Version;

const NAME: &str = "CRIU";
/// The first version that restores on current kernels, whose vDSO older ones do not know.
const VERSION_MIN: Version = Version { major: 4, minor: 1 };
/// Where it is although `PATH` of users does not name it.
const SYSTEM_DIRS: [&str; 2] = ["/usr/local/sbin", "/usr/sbin"];
/// What is done instead.
const INSTEAD: &str = "Java and .NET functions with SnapStart run their init in each environment, with an archive of a \
                       JVM's classes";

/// What the host has, and what it is good for.
pub(crate) fn feature() -> Feature {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(SYSTEM_DIRS.map(PathBuf::from));
    let Some(program) = dirs.map(|dir| dir.join("criu")).find(|file| file.is_file()) else {
        return Feature::off(NAME, format!("there is none on this host; {INSTEAD}"));
    };
    Feature::off(NAME, format!("{}; {INSTEAD}", describe(&program, version(&program))))
}

fn version(program: &Path) -> Option<Version> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// From `Version: 4.1.1`.
fn parse(text: &str) -> Option<Version> {
    let text = text.lines().find_map(|line| line.strip_prefix("Version:"))?.trim();
    let mut parts = text.split('.');
    Some(Version { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
}

fn describe(program: &Path, version: Option<Version>) -> String {
    let program = program.display();
    match version {
        None => format!("{program} does not tell its version"),
        Some(version) if version < VERSION_MIN => {
            let Version { major, minor } = version;
            format!("{program} is version {major}.{minor}, and 4.1 is the first that restores on current kernels")
        }
        Some(Version { major, minor }) => {
            format!("{program} is version {major}.{minor}, which would do, but Kobel does not restore by it yet")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_whether_a_version_would_do() {
        let cases = [
            ("Version: 3.17.1\n", "the first that restores"),
            ("Version: 4.0\n", "the first that restores"),
            ("Version: 4.1.1\nGitID: v4.1\n", "would do, but"),
            ("Version: 4.2\n", "would do, but"),
            ("unknown option", "does not tell"),
        ];
        for (text, expected) in cases {
            let described = describe(Path::new("/usr/sbin/criu"), parse(text));
            assert!(described.contains(expected), "{text}: {described}");
        }
    }
}
