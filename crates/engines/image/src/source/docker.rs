//! What `docker save` writes: `manifest.json`, a configuration, and layers that only their plain digests tell.

use std::io::Read;

use serde::Deserialize;

use super::{Blob, Found, Source, read_document};
use crate::archive::Archive;
use crate::document::{self, LAYERS_MAX};
use crate::{Digest, Error};

pub(super) const MANIFEST: &str = "manifest.json";

pub(super) struct DockerArchive {
    archive: Archive,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

impl DockerArchive {
    pub(super) fn of(archive: Archive) -> Result<DockerArchive, Error> {
        if !archive.has(MANIFEST) {
            return Err(Error::invalid(format!(
                "the archive holds no `{MANIFEST}`, so `docker save` did not write it"
            )));
        }
        Ok(DockerArchive { archive })
    }
}

impl Source for DockerArchive {
    fn find(&self) -> Result<Found, Error> {
        let saved = read_document(self.archive.file(MANIFEST)?, MANIFEST)?;
        let saved: Vec<Saved> = document::read(&saved, MANIFEST)?;
        let [saved] = saved.as_slice() else {
            return Err(Error::invalid(format!("the archive holds {} images; save a single one", saved.len())));
        };
        if saved.layers.len() > LAYERS_MAX {
            return Err(Error::TooLarge { reason: format!("it has more than {LAYERS_MAX} layers") });
        }
        let config = read_document(self.archive.file(&saved.config)?, &saved.config)?;
        let layers = saved.layers.iter().map(|name| Blob { name: name.clone(), digest: None, size: None });
        let layers = layers.collect();
        Ok(Found { digest: Digest::of(&config), config: document::read(&config, "configuration")?, layers })
    }

    fn open(&self, layer: &Blob) -> Result<Box<dyn Read + '_>, Error> {
        Ok(Box::new(self.archive.file(&layer.name)?))
    }
}
