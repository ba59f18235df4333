//! Makes one file of an image on this machine, to be sent to where it is brought in.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::document::{self, Index};
use crate::source::NAME;
use crate::{Error, Reference};

/// A file that [`Reference::Archive`] can name.
#[derive(Debug)]
pub struct Packed {
    path: PathBuf,
    /// Deleted in the end, unless it is the image's own file.
    _temporary: Option<tempfile::TempPath>,
}

impl Packed {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Reference {
    /// An archive of a local image. The same image gives the same bytes.
    ///
    /// # Errors
    /// There is no such file, it is no layout, or it is of a registry. What an archive holds is not looked at.
    pub fn pack(&self) -> Result<Packed, Error> {
        match self {
            Reference::Layout { path, tag } if path.is_dir() => pack_layout(path, tag.as_deref()),
            Reference::Layout { tag: Some(tag), .. } => Err(Error::invalid(format!(
                "`{self}` chooses `{tag}` of an archive; unpack it and name the folder, or leave the tag out"
            ))),
            Reference::Layout { path, .. } | Reference::DockerArchive { path } | Reference::Archive { path } => {
                match path.is_file() {
                    true => Ok(Packed { path: path.clone(), _temporary: None }),
                    false => Err(missing(self, "there is no such file")),
                }
            }
            Reference::Registry { .. } => Err(missing(self, "it is none of this machine")),
        }
    }
}

fn missing(reference: &Reference, reason: &str) -> Error {
    Error::Missing { image: reference.to_string(), reason: reason.to_owned() }
}

fn pack_layout(folder: &Path, tag: Option<&str>) -> Result<Packed, Error> {
    let path = folder.join("index.json");
    let mut index: serde_json::Value =
        document::read(&fs::read(&path).map_err(Error::io("read", &path))?, "index.json")?;
    if let Some(tag) = tag {
        let manifests = index["manifests"].as_array_mut();
        let manifests = manifests.ok_or_else(|| Error::invalid("its `index.json` names no manifests"))?;
        manifests.retain(|entry| entry["annotations"][NAME] == tag);
        if manifests.is_empty() {
            return Err(Error::Missing {
                image: tag.to_owned(),
                reason: "the layout has no image of that name".into(),
            });
        }
    }
    let index = index.to_string();
    document::read::<Index>(index.as_bytes(), "index.json")?;
    let target = tempfile::NamedTempFile::new().map_err(Error::io("write into", &std::env::temp_dir()))?;
    let mut archive = tar::Builder::new(target);
    let mut add = |name: &Path, bytes: u64, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content).map_err(Error::io("pack", folder))
    };
    add(Path::new("index.json"), index.len() as u64, &mut index.as_bytes())?;
    for entry in WalkDir::new(folder.join("blobs")).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::io("read", folder)(error.into()))?;
        let Ok(name) = entry.path().strip_prefix(folder) else { continue };
        if entry.file_type().is_file() {
            let mut file = File::open(entry.path()).map_err(Error::io("open", entry.path()))?;
            let bytes = file.metadata().map_err(Error::io("read", entry.path()))?.len();
            add(name, bytes, &mut file)?;
        }
    }
    let target = archive.into_inner().map_err(Error::io("pack", folder))?.into_temp_path();
    Ok(Packed { path: target.to_path_buf(), _temporary: Some(target) })
}
