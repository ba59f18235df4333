//! Finds interpreters by looking at files; only Node.js has to be asked for its version.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Family, Runtime, Version};

/// The oldest Python that our bootstrap runs on.
const PYTHON_MINOR_MIN: u32 = 6;
/// The oldest .NET that our bootstrap runs on.
const DOTNET_MIN: Version = Version { major: 3, minor: 1 };
/// The shared framework under the folder of `dotnet`.
pub(crate) const DOTNET_FRAMEWORK: &str = "shared/Microsoft.NETCore.App";
/// The most interpreters that are looked at, per family.
const RUNTIMES_MAX: usize = 64;

/// All interpreters in `dirs` and of the host, each version once, newest first within a family.
pub(crate) fn discover(dirs: &[PathBuf]) -> Vec<Runtime> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let given = dirs.iter().flat_map(|dir| [dir.join("bin"), dir.clone()]);
    let bins: Vec<PathBuf> = given.chain(std::env::split_paths(&path).filter(|dir| !is_shims(dir))).collect();
    let mut found = pythons(&bins, &home);
    found.extend(nodes(&bins, &home));
    found.extend(javas(&bins, &home));
    found.extend(rubies(&bins, &home));
    found.extend(dotnets(&bins, &home));
    found
}

/// Version managers put scripts there that choose an interpreter by the current folder.
fn is_shims(dir: &Path) -> bool {
    dir.file_name().is_some_and(|name| name == "shims")
}

fn pythons(bins: &[PathBuf], home: &Path) -> Vec<Runtime> {
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let mut dirs = bins.to_vec();
    dirs.extend(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    dirs.extend(children(&pyenv.join("versions")).into_iter().map(|version| version.join("bin")));
    dirs.extend(children(&home.join(".local/share/uv/python")).into_iter().map(|version| version.join("bin")));
    let candidates = dirs.iter().flat_map(|dir| {
        children(dir).into_iter().filter_map(|file| {
            let minor = file.file_name()?.to_str()?.strip_prefix("python3.")?.parse::<u32>().ok()?;
            (minor >= PYTHON_MINOR_MIN).then_some((Version { major: 3, minor }, file))
        })
    });
    unique(Family::Python, candidates.collect(), |version, prefix| {
        prefix.join(format!("lib/python3.{}/os.py", version.minor)).exists()
    })
}

fn nodes(bins: &[PathBuf], home: &Path) -> Vec<Runtime> {
    let nvm = std::env::var_os("NVM_DIR").map_or_else(|| home.join(".nvm"), PathBuf::from);
    let mut dirs = bins.to_vec();
    dirs.extend(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    dirs.extend(children(&nvm.join("versions/node")).into_iter().map(|version| version.join("bin")));
    let mut asked = HashSet::new();
    let candidates = dirs.iter().filter_map(|dir| {
        let file = dir.join("node").canonicalize().ok()?;
        asked.insert(file.clone()).then_some(())?;
        Some((node_version(&file)?, file))
    });
    unique(Family::Nodejs, candidates.collect(), |_, prefix| {
        prefix.starts_with("/usr") || prefix.join("include/node").exists() || prefix.join("lib/node_modules").exists()
    })
}

/// From the name of its folder, from the header beside it, or by asking it.
fn node_version(file: &Path) -> Option<Version> {
    let prefix = file.parent()?.parent()?;
    let from_folder = prefix.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix('v'));
    let asked = || {
        let output = Command::new(file).arg("--version").output().ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().trim_start_matches('v').to_owned())
    };
    let major = |text: &str| text.split('.').next()?.parse().ok();
    let found = from_folder.and_then(major).or_else(|| node_major(prefix));
    Some(Version { major: found.or_else(|| major(&asked()?))?, minor: 0 })
}

/// From the header beside it.
pub(super) fn node_major(prefix: &Path) -> Option<u32> {
    let header = std::fs::read_to_string(prefix.join("include/node/node_version.h")).ok()?;
    header.lines().find_map(|line| line.strip_prefix("#define NODE_MAJOR_VERSION "))?.trim().parse().ok()
}

fn javas(bins: &[PathBuf], home: &Path) -> Vec<Runtime> {
    let mut prefixes: Vec<PathBuf> = std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    prefixes
        .extend(bins.iter().filter_map(|dir| Some(dir.join("java").canonicalize().ok()?.parent()?.parent()?.into())));
    for parent in ["/usr/lib/jvm", "/usr/local/lib/jvm", "/opt/java"] {
        prefixes.extend(children(Path::new(parent)));
    }
    prefixes.extend(children(&home.join(".sdkman/candidates/java")));
    let candidates = prefixes.into_iter().filter_map(|prefix| {
        let version = java_version(&std::fs::read_to_string(prefix.join("release")).ok()?)?;
        Some((version, prefix.join("bin/java")))
    });
    unique(Family::Java, candidates.collect(), |_, prefix| prefix.join("lib/modules").exists())
}

