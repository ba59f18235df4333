//! Images of functions: brought in when a function names one, there as long as a version or an environment has it.
//!
//! Invariants: a tag is read once, when the function gets it; callers of the API name registries and objects of S3,
//! never files of this machine; what no version has is gone from the data folder, also after a crash.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use base::{Scope, Trace};
use fabric::Fabric;
use image::{Digest, Reference, Spool, UNPACKED_BYTES_MAX};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use wire::{ByteStream, Error};

use crate::code::Source;
use crate::error::{access_denied, invalid};
use crate::registry::{Image, ImageOverrides};

/// The largest archive of an image in S3, in bytes: all that its layers may hold, and room for its documents.
const ARCHIVE_BYTES_MAX: u64 = UNPACKED_BYTES_MAX + 64 * 1024 * 1024;
/// How many images are brought in at once; further ones wait.
const PULLS_MAX: usize = 4;
/// How an archive in S3 is named.
const S3: &str = "s3://";

/// See the module's documentation.
pub struct Images {
    images: Arc<image::Images>,
    /// What may be there; collecting looks at the disk only where one of these has lost its last version.
    present: Mutex<HashSet<Digest>>,
    pulls: Semaphore,
}

/// An image that is there as long as this is held, also before a version has it.
pub struct Brought {
    pub image: Image,
    held: Arc<image::Image>,
}

impl Brought {
    /// What keeps it there.
    pub fn held(&self) -> Arc<image::Image> {
        self.held.clone()
    }
}

impl Images {
    /// The images in `folder`, which is made if it is not there. Blocks for the time of some system calls.
    pub fn open(folder: PathBuf) -> Result<Images, image::Error> {
        let images = image::Images::open(folder)?;
        let present = Mutex::new(images.all()?);
        Ok(Images { images: Arc::new(images), present, pulls: Semaphore::new(PULLS_MAX) })
    }

    /// Brings in what `uri` names, as far as it is not there.
    pub async fn bring(&self, fabric: &Fabric, scope: &Scope, trace: &Trace, uri: &str) -> Result<Brought, Error> {
        let refused = |error| refusal(uri, error);
        let _pull = self.pulls.acquire().await.map_err(Error::internal)?;
        let (reference, spool) = match uri.strip_prefix(S3) {
            Some(place) => {
                let spool = self.fetch(fabric, scope, trace, uri, place).await?;
                (Reference::Archive { path: spool.path().to_owned() }, Some(spool))
            }
            None => {
                let reference: Reference = uri.parse().map_err(refused)?;
                if reference.local_path().is_some() {
                    return Err(not_valid(uri, LOCAL));
                }
                (reference, None)
            }
        };
        let images = self.images.clone();
        let pulled = tokio::task::spawn_blocking(move || {
            let pulled = images.pull(&reference);
            drop(spool);
            pulled.map(|image| (reference, image))
        });
        let (reference, held) = pulled.await.map_err(Error::internal)?.map_err(refused)?;
        self.present().insert(held.digest.clone());
        let resolved_uri = match uri.starts_with(S3) {
            true => format!("{uri}@{}", held.digest),
            false => reference.pinned(&held.digest),
        };
        let image = Image { uri: uri.to_owned(), resolved_uri, digest: held.digest.hex().to_owned() };
        Ok(Brought { image, held })
    }

    /// What a version's environments run.
    pub async fn of(&self, image: &Image) -> Result<Arc<image::Image>, Error> {
        let images = self.images.clone();
        let digest: Digest = format!("sha256:{}", image.digest).parse().map_err(Error::internal)?;
        let got = tokio::task::spawn_blocking(move || images.get(&digest)).await.map_err(Error::internal)?;
        got.map_err(Error::internal)?.ok_or_else(|| {
            let sentence = "is gone from the data folder: call UpdateFunctionCode to bring it in again";
            Error::internal(format!("the image {} {sentence}", image.resolved_uri))
        })
    }

    /// Deletes what neither one of `kept` nor an environment has. Where all is kept, the disk is not touched.
    pub async fn keep_only(&self, kept: &[Image]) {
        let kept: HashSet<Digest> =
            kept.iter().filter_map(|image| format!("sha256:{}", image.digest).parse().ok()).collect();
        if self.present().is_subset(&kept) {
            return;
        }
        let images = self.images.clone();
        let collected = tokio::task::spawn_blocking(move || {
            images.collect(&kept)?;
            images.all()
        });
        match collected.await.map_err(|error| error.to_string()).and_then(|all| all.map_err(|error| error.to_string()))
        {
            Ok(all) => *self.present() = all,
            Err(error) => tracing::warn!(%error, "failed to delete images that no function has"),
        }
    }

