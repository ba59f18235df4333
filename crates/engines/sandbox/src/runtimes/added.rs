//! The runtimes that were added to a data folder. They serve the functions of every server that has it.
//!
//! Each has a record in `added/`, named by its identifier, and its files in `folders/` or in an image. A record is there
//! only when all its files are; they go when no record names them any more and nobody uses them.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Family, Runtime, copy, inside, parse_identifier};
use crate::Error;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct AddedRuntimes {
    folder: PathBuf,
}

/// A runtime that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedRuntime {
    /// Its interpreter.
    pub runtime: Runtime,
    /// What it was added from, as the user named it.
    pub from: String,
}

/// Paths are relative: a data folder can be moved.
#[derive(Serialize, Deserialize)]
struct Record {
    from: String,
    /// Its files, below the folder of all added runtimes.
    files: PathBuf,
    /// Whether the files are a root; `path` and `prefix` are below it.
    is_root: bool,
    path: PathBuf,
    prefix: PathBuf,
}

impl AddedRuntimes {
    /// Those in `folder`, which need not be there.
    pub fn at(folder: PathBuf) -> AddedRuntimes {
        AddedRuntimes { folder }
    }

    /// Where images of runtimes belong.
    pub fn images(&self) -> PathBuf {
        self.folder.join("images")
    }

    /// All of them, in the order of their identifiers. What cannot be read is left out with a warning.
    pub fn all(&self) -> Vec<AddedRuntime> {
        let records = super::discovery::children(&self.records());
        let read = |file: &PathBuf| {
            let identifier = file.file_name()?.to_str()?.strip_suffix(".json")?;
            let read = self.read(identifier);
            read.inspect_err(|reason| tracing::warn!(identifier, reason, "an added runtime cannot be used")).ok()
        };
        records.iter().filter_map(read).collect()
    }

    /// Adds the interpreter of a folder by copying it. `identifier` tells which, where there are several.
    pub fn add_folder(&self, source: &Path, identifier: Option<&str>) -> Result<AddedRuntime, Error> {
        let chosen = choose(inside::of_folder(source, node_of(identifier)), source, identifier)?;
        let identifier = chosen.identifier();
        let folders = self.folder.join("folders");
        let files = copy::into_new(source, &folders, &identifier)?;
        let below = |path: &Path| path.strip_prefix(source).unwrap_or(path).to_owned();
        let record = Record {
            from: source.display().to_string(),
            files: Path::new("folders").join(files),
            is_root: false,
            path: below(&chosen.path),
            prefix: PathBuf::new(),
        };
        self.write(&identifier, &record)
    }

    /// Adds the interpreter of an image, whose files lie below [`AddedRuntimes::images`].
    pub fn add_image(&self, root: &Path, from: &str, identifier: Option<&str>) -> Result<AddedRuntime, Error> {
        let chosen = choose(inside::of_image(root, node_of(identifier)), Path::new(from), identifier)?;
        let below = |path: &Path| path.strip_prefix("/").unwrap_or(path).to_owned();
        let record = Record {
            from: from.to_owned(),
            files: root.strip_prefix(&self.folder).unwrap_or(root).to_owned(),
            is_root: true,
            path: below(&chosen.path),
            prefix: below(&chosen.prefix),
        };
        self.write(&chosen.identifier(), &record)
    }

    /// New environments do not run on it any more. Its files go with [`AddedRuntimes::lock_unused`].
    pub fn remove(&self, identifier: &str) -> Result<(), Error> {
        let record = self.record_file(identifier)?;
        match fs::remove_file(&record) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::NotAdded { identifier: identifier.to_owned() })
            }
            Err(error) => Err(failed("remove", &record)(error)),
        }
    }

    /// The roots of images that are added.
    pub fn image_roots(&self) -> HashSet<PathBuf> {
        self.all().into_iter().filter_map(|added| added.runtime.root).collect()
    }

    /// Deletes the folders that no record names. Holds for `_unused`, the lock of [`AddedRuntimes::lock_unused`].
    pub fn collect_folders(&self, _unused: &File) -> Result<(), Error> {
        let kept: HashSet<PathBuf> = self.all().into_iter().map(|added| added.runtime.prefix).collect();
        for folder in super::discovery::children(&self.folder.join("folders")) {
            if !kept.contains(&folder) {
                fs::remove_dir_all(&folder).map_err(failed("remove", &folder))?;
            }
        }
        Ok(())
    }

    /// Keeps the files of all added runtimes there for as long as it is held, as by a server.
    pub fn lock_used(&self) -> Result<File, Error> {
        let file = self.lock_file()?;
        file.lock_shared().map_err(failed("lock", &self.folder))?;
        Ok(file)
    }

    /// Nothing while somebody uses added runtimes.
    pub fn lock_unused(&self) -> Result<Option<File>, Error> {
        let file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", &self.folder)(error)),
        }
    }

    /// The folder that changes with every addition and removal.
    pub(crate) fn records(&self) -> PathBuf {
        self.folder.join("added")
    }

    fn lock_file(&self) -> Result<File, Error> {
        create(&self.folder)?;
        let path = self.folder.join("in-use");
        File::options().create(true).append(true).open(&path).map_err(failed("open", &path))
    }

    fn record_file(&self, identifier: &str) -> Result<PathBuf, Error> {
        // Only what names a runtime is a name of a file here.
        parse_identifier(identifier)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        match identifier.bytes().all(is_name) {
            true => Ok(self.records().join(format!("{identifier}.json"))),
            false => Err(Error::RuntimeUnsupported { identifier: identifier.to_owned() }),
        }
    }

    fn read(&self, identifier: &str) -> Result<AddedRuntime, String> {
        let (family, version) = parse_identifier(identifier).map_err(|error| error.to_string())?;
        let text = fs::read(self.records().join(format!("{identifier}.json"))).map_err(|error| error.to_string())?;
        let record: Record = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let files = self.folder.join(&record.files);
        let seen = if record.is_root { Path::new("/") } else { &files };
        let prefix = if record.prefix.as_os_str().is_empty() { seen.to_owned() } else { seen.join(&record.prefix) };
        let (path, root) = (seen.join(&record.path), record.is_root.then(|| files.clone()));
        let is_there = files.is_dir();
        let runtime = Runtime { family, version, path, prefix, root };
        is_there.then_some(AddedRuntime { runtime, from: record.from }).ok_or_else(|| "its files are gone".to_owned())
    }

    /// Whole or not at all, and on disk.
    fn write(&self, identifier: &str, record: &Record) -> Result<AddedRuntime, Error> {
        let target = self.record_file(identifier)?;
        create(&self.records())?;
        let draft = self.folder.join(format!("{identifier}.draft"));
        let text = serde_json::to_vec(record).map_err(|error| failed("write", &target)(error.into()))?;
        let written = File::create(&draft).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&draft, &target)).map_err(failed("write", &target))?;
        self.read(identifier).map_err(|reason| failed("read", &target)(std::io::Error::other(reason)))
    }
}

