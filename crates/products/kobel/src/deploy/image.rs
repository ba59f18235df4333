//! Images beside a template, which functions name by their paths.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use image::{Packed, Reference};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wire::checksum::hex;

use crate::build::container::{Engine, Recipe};

use super::source::{FUNCTION, PLAIN_FUNCTION, SourceError, TemplateFile};
use super::{Error, object};

/// An image on this machine that a function of a template names.
#[derive(Debug)]
pub struct LocalImage {
    /// The function's logical id.
    pub resource: String,
    pub reference: Reference,
}

/// An archive to be uploaded.
pub struct Archive {
    packed: Packed,
    /// Its SHA-256 in hexadecimal.
    pub digest: String,
}

impl LocalImage {
    /// Its files, which change when it is built anew.
    pub fn path(&self) -> &Path {
        self.reference.local_path().unwrap_or(Path::new(""))
    }

    /// Reads all of it.
    pub fn pack(&self) -> Result<Archive, Error> {
        let failed = |error: image::Error| Error::Image { resource: self.resource.clone(), source: error };
        let packed = self.reference.pack().map_err(failed)?;
        let hashed = File::open(packed.path()).and_then(|mut file| {
            let mut hash = Sha256::new();
            io::copy(&mut file, &mut hash)?;
            Ok(hex(&hash.finalize()))
        });
        let path = packed.path().to_owned();
        let digest = hashed.map_err(|source| Error::Package { path, source })?;
        Ok(Archive { packed, digest })
    }
}

impl Archive {
    pub fn path(&self) -> &Path {
        self.packed.path()
    }
}

impl TemplateFile {
    /// The images on this machine that the template names: `oci:PATH`, `docker-archive:PATH`, or the path of an
    /// archive, as `sam build` takes it too. Paths are relative to the template.
    pub fn images(&self) -> Vec<LocalImage> {
        let image = |(id, resource): (&String, &Value)| {
            let uri = match resource["Type"].as_str()? {
                FUNCTION => resource["Properties"]["ImageUri"].as_str()?,
                PLAIN_FUNCTION => resource["Properties"]["Code"]["ImageUri"].as_str()?,
                _ => return None,
            };
            Some(LocalImage { resource: id.clone(), reference: local(uri, self.folder())? })
        };
        object(&self.json["Resources"]).filter_map(image).collect()
    }

    /// Lets a function of `template` take its image from a bucket.
    pub fn take_image_from(&self, template: &mut Value, resource: &str, bucket: &str, key: &str) {
        let resource = &mut template["Resources"][resource];
        let uri = format!("s3://{bucket}/{key}");
        match resource["Type"] == PLAIN_FUNCTION {
            true => resource["Properties"]["Code"] = json!({ "ImageUri": uri }),
            false => resource["Properties"]["ImageUri"] = uri.into(),
        }
    }

    /// The images that are to be built by a Dockerfile.
    pub fn image_recipes(&self) -> Vec<Recipe> {
        let recipe = |(id, resource): (&String, &Value)| {
            let (properties, metadata) = (&resource["Properties"], &resource["Metadata"]);
            let is_image = resource["Type"] == FUNCTION && properties["PackageType"] == "Image";
            let unbuilt = is_image && properties.get("ImageUri").is_none();
            let dockerfile = metadata["Dockerfile"].as_str().filter(|_| unbuilt)?.to_owned();
            let arguments = object(&metadata["DockerBuildArgs"]);
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some(Recipe {
                resource: id.clone(),
                context: self.folder().join(metadata["DockerContext"].as_str().unwrap_or(".")),
                dockerfile,
                target: metadata["DockerBuildTarget"].as_str().map(str::to_owned),
                arguments: arguments.map(|(name, value)| (name.clone(), text(value))).collect(),
            })
        };
        object(&self.json["Resources"]).filter_map(recipe).collect()
    }

    /// Names that may be those of images which a container engine of this machine keeps: without a registry's host.
    pub fn unhosted_images(&self) -> Vec<(String, String)> {
        let unhosted = |(id, resource): (&String, &Value)| {
            let uri = resource["Properties"]["ImageUri"].as_str().filter(|_| resource["Type"] == FUNCTION)?;
            let first = uri.split_once('/').map_or("", |(first, _)| first);
            let is_hosted = first.contains(['.', ':']) || first == "localhost" || uri.starts_with("s3:");
            (!is_hosted && local(uri, self.folder()).is_none()).then(|| (id.clone(), uri.to_owned()))
        };
        object(&self.json["Resources"]).filter_map(unhosted).collect()
    }

    /// The template as it will be when its images are built. Without a container engine none can be.
    pub(super) fn with_images_built(&self, engine: Option<&Engine>) -> Result<Value, SourceError> {
        let mut built = self.json.clone();
        for recipe in self.image_recipes() {
            let (id, dockerfile) = (&recipe.resource, &recipe.dockerfile);
            if engine.is_none() {
                let sentence = format!(
                    "Kobel runs images without a container engine, but to build {id} by `{dockerfile}` takes one: install \
                     Docker or Podman. Or build it elsewhere (`docker build -t fn . && docker save -o fn.tar fn`) and \
                     set ImageUri: docker-archive:fn.tar, or to an image of a registry."
                );
                return Err(self.wrong(&format!("/Resources/{id}/Metadata/Dockerfile"), &sentence));
            }
            built["Resources"][id]["Properties"]["ImageUri"] = format!("built-by/{dockerfile}").into();
        }
        Ok(built)
    }
}

/// The image of this machine that `uri` names, if it names one.
fn local(uri: &str, folder: &Path) -> Option<Reference> {
    let file: PathBuf = folder.join(uri);
    match uri.parse() {
        Ok(Reference::Layout { path, tag }) => Some(Reference::Layout { path: folder.join(path), tag }),
        Ok(Reference::DockerArchive { path }) => Some(Reference::DockerArchive { path: folder.join(path) }),
        _ if file.is_file() => Some(Reference::Archive { path: file }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_images_of_this_machine_from_those_of_registries() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("fn.tar");
        std::fs::write(&file, "").expect("a file");
        let local = |uri| local(uri, folder.path());
        assert_eq!(local("public.ecr.aws/lambda/python:3.13"), None);
        assert_eq!(local("fn"), None);
        assert_eq!(local("fn.tar"), Some(Reference::Archive { path: file.clone() }));
        assert_eq!(
            local("docker-archive:./fn.tar"),
            Some(Reference::DockerArchive { path: folder.path().join("./fn.tar") })
        );
        let expected = Reference::Layout { path: folder.path().join("out"), tag: Some("v1".into()) };
        assert_eq!(local("oci:out:v1"), Some(expected));
    }
}
