//! Finds interpreters below a folder that is not the host's root, by looking at files alone: nothing in it is run.

use std::fs;
use std::path::{Path, PathBuf};

use super::discovery::{DOTNET_FRAMEWORK, children, dotnet_version, java_version, node_major};
use super::{Family, Runtime, Version};

/// Where images have interpreters: those of AWS, the official ones, those of distributions.
const PREFIXES: [&str; 4] = ["var/lang", "usr/local", "opt/java/openjdk", "usr"];
/// Folders of JDKs, one each.
const JDKS: [&str; 2] = ["usr/lib/jvm", "usr/local/lib/jvm"];

/// The interpreters in an image's files. Their paths are those that a function sees. `node` is the version of a Node.js
/// that does not tell its own.
pub(super) fn of_image(root: &Path, node: Option<u32>) -> Vec<Runtime> {
    let jdks = JDKS.iter().flat_map(|folder| children(&root.join(folder)));
    let jdks = jdks.filter_map(|path| Some(path.strip_prefix(root).ok()?.to_owned()));
    let prefixes: Vec<PathBuf> = PREFIXES.iter().map(PathBuf::from).chain(jdks).collect();
    let mut found: Vec<Runtime> = Vec::new();
    for prefix in prefixes {
        for (family, version, program) in in_prefix(root, &prefix, node) {
            // The bootstrap of .NET needs what only the host has.
            if family == Family::Dotnet || found.iter().any(|one| one.family == family && one.version == version) {
                continue;
            }
            let prefix = Path::new("/").join(&prefix);
            found.push(Runtime { family, version, path: prefix.join(program), prefix, root: Some(root.to_owned()) });
        }
    }
    found
}

/// The interpreters of a folder with `bin` and `lib` in it, or with `dotnet`.
pub(super) fn of_folder(prefix: &Path, node: Option<u32>) -> Vec<Runtime> {
    let runtime = |(family, version, program)| Runtime {
        family,
        version,
        path: prefix.join(program),
        prefix: prefix.to_owned(),
        root: None,
    };
    in_prefix(prefix, Path::new(""), node).into_iter().map(runtime).collect()
}

/// Families, versions and programs, which are relative to the prefix, and that to the root.
fn in_prefix(root: &Path, prefix: &Path, node: Option<u32>) -> Vec<(Family, Version, PathBuf)> {
    let has = |name: &str| is_file(root, &Path::new("/").join(prefix).join("bin").join(name));
    let prefix = &root.join(prefix);
    let mut found = Vec::new();
    for file in children(&prefix.join("bin")) {
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
        let minor = name.strip_prefix("python3.").and_then(|minor| minor.parse().ok());
        if let Some(minor) = minor.filter(|_| has(name) && prefix.join(format!("lib/{name}/os.py")).exists()) {
            found.push((Family::Python, Version { major: 3, minor }, Path::new("bin").join(name)));
        }
    }
    // Its headers tell, which not every image has.
    if let Some(major) = node_major(prefix).or(node).filter(|_| has("node")) {
        found.push((Family::Nodejs, Version { major, minor: 0 }, "bin/node".into()));
    }
    let release = fs::read_to_string(prefix.join("release")).ok();
    if let Some(version) = release.as_deref().and_then(java_version).filter(|_| has("java")) {
        found.push((Family::Java, version, "bin/java".into()));
    }
    let rubies = children(&prefix.join("lib/ruby"));
    let ruby = rubies.iter().filter_map(|folder| ruby_version(folder.file_name()?.to_str()?)).max();
    if let Some(version) = ruby.filter(|version| version.major >= 3 && has("ruby")) {
        found.push((Family::Ruby, version, "bin/ruby".into()));
    }
    let frameworks = children(&prefix.join(DOTNET_FRAMEWORK));
    let dotnets = frameworks.iter().filter_map(|folder| dotnet_version(folder.file_name()?.to_str()?));
    found.extend(
        dotnets.filter(|_| prefix.join("dotnet").is_file()).map(|version| (Family::Dotnet, version, "dotnet".into())),
    );
    found
}