/// The version of Node.js that is asked for.
fn node_of(identifier: Option<&str>) -> Option<u32> {
    let (family, version) = parse_identifier(identifier?).ok()?;
    (family == Family::Nodejs).then_some(version.major)
}

/// The only interpreter, or the one that is asked for.
fn choose(found: Vec<Runtime>, place: &Path, identifier: Option<&str>) -> Result<Runtime, Error> {
    let names: Vec<String> = found.iter().map(Runtime::identifier).collect();
    let place = place.display().to_string();
    let mut found = found.into_iter();
    match identifier {
        Some(wanted) => {
            let (family, version) = parse_identifier(wanted)?;
            let fits = |runtime: &Runtime| runtime.family == family && runtime.version == version;
            let without = || Error::NoSuchInterpreter { place, found: names.join(", "), wanted: wanted.to_owned() };
            found.find(fits).ok_or_else(without)
        }
        None => match (found.next(), names.len()) {
            (Some(runtime), 1) => Ok(runtime),
            (None, _) => Err(Error::NoInterpreter { place }),
            _ => Err(Error::SeveralInterpreters { place, found: names.join(", ") }),
        },
    }
}

fn create(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(failed("create", folder))
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(folder: &Path, minor: u32) {
        for (name, text) in [(format!("bin/python3.{minor}"), "program"), (format!("lib/python3.{minor}/os.py"), "")] {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().expect("a parent")).expect("folders");
            fs::write(file, text).expect("a file");
        }
    }

    #[test]
    fn a_folder_is_copied_and_found_again_and_removed() {
        let place = tempfile::tempdir().expect("a folder");
        let source = place.path().join("source");
        python(&source, 12);
        std::os::unix::fs::symlink("python3.12", source.join("bin/python3")).expect("a link");
        let added = AddedRuntimes::at(place.path().join("runtimes"));
        assert!(added.all().is_empty());
        let runtime = added.add_folder(&source, None).expect("added").runtime;
        fs::remove_dir_all(&source).expect("it is not needed any more");
        assert_eq!(fs::read_to_string(&runtime.path).expect("a program"), "program");
        assert_eq!(fs::read_to_string(runtime.prefix.join("bin/python3")).expect("a link"), "program");
        assert_eq!((runtime.family, runtime.identifier().as_str()), (Family::Python, "python3.12"));
        assert_eq!(added.all().iter().map(|added| &added.runtime).collect::<Vec<_>>(), [&runtime]);
        let used = added.lock_used().expect("a lock");
        added.remove("python3.12").expect("removed");
        assert!(added.all().is_empty() && added.lock_unused().expect("a lock").is_none());
        drop(used);
        let unused = added.lock_unused().expect("a lock").expect("nobody uses it");
        added.collect_folders(&unused).expect("collected");
        assert!(!runtime.prefix.exists());
        assert!(matches!(added.remove("python3.12"), Err(Error::NotAdded { .. })));
        assert!(matches!(added.remove("java../../x"), Err(Error::RuntimeUnsupported { .. })));
    }

    #[test]
    fn one_of_several_must_be_named() {
        let place = tempfile::tempdir().expect("a folder");
        let source = place.path().join("source");
        let added = AddedRuntimes::at(place.path().join("runtimes"));
        fs::create_dir(&source).expect("a folder");
        assert!(matches!(added.add_folder(&source, None), Err(Error::NoInterpreter { .. })));
        python(&source, 11);
        python(&source, 12);
        assert!(matches!(added.add_folder(&source, None), Err(Error::SeveralInterpreters { .. })));
        assert!(matches!(added.add_folder(&source, Some("ruby3.3")), Err(Error::NoSuchInterpreter { .. })));
        let runtime = added.add_folder(&source, Some("python3.11")).expect("one of them").runtime;
        assert_eq!(runtime.identifier(), "python3.11");
        assert_eq!(fs::read_dir(place.path().join("runtimes/folders")).expect("a folder").count(), 1);
    }
}
