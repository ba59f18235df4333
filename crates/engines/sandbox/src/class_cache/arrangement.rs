//! Arranges a package's classes so that a JVM can archive them: those in its folder as a jar, libraries by their names.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::plan::java;

/// The most files of a package that are looked at.
const FILES_MAX: usize = 50_000;
/// Where libraries are in a package, and in a layer.
const PACKAGE_LIBRARIES: &str = "lib";
const LAYER_LIBRARIES: &str = "java/lib";

/// What a package and its layers have to offer.
pub(super) struct Arrangement {
    /// As an environment sees them.
    pub libraries: Vec<String>,
    /// Whether no file lies both in the package's folder and in a library, so that their order does not matter.
    pub is_disjoint: bool,
}

/// Writes the jar of the classes in `code` into `dir`. Blocks.
pub(super) fn arrange(code: &Path, layers: &[PathBuf], dir: &Path) -> io::Result<Arrangement> {
    let (classes, others) = files(code)?;
    pack(code, &classes, &dir.join(java::CLASSES_JAR))?;
    let mut libraries = Vec::new();
    let mut sources = Vec::new();
    for name in jars(&code.join(PACKAGE_LIBRARIES)) {
        libraries.push(format!("/var/task/{PACKAGE_LIBRARIES}/{name}"));
        sources.push(code.join(PACKAGE_LIBRARIES).join(name));
    }
    // Of two layers' files with one name the upper's is seen.
    let mut of_layers = BTreeMap::new();
    for folder in layers.iter().map(|layer| layer.join(LAYER_LIBRARIES)) {
        of_layers.extend(jars(&folder).into_iter().map(|name| (name.clone(), folder.join(name))));
    }
    for (name, source) in of_layers {
        libraries.push(format!("/opt/{LAYER_LIBRARIES}/{name}"));
        sources.push(source);
    }
    Ok(Arrangement { is_disjoint: is_disjoint(&others, &sources)?, libraries })
}

/// The files of a package but for its libraries, relative to it: classes, and all others.
fn files(code: &Path) -> io::Result<(Vec<String>, HashSet<String>)> {
    let (mut classes, mut others) = (Vec::new(), HashSet::new());
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(code.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() && path != Path::new(PACKAGE_LIBRARIES) {
                folders.push(path);
            } else if kind.is_file() {
                let name = path.to_string_lossy().into_owned();
                if name.ends_with(".class") {
                    classes.push(name);
                } else {
                    others.insert(name);
                }
            }
            if classes.len() + others.len() > FILES_MAX {
                return Err(io::Error::other(format!("the package has more than {FILES_MAX} files")));
            }
        }
    }
    classes.sort();
    Ok((classes, others))
}

/// Folders are no entries of it: what looks for files of a folder finds them in the package's own.
fn pack(code: &Path, classes: &[String], jar: &Path) -> io::Result<()> {
    let mut writer = ZipWriter::new(io::BufWriter::new(File::create(jar)?));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for class in classes {
        writer.start_file(class.as_str(), options)?;
        io::copy(&mut File::open(code.join(class))?, &mut writer)?;
    }
    io::Write::flush(&mut writer.finish()?)
}

/// The names of the jars in a folder, in order; none when there is no such folder.
fn jars(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.to_lowercase().ends_with(".jar")).collect();
    names.sort();
    names
}

fn is_disjoint(others: &HashSet<String>, libraries: &[PathBuf]) -> io::Result<bool> {
    for library in libraries {
        let archive = ZipArchive::new(io::BufReader::new(File::open(library)?))?;
        if archive.file_names().any(|name| name != "META-INF/MANIFEST.MF" && others.contains(name)) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(file: &Path, names: &[&str]) {
        std::fs::create_dir_all(file.parent().expect("parent")).expect("folder");
        let mut writer = ZipWriter::new(File::create(file).expect("file"));
        for name in names {
            writer
                .start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
                .expect("entry");
        }
        writer.finish().expect("jar");
    }

    #[test]
    fn packs_classes_alone_and_names_libraries_in_order() {
        let root = tempfile::tempdir().expect("folder");
        let (code, layer) = (root.path().join("code"), root.path().join("layer"));
        std::fs::create_dir_all(code.join("app")).expect("folder");
        for file in ["app/A.class", "app/settings.properties", "B.class"] {
            std::fs::write(code.join(file), "x").expect("file");
        }
        jar(&code.join("lib/b.jar"), &["META-INF/MANIFEST.MF", "app/settings.xml"]);
        jar(&code.join("lib/a.jar"), &["a/A.class"]);
        jar(&layer.join("java/lib/c.jar"), &["c/C.class"]);
        std::fs::write(code.join("lib/readme.txt"), "x").expect("file");
        let made = arrange(&code, &[layer], root.path()).expect("arranged");
        assert_eq!(made.libraries, ["/var/task/lib/a.jar", "/var/task/lib/b.jar", "/opt/java/lib/c.jar"]);
        assert!(made.is_disjoint);
        let packed = ZipArchive::new(File::open(root.path().join(java::CLASSES_JAR)).expect("jar")).expect("jar");
        let mut names: Vec<&str> = packed.file_names().collect();
        names.sort_unstable();
        assert_eq!(names, ["B.class", "app/A.class"]);
    }

    #[test]
    fn a_file_in_a_library_and_in_the_package_keeps_their_order() {
        let root = tempfile::tempdir().expect("folder");
        let code = root.path().join("code");
        jar(&code.join("lib/a.jar"), &["log.xml"]);
        std::fs::write(code.join("log.xml"), "x").expect("file");
        assert!(!arrange(&code, &[], root.path()).expect("arranged").is_disjoint);
    }
}