    /// Writes an object of S3 into a file beside the images.
    async fn fetch(
        &self,
        fabric: &Fabric,
        scope: &Scope,
        trace: &Trace,
        uri: &str,
        place: &str,
    ) -> Result<Spool, Error> {
        let (bucket, key) = place
            .split_once('/')
            .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
            .ok_or_else(|| not_valid(uri, "an archive in S3 is written as s3://BUCKET/KEY"))?;
        let source = Source::Object { bucket: bucket.to_owned(), key: key.to_owned(), version: None };
        let archive = source.fetch(fabric, scope, trace).await?;
        let images = self.images.clone();
        let spool = tokio::task::spawn_blocking(move || images.spool()).await.map_err(Error::internal)?;
        let spool = spool.map_err(Error::internal)?;
        write(archive, &spool, uri).await?;
        Ok(spool)
    }

    fn present(&self) -> std::sync::MutexGuard<'_, HashSet<Digest>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(mut archive: ByteStream, spool: &Spool, uri: &str) -> Result<(), Error> {
    let mut file = tokio::fs::File::create(spool.path()).await.map_err(Error::internal)?;
    let mut left = ARCHIVE_BYTES_MAX;
    while let Some(chunk) = archive.chunk().await {
        let chunk = chunk?;
        let too_large = || not_valid(uri, &format!("the archive has more than {ARCHIVE_BYTES_MAX} bytes"));
        left = left.checked_sub(chunk.len() as u64).ok_or_else(too_large)?;
        file.write_all(&chunk).await.map_err(Error::internal)?;
    }
    file.flush().await.map_err(Error::internal)
}

/// What the sandbox runs of an image.
pub fn runnable(image: &image::Image, overrides: &ImageOverrides) -> sandbox::Image {
    let config = &image.config;
    let or = |given: &Option<Vec<String>>, own: &Vec<String>| given.as_ref().unwrap_or(own).clone();
    sandbox::Image {
        root: image.root.clone(),
        entrypoint: or(&overrides.entry_point, &config.entrypoint),
        command: or(&overrides.command, &config.command),
        working_dir: overrides.working_directory.as_ref().unwrap_or(&config.working_dir).clone(),
        variables: config.variables.clone(),
    }
}

const LOCAL: &str = "callers of the API cannot name files of this machine; push the image to a registry, or put its \
                     archive into S3 and name it s3://BUCKET/KEY, as `kobel up` and `kobel deploy` do with the images \
                     beside a template";

/// AWS's error for an image that cannot be had, and the cause.
fn refusal(uri: &str, error: image::Error) -> Error {
    match error {
        image::Error::Missing { .. } => {
            tracing::info!(%error, "refused an image");
            invalid(format!("Source image {uri} does not exist. Provide a valid source image."))
        }
        image::Error::Denied { .. } => {
            tracing::info!(%error, "refused an image");
            access_denied("Lambda does not have permission to access the ECR image. Check the ECR permissions.")
        }
        image::Error::Io { .. } => Error::internal(error),
        image::Error::Reference { .. }
        | image::Error::Invalid { .. }
        | image::Error::TooLarge { .. }
        | image::Error::Registry { .. } => not_valid(uri, &error.to_string()),
    }
}

fn not_valid(uri: &str, cause: &str) -> Error {
    invalid(format!("Source image {uri} is not valid. Provide a valid source image. Cause: {cause}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(error: image::Error, code: &str, message: &str) {
        let refused = refusal("host/a:1", error);
        assert_eq!((refused.code.as_ref(), refused.message.as_str()), (code, message));
    }

    #[test]
    fn tells_in_the_words_of_aws_what_is_wrong_with_an_image() {
        let text = |text: &str| text.to_owned();
        is_refused(
            image::Error::Missing { image: text("a"), reason: text("gone") },
            "InvalidParameterValueException",
            "Source image host/a:1 does not exist. Provide a valid source image.",
        );
        is_refused(
            image::Error::Denied { image: text("a"), reason: text("401") },
            "AccessDeniedException",
            "Lambda does not have permission to access the ECR image. Check the ECR permissions.",
        );
        is_refused(
            image::Error::Invalid { reason: text("a layer is broken") },
            "InvalidParameterValueException",
            "Source image host/a:1 is not valid. Provide a valid source image. Cause: the image is not valid: a layer \
             is broken.",
        );
    }

    #[test]
    fn a_function_overrides_what_its_image_says() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let image = image::Image {
            digest: Digest::of(b""),
            root: "/root".into(),
            config: image::Config {
                architecture: "amd64".into(),
                entrypoint: list(&["/entry"]),
                command: list(&["app.own"]),
                working_dir: "/work".into(),
                variables: list(&["A=b"]),
            },
        };
        let overrides = ImageOverrides { command: Some(list(&["app.other"])), ..ImageOverrides::default() };
        let run = runnable(&image, &overrides);
        assert_eq!((run.entrypoint, run.command), (list(&["/entry"]), list(&["app.other"])));
        assert_eq!(run.working_dir, "/work");
        let none = ImageOverrides { entry_point: Some(Vec::new()), ..ImageOverrides::default() };
        assert!(runnable(&image, &none).entrypoint.is_empty(), "an empty list is an override too");
    }
}
