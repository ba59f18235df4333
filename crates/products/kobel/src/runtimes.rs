//! The runtimes that were added to a data folder: brought in from folders and images, and taken away again.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use image::{Digest, Images, Reference};
use sandbox::{AddedRuntime, AddedRuntimes};

/// What can be added.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// With the interpreter's `bin` and `lib`.
    Folder(PathBuf),
    Image(Reference),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Image(#[from] image::Error),
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    #[error("failed to find `{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}

impl Source {
    /// What is there goes before what a registry may have: a folder, an OCI layout, an archive of an image.
    pub fn of(text: &str) -> Result<Source, Error> {
        let path = Path::new(text);
        if path.is_dir() && !path.join("index.json").is_file() {
            let absolute = std::fs::canonicalize(path);
            return absolute.map(Source::Folder).map_err(|source| Error::Io { path: path.to_owned(), source });
        }
        Ok(Source::Image(match (path.is_dir(), path.is_file()) {
            (true, _) => Reference::Layout { path: path.to_owned(), tag: None },
            (_, true) => Reference::Archive { path: path.to_owned() },
            _ => text.parse()?,
        }))
    }
}

/// The runtimes that are added below a data folder.
pub fn at(data: &Path) -> AddedRuntimes {
    AddedRuntimes::at(data.join("runtimes"))
}

/// Adds the interpreter `identifier` of `source`, or the only one that is there. Blocks.
pub fn add(added: &AddedRuntimes, source: &Source, identifier: Option<&str>) -> Result<AddedRuntime, Error> {
    let used = added.lock_used()?;
    let runtime = match source {
        Source::Folder(folder) => added.add_folder(folder, identifier)?,
        Source::Image(reference) => {
            let image = Images::open(added.images())?.pull(reference)?;
            added.add_image(&image.root, &reference.to_string(), identifier)?
        }
    };
    drop(used);
    Ok(runtime)
}

/// Deletes the files that no added runtime has any more, unless somebody may still use them. Tells whether it did.
pub fn collect(added: &AddedRuntimes) -> Result<bool, Error> {
    let Some(unused) = added.lock_unused()? else { return Ok(false) };
    added.collect_folders(&unused)?;
    if added.images().is_dir() {
        let digest = |root: PathBuf| -> Option<Digest> {
            let hex = root.parent()?.file_name()?.to_str()?.to_owned();
            format!("sha256:{hex}").parse().ok()
        };
        let kept: HashSet<Digest> = added.image_roots().into_iter().filter_map(digest).collect();
        Images::open(added.images())?.collect(&kept)?;
    }
    Ok(true)
}

/// Keeps the files of added runtimes there for as long as it is held; first, those that nobody needs go.
pub fn hold(added: &AddedRuntimes) -> Result<File, Error> {
    collect(added)?;
    Ok(added.lock_used()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_goes_before_what_a_registry_may_have() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        let (plain, layout, archive) =
            (folder.path().join("python"), folder.path().join("layout"), folder.path().join("a.tar"));
        std::fs::create_dir(&plain).expect("a folder");
        std::fs::create_dir(&layout).expect("a folder");
        std::fs::write(layout.join("index.json"), "{}").expect("a file");
        std::fs::write(&archive, "").expect("a file");
        let of = |text: &str| Source::of(text).expect(text);
        assert_eq!(of(&text(&plain)), Source::Folder(std::fs::canonicalize(&plain).expect("a folder")));
        assert_eq!(of(&text(&layout)), Source::Image(Reference::Layout { path: layout, tag: None }));
        assert_eq!(of(&text(&archive)), Source::Image(Reference::Archive { path: archive }));
        assert!(matches!(of("python:3.13-slim"), Source::Image(Reference::Registry { .. })));
        Source::of("./none").expect_err("neither a file nor an image");
    }
}
