//! Where images come from. Each source finds one image and opens its layers.

mod docker;
mod layout;
mod registry;

pub(crate) use layout::NAME;

use std::io::Read;
use std::path::Path;

use crate::archive::Archive;
use crate::document::{self, DOCUMENT_BYTES_MAX, Descriptor, ImageConfig, Index, Manifest};
use crate::{Digest, Error, Reference};

/// Indexes may name indexes; more than these are nobody's.
const INDEX_DEPTH_MAX: usize = 3;

pub(crate) trait Source {
    /// The image for this machine.
    fn find(&self) -> Result<Found, Error>;
    /// A layer as it is stored, mostly compressed.
    fn open(&self, layer: &Blob) -> Result<Box<dyn Read + '_>, Error>;
}

/// An image whose layers are not read yet.
pub(crate) struct Found {
    /// Of its manifest; of its configuration where there is no manifest.
    pub digest: Digest,
    pub config: ImageConfig,
    pub layers: Vec<Blob>,
}

/// A layer as it is stored.
pub(crate) struct Blob {
    pub name: String,
    /// Absent where only its plain form has one.
    pub digest: Option<Digest>,
    /// In bytes.
    pub size: Option<u64>,
}

/// The source for a reference. `aside` is for temporary files.
pub(crate) fn of(reference: &Reference, aside: &Path) -> Result<Box<dyn Source>, Error> {
    if let Some(path) = reference.local_path()
        && let Err(error) = std::fs::metadata(path)
    {
        return Err(Error::Missing { image: reference.to_string(), reason: error.to_string() });
    }
    Ok(match reference {
        Reference::Layout { path, tag } => Box::new(layout::Layout::open(path, tag.clone(), aside)?),
        Reference::DockerArchive { path } => Box::new(docker::DockerArchive::of(Archive::open(path, aside)?)?),
        Reference::Archive { path } => {
            let archive = Archive::open(path, aside)?;
            match archive.has(docker::MANIFEST) {
                true => Box::new(docker::DockerArchive::of(archive)?),
                false => Box::new(layout::Layout::of(archive)),
            }
        }
        Reference::Registry { registry, repository, version } => {
            Box::new(registry::Registry::new(registry, repository, version.clone())?)
        }
    })
}

/// Follows an index to the manifest for this machine, and reads what that names. `get` reads a document.
fn follow(
    mut digest: Digest,
    mut bytes: Vec<u8>,
    get: &dyn Fn(&Descriptor) -> Result<Vec<u8>, Error>,
) -> Result<Found, Error> {
    for _ in 0..INDEX_DEPTH_MAX {
        let Ok(index) = document::read::<Index>(&bytes, "index") else { break };
        let descriptor = document::choose(&index)?;
        bytes = checked(descriptor, get)?;
        digest = descriptor.digest.parse()?;
    }
    let manifest: Manifest = document::read(&bytes, "manifest")?;
    document::check_manifest(&manifest)?;
    let config = document::read(&checked(&manifest.config, get)?, "configuration")?;
    let layers = manifest.layers.iter().map(|layer| {
        Ok(Blob { name: layer.digest.clone(), digest: Some(layer.digest.parse()?), size: Some(layer.size) })
    });
    Ok(Found { digest, config, layers: layers.collect::<Result<_, Error>>()? })
}

/// A document that is what its descriptor promises.
fn checked(descriptor: &Descriptor, get: &dyn Fn(&Descriptor) -> Result<Vec<u8>, Error>) -> Result<Vec<u8>, Error> {
    if descriptor.size > DOCUMENT_BYTES_MAX {
        return Err(Error::TooLarge { reason: format!("a document of it has more than {DOCUMENT_BYTES_MAX} bytes") });
    }
    let promised: Digest = descriptor.digest.parse()?;
    let bytes = get(descriptor)?;
    let found = Digest::of(&bytes);
    if found != promised {
        return Err(Error::invalid(format!("a document has the digest {found} where {promised} was promised")));
    }
    Ok(bytes)
}

/// Reads a document, which has a limit.
fn read_document(reader: impl Read, what: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = reader.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::invalid(format!("`{what}` cannot be read: {error}")))?;
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(Error::TooLarge { reason: format!("`{what}` has more than {DOCUMENT_BYTES_MAX} bytes") });
    }
    Ok(bytes)
}
