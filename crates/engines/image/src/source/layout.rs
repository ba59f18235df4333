//! An OCI layout: `index.json` and `blobs/`, as a folder or as a tar of it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Blob, Found, Source, follow, read_document};
use crate::archive::Archive;
use crate::document::{self, Descriptor, Index};
use crate::{Digest, Error};

/// The annotation by which a layout names its images.
pub(crate) const NAME: &str = "org.opencontainers.image.ref.name";

pub(super) struct Layout {
    files: Files,
    tag: Option<String>,
}

enum Files {
    Folder(PathBuf),
    Archive(Archive),
}

impl Layout {
    pub(super) fn open(path: &Path, tag: Option<String>, aside: &Path) -> Result<Layout, Error> {
        let files =
            if path.is_dir() { Files::Folder(path.to_owned()) } else { Files::Archive(Archive::open(path, aside)?) };
        Ok(Layout { files, tag })
    }

    /// A tar of a layout with one image.
    pub(super) fn of(archive: Archive) -> Layout {
        Layout { files: Files::Archive(archive), tag: None }
    }

    fn file(&self, name: &str) -> Result<Box<dyn Read>, Error> {
        match &self.files {
            Files::Archive(archive) => Ok(Box::new(archive.file(name)?)),
            Files::Folder(folder) => {
                let path = folder.join(name);
                let missing = |error| Error::invalid(format!("the layout's `{}`: {error}", path.display()));
                Ok(Box::new(File::open(&path).map_err(missing)?))
            }
        }
    }

    fn blob(&self, digest: &str) -> Result<Box<dyn Read>, Error> {
        let digest: Digest = digest.parse()?;
        self.file(&format!("blobs/sha256/{}", digest.hex()))
    }

    /// The index with the images of the wanted name alone.
    fn named(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        let Some(tag) = &self.tag else { return Ok(bytes) };
        let index: Index = document::read(&bytes, "index")?;
        let named = |descriptor: &&Descriptor| descriptor.annotations.get(NAME) == Some(tag);
        let Some(descriptor) = index.manifests.iter().find(named) else {
            return Err(Error::Missing {
                image: tag.clone(),
                reason: "the layout has no image of that name".to_owned(),
            });
        };
        read_document(self.blob(&descriptor.digest)?, &descriptor.digest)
    }
}

impl Source for Layout {
    fn find(&self) -> Result<Found, Error> {
        let index = read_document(self.file("index.json")?, "index.json")?;
        let bytes = self.named(index)?;
        let get = |descriptor: &Descriptor| read_document(self.blob(&descriptor.digest)?, &descriptor.digest);
        follow(Digest::of(&bytes), bytes, &get)
    }

    fn open(&self, layer: &Blob) -> Result<Box<dyn Read + '_>, Error> {
        self.blob(&layer.name)
    }
}