/// Whether a file is there; links are followed as they are from inside of the root.
#[cfg(target_os = "linux")]
fn is_file(root: &Path, path: &Path) -> bool {
    crate::image::look_up(root, path).is_ok_and(|found| found.is_some_and(|meta| meta.is_file()))
}

/// Whether a file is there; links are not followed.
#[cfg(not(target_os = "linux"))]
fn is_file(root: &Path, path: &Path) -> bool {
    let path = root.join(path.strip_prefix("/").unwrap_or(path));
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
}

/// From the folder of its libraries: `3.3.0`.
fn ruby_version(folder: &str) -> Option<Version> {
    let mut parts = folder.split('.');
    Some(Version { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().expect("a parent")).expect("folders");
            fs::write(file, text).expect("a file");
        }
        folder
    }

    fn names(runtimes: &[Runtime]) -> Vec<String> {
        let name = |runtime: &Runtime| format!("{} {}", runtime.identifier(), runtime.path.display());
        runtimes.iter().map(name).collect()
    }

    #[test]
    fn an_image_s_interpreters_are_found_where_images_have_them() {
        let root = tree(&[
            ("var/lang/bin/python3.12", ""),
            ("var/lang/lib/python3.12/os.py", ""),
            ("usr/bin/python3.12", "another of the same version"),
            ("usr/lib/python3.12/os.py", ""),
            ("usr/bin/python3.9", "without its library"),
            ("usr/local/bin/node", ""),
            ("usr/local/include/node/node_version.h", "#define NODE_MAJOR_VERSION 22\n"),
            ("usr/local/bin/ruby", ""),
            ("usr/local/lib/ruby/3.3.0/set.rb", ""),
            ("usr/lib/jvm/java-21/bin/java", ""),
            ("usr/lib/jvm/java-21/release", "JAVA_VERSION=\"21.0.3\"\n"),
        ]);
        let expected = [
            "python3.12 /var/lang/bin/python3.12",
            "nodejs22.x /usr/local/bin/node",
            "ruby3.3 /usr/local/bin/ruby",
            "java21 /usr/lib/jvm/java-21/bin/java",
        ];
        assert_eq!(names(&of_image(root.path(), None)), expected);
    }

    #[test]
    fn a_folder_is_a_prefix() {
        let folder = tree(&[
            ("bin/python3.13", ""),
            ("lib/python3.13/os.py", ""),
            ("dotnet", ""),
            ("shared/Microsoft.NETCore.App/8.0.4/x.dll", ""),
        ]);
        let at = |name: &str| folder.path().join(name).display().to_string();
        let expected = [format!("python3.13 {}", at("bin/python3.13")), format!("dotnet8 {}", at("dotnet"))];
        assert_eq!(names(&of_folder(folder.path(), None)), expected);
        assert!(of_folder(&folder.path().join("bin"), None).is_empty());
    }

    #[test]
    fn a_node_without_headers_is_the_one_that_is_asked_for() {
        let root = tree(&[("var/lang/bin/node", "")]);
        assert!(of_image(root.path(), None).is_empty());
        assert_eq!(names(&of_image(root.path(), Some(22))), ["nodejs22.x /var/lang/bin/node"]);
    }

    #[test]
    fn links_are_followed_inside_of_the_root_only() {
        let root =
            tree(&[("usr/lib/python3.11/os.py", ""), ("usr/lib/ruby/3.1.0/set.rb", ""), ("usr/bin/ruby3.1", "")]);
        std::os::unix::fs::symlink("/usr/bin/ruby3.1", root.path().join("usr/bin/ruby")).expect("a link");
        std::os::unix::fs::symlink("/usr/bin/env", root.path().join("usr/bin/python3.11")).expect("a link");
        assert_eq!(names(&of_image(root.path(), None)), ["ruby3.1 /usr/bin/ruby"]);
    }
}
