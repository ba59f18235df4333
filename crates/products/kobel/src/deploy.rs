//! From a template and code on this machine to a stack in a running Kobel: read, build, upload, create or update.

mod image;
mod source;
mod stack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wire::checksum::hex;

pub use self::image::LocalImage;
pub use source::{SourceError, TemplateFile, find_template};
pub use stack::{Outcome, delete_named};

use crate::build::container::Engine;
use crate::build::{BuildError, Source, Workshop};
use crate::client::{self, Client};
use crate::{cli, package, print};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("{resource}: {source}")]
    Image { resource: String, source: ::image::Error },
    #[error("failed to pack `{path}`: {source}")]
    Package { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Client(#[from] client::Error),
    #[error("{0}")]
    Stack(String),
}

/// A template that is deployed as a stack, perhaps again and again.
pub struct Deployment {
    pub client: Client,
    pub workshop: Workshop,
    pub template: PathBuf,
    pub stack_name: String,
    pub parameters: BTreeMap<String, String>,
    pub region: String,
}

impl Deployment {
    pub fn new(client: Client, workshop: Workshop, stack: &cli::Stack) -> Result<Deployment, Error> {
        let template = match &stack.template {
            Some(template) => template.clone(),
            None => find_template(Path::new("."))?,
        };
        let stack_name = stack.stack_name.clone().unwrap_or_else(|| default_name(&template));
        let parameters = stack.parameters.iter().cloned().collect();
        Ok(Deployment { client, workshop, template, stack_name, parameters, region: stack.region.clone() })
    }

    /// Builds what needs it, uploads what is new, and brings the stack to what the template says.
    pub async fn deploy(&self) -> Result<Outcome, Error> {
        let file = TemplateFile::read(&self.template)?;
        let types = self.client.get("/_kobel/resource-types").await?;
        let types: Vec<String> = serde_json::from_value(types["types"].clone()).unwrap_or_default();
        file.check(&self.parameters, &self.region, &types)?;
        let mut template = file.json.clone();
        let sources = file.sources();
        let bucket = format!("kobel-code-{}-{}", base::Account::DEFAULT, self.region);
        let built = self.build_all(sources).await?;
        for (source, built) in &built {
            let key = self.upload(&bucket, built).await?;
            file.point_to(&mut template, &source.resource, &bucket, &key);
        }
        for image in file.images().into_iter().chain(self.images_of_engine(&file)?) {
            let key = self.upload_image(&bucket, &image).await?;
            file.take_image_from(&mut template, &image.resource, &bucket, &key);
        }
        stack::bring_about(self, &bucket, &template).await
    }

    /// Builds side by side: each build is a process of its own.
    async fn build_all(&self, sources: Vec<Source>) -> Result<Vec<(Source, PathBuf)>, Error> {
        let tasks: Vec<_> = sources
            .into_iter()
            .map(|source| {
                let workshop = self.workshop.clone();
                tokio::task::spawn_blocking(move || {
                    let resource = source.resource.clone();
                    let built =
                        workshop.build(&source, &mut |what| print::step("Building", &format!("{resource}: {what}")))?;
                    Ok::<_, BuildError>((source, built))
                })
            })
            .collect();
        let mut built = Vec::new();
        for task in tasks {
            match task.await {
                Ok(outcome) => built.push(outcome?),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        Ok(built)
    }

    /// The images that a container engine builds, or has built for `sam build`.
    fn images_of_engine(&self, file: &TemplateFile) -> Result<Vec<LocalImage>, Error> {
        let Some(engine) = Engine::find() else { return Ok(Vec::new()) };
        let image =
            |resource: String, path: PathBuf| LocalImage { resource, reference: ::image::Reference::Archive { path } };
        tokio::task::block_in_place(|| {
            let mut found = Vec::new();
            for recipe in file.image_recipes() {
                let progress = |what: &str| print::step("Building", &format!("{}: {what}", recipe.resource));
                let archive = self.workshop.build_image(&engine, &recipe, &mut { progress })?;
                found.push(image(recipe.resource, archive));
            }
            for (resource, name) in file.unhosted_images() {
                let archive = self.workshop.image_of_engine(&engine, &resource, &name)?;
                found.extend(archive.map(|archive| image(resource, archive)));
            }
            Ok(found)
        })
    }

    /// Uploads a package under its hash, unless it is there.
    async fn upload(&self, bucket: &str, built: &Path) -> Result<String, Error> {
        let failed = |source| Error::Package { path: built.to_owned(), source };
        let bytes = match built.is_file() {
            true => std::fs::read(built).map_err(failed)?,
            false => package::package(built).map_err(failed)?,
        };
        self.put_once(bucket, "zip", Bytes::from(bytes)).await
    }

    /// Uploads an image's archive under its hash, unless it is there; gives its key.
    async fn upload_image(&self, bucket: &str, image: &LocalImage) -> Result<String, Error> {
        let archive = tokio::task::block_in_place(|| image.pack())?;
        let key = format!("{}.tar", archive.digest);
        if !self.has(bucket, &key).await? {
            print::step("Uploading", &format!("{}: {}", image.resource, image.reference));
            self.client.put_file(bucket, &key, archive.path()).await?;
        }
        Ok(key)
    }

    /// Puts an object under its hash, unless it is there; gives its key.
    async fn put_once(&self, bucket: &str, extension: &str, bytes: Bytes) -> Result<String, Error> {
        let key = format!("{}.{extension}", hex(&Sha256::digest(&bytes)));
        if !self.has(bucket, &key).await? {
            self.client.put_object(bucket, &key, bytes).await?;
        }
        Ok(key)
    }

    /// Whether the object is there; its bucket is afterwards.
    async fn has(&self, bucket: &str, key: &str) -> Result<bool, Error> {
        let head = json!({ "Bucket": bucket, "Key": key });
        match self.client.call("s3", "HeadObject", head).await {
            Ok(_) => return Ok(true),
            Err(error) if error.is("NoSuchBucket") => {
                let configuration =
                    (self.region != base::Region::DEFAULT).then(|| json!({ "LocationConstraint": self.region }));
                let mut input = json!({ "Bucket": bucket });
                if let Some(configuration) = configuration {
                    input["CreateBucketConfiguration"] = configuration;
                }
                self.client.call("s3", "CreateBucket", input).await?;
            }
            Err(error) if error.is("NoSuchKey") => {}
            Err(error) => return Err(error.into()),
        }
        Ok(false)
    }
}

/// The template's folder, as a name for a stack: letters, digits and dashes, beginning with a letter.
fn default_name(template: &Path) -> String {
    let folder = std::fs::canonicalize(template).ok().and_then(|path| path.parent().map(Path::to_owned));
    let name = folder.and_then(|folder| Some(folder.file_name()?.to_string_lossy().into_owned())).unwrap_or_default();
    let dashed: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let trimmed = dashed.trim_matches('-');
    if trimmed.starts_with(|c: char| c.is_ascii_alphabetic()) { trimmed.to_owned() } else { format!("app-{trimmed}") }
}

/// The members of an object, or none.
fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
