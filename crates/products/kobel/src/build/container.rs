//! Images that only a container engine can give: built by a Dockerfile, or built before and kept in the engine. Kobel
//! runs images without one; this is for applications whose templates say how to build theirs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool::{self, ToolError};
use super::{BuildError, Workshop, fingerprint};

/// Engines with the same command line, the likelier first.
const ENGINES: [&str; 2] = ["docker", "podman"];

/// How to build a function's image: the `Metadata` that `sam build` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The function's logical id.
    pub resource: String,
    /// `DockerContext`.
    pub context: PathBuf,
    /// `Dockerfile`, relative to the context.
    pub dockerfile: String,
    /// `DockerBuildTarget`.
    pub target: Option<String>,
    /// `DockerBuildArgs`.
    pub arguments: BTreeMap<String, String>,
}

/// A container engine of this machine.
#[derive(Debug, Clone)]
pub struct Engine {
    name: &'static str,
}

impl Engine {
    /// The first one that is on the `PATH`.
    pub fn find() -> Option<Engine> {
        let path = std::env::var_os("PATH")?;
        let has = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
        ENGINES.into_iter().find(|name| has(name)).map(|name| Engine { name })
    }

    /// The id of an image that the engine keeps.
    fn id_of(&self, image: &str) -> Option<String> {
        let inspected =
            Command::new(self.name).args(["image", "inspect", "--format", "{{.Id}}", image]).output().ok()?;
        let id = String::from_utf8(inspected.stdout).ok()?;
        let hex = id.trim().trim_start_matches("sha256:");
        let is_id = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        (inspected.status.success() && is_id).then(|| hex.to_owned())
    }

    fn build(&self, recipe: &Recipe, tag: &str) -> Result<(), ToolError> {
        let mut command = Command::new(self.name);
        command.arg("build").arg("--file").arg(recipe.context.join(&recipe.dockerfile)).args(["--tag", tag]);
        if let Some(target) = &recipe.target {
            command.args(["--target", target]);
        }
        for (name, value) in &recipe.arguments {
            command.arg("--build-arg").arg(format!("{name}={value}"));
        }
        command.arg(&recipe.context);
        tool::run(&mut command, &format!("{} build", self.name), "install Docker or Podman")
    }

    fn save(&self, image: &str, file: &Path) -> Result<(), ToolError> {
        let mut command = Command::new(self.name);
        command.arg("save").arg("--output").arg(file).arg(image);
        tool::run(&mut command, &format!("{} save {image}", self.name), "install Docker or Podman")
    }
}

impl Workshop {
    /// Builds an image, unless nothing that it is built of has changed; tells `progress` before. Gives an archive. That a
    /// base image has changed is not noticed.
    pub fn build_image(
        &self,
        engine: &Engine,
        recipe: &Recipe,
        progress: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, BuildError> {
        let resource = &recipe.resource;
        if !recipe.context.join(&recipe.dockerfile).is_file() {
            let path = recipe.context.join(&recipe.dockerfile);
            return Err(BuildError::Missing { resource: resource.clone(), path });
        }
        let how = format!("{:?} {:?} {:?}", recipe.dockerfile, recipe.target, recipe.arguments);
        let read = |source| BuildError::Io { resource: resource.clone(), path: recipe.context.clone(), source };
        let fingerprint = fingerprint::fingerprint(&recipe.context, &how).map_err(read)?;
        let finished = self.folder.join(format!("{fingerprint}.tar"));
        if !finished.is_file() {
            progress(&format!("{} build", engine.name));
            let tag = format!("kobel/{}:{}", resource.to_ascii_lowercase(), &fingerprint[..12]);
            let made = engine.build(recipe, &tag);
            made.map_err(|source| BuildError::Tool { resource: resource.clone(), source })?;
            self.save(engine, resource, &tag, &finished)?;
        }
        Ok(finished)
    }

    /// An archive of an image that the engine keeps, as `sam build` leaves it; nothing where it keeps none of that name.
    pub fn image_of_engine(&self, engine: &Engine, resource: &str, image: &str) -> Result<Option<PathBuf>, BuildError> {
        let Some(id) = engine.id_of(image) else { return Ok(None) };
        let finished = self.folder.join(format!("{id}.tar"));
        if !finished.is_file() {
            self.save(engine, resource, image, &finished)?;
        }
        Ok(Some(finished))
    }

    /// Whole or not at all.
    fn save(&self, engine: &Engine, resource: &str, image: &str, finished: &Path) -> Result<(), BuildError> {
        let io = |path: &Path, source| BuildError::Io { resource: resource.to_owned(), path: path.to_owned(), source };
        fs::create_dir_all(&self.folder).map_err(|source| io(&self.folder, source))?;
        let draft = finished.with_extension("draft");
        // Podman does not write over a file.
        let _ = fs::remove_file(&draft);
        let saved = engine.save(image, &draft);
        saved.map_err(|source| BuildError::Tool { resource: resource.to_owned(), source })?;
        fs::rename(&draft, finished).map_err(|source| io(finished, source))
    }
}