/// From `JAVA_VERSION="17.0.15"` or `"1.8.0_442"` of a `release` file.
pub(super) fn java_version(release: &str) -> Option<Version> {
    let text = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim_matches('"');
    let text = text.strip_prefix("1.").unwrap_or(text);
    Some(Version { major: text.split(['.', '_', '-', '+']).next()?.parse().ok()?, minor: 0 })
}

fn rubies(bins: &[PathBuf], home: &Path) -> Vec<Runtime> {
    let rbenv = std::env::var_os("RBENV_ROOT").map_or_else(|| home.join(".rbenv"), PathBuf::from);
    let mut dirs = bins.to_vec();
    dirs.extend(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    for parent in [rbenv.join("versions"), home.join(".rubies"), PathBuf::from("/opt/rubies")] {
        dirs.extend(children(&parent).into_iter().map(|version| version.join("bin")));
    }
    let candidates = dirs.iter().filter_map(|dir| {
        let file = dir.join("ruby").canonicalize().ok()?;
        let version = ruby_version(&file)?;
        (version.major >= 3).then_some((version, file))
    });
    unique(Family::Ruby, candidates.collect(), |version, prefix| {
        prefix.join(format!("lib/ruby/{}.{}.0", version.major, version.minor)).exists()
    })
}

/// From the executable's own name (`ruby3.1`), else from its only folder of libraries (`lib/ruby/3.3.0`).
fn ruby_version(file: &Path) -> Option<Version> {
    let pair = |text: &str| {
        let (major, rest) = text.split_once('.')?;
        let minor = rest.split('.').next()?;
        Some(Version { major: major.parse().ok()?, minor: minor.parse().ok()? })
    };
    let named = file.file_name()?.to_str()?.strip_prefix("ruby").and_then(pair);
    named.or_else(|| {
        let libraries = children(&file.parent()?.parent()?.join("lib/ruby"));
        libraries.iter().filter_map(|folder| pair(folder.file_name()?.to_str()?)).max()
    })
}

/// One for each version of the shared framework that a `dotnet` can start.
fn dotnets(bins: &[PathBuf], home: &Path) -> Vec<Runtime> {
    let mut roots: Vec<PathBuf> = std::env::var_os("DOTNET_ROOT").map(PathBuf::from).into_iter().collect();
    roots.extend(bins.iter().filter_map(|dir| Some(dir.join("dotnet").canonicalize().ok()?.parent()?.to_path_buf())));
    roots.extend(["/usr/share/dotnet", "/usr/lib/dotnet", "/usr/local/share/dotnet"].map(PathBuf::from));
    roots.push(home.join(".dotnet"));
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for prefix in roots.iter().filter_map(|root| root.canonicalize().ok()) {
        let path = prefix.join("dotnet");
        let versions = children(&prefix.join(DOTNET_FRAMEWORK));
        let versions = versions.iter().filter_map(|folder| dotnet_version(folder.file_name()?.to_str()?));
        for version in versions.filter(|version| path.exists() && seen.insert(*version)).take(RUNTIMES_MAX) {
            found.push(Runtime {
                family: Family::Dotnet,
                version,
                path: path.clone(),
                prefix: prefix.clone(),
                root: None,
            });
        }
    }
    found.sort_by_key(|runtime| std::cmp::Reverse(runtime.version));
    found
}

/// From `3.1.23` or `8.0.4`.
pub(super) fn dotnet_version(folder: &str) -> Option<Version> {
    let mut parts = folder.split('.');
    let version = Version { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? };
    (version >= DOTNET_MIN).then_some(version)
}

/// The first executable of each version whose prefix is whole.
fn unique(family: Family, candidates: Vec<(Version, PathBuf)>, whole: impl Fn(Version, &Path) -> bool) -> Vec<Runtime> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (version, file) in candidates.into_iter().take(RUNTIMES_MAX * 16) {
        let Ok(path) = file.canonicalize() else { continue };
        let Some(prefix) = path.parent().and_then(Path::parent).map(Path::to_path_buf) else { continue };
        if found.len() < RUNTIMES_MAX && whole(version, &prefix) && seen.insert(version) {
            found.push(Runtime { family, version, path, prefix, root: None });
        }
    }
    found.sort_by_key(|runtime| std::cmp::Reverse(runtime.version));
    found
}

/// The entries of a folder in order of their names; none when it cannot be read.
pub(super) fn children(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_of_a_jdk() {
        let cases = [("JAVA_VERSION=\"17.0.15\"", Some(17)), ("X=1\nJAVA_VERSION=\"1.8.0_442\"", Some(8)), ("", None)];
        for (release, expected) in cases {
            assert_eq!(java_version(release).map(|version| version.major), expected, "{release}");
        }
    }
}
