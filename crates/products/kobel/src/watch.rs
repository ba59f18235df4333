use std::path::{Path, PathBuf};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::commands::Error;
use crate::deploy::{Deployment, TemplateFile};

/// Tells when the template or the code of its functions changes.
pub struct Watch {
    changes: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    pub fn start(deployment: &Deployment) -> Result<Watch, Error> {
        // One waiting change stands for any number.
        let (sender, changes) = mpsc::channel(1);
        let own = ignored(deployment);
        let tell = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            let touched = !matches!(event.kind, EventKind::Access(_));
            if touched && event.paths.iter().any(|path| !is_residue(path, &own)) {
                let _ = sender.try_send(());
            }
        };
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: notify::Error| Error::Io { path, source: std::io::Error::other(error) }
        };
        let mut watcher = notify::recommended_watcher(tell).map_err(failed(&deployment.template))?;
        // Editors replace files, so that the folder must be watched, not the file.
        let folder = deployment.template.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed(&folder))?;
        let file = TemplateFile::read(&deployment.template)?;
        let images = file.images().into_iter().map(|image| image.path().to_owned()).filter(|path| path.exists());
        let contexts = file.image_recipes().into_iter().map(|recipe| recipe.context).filter(|path| path.is_dir());
        for code in file.sources().into_iter().map(|source| source.code).chain(images).chain(contexts) {
            let (watched, mode) = match code.parent() {
                // Tools replace files too.
                Some(folder) if !code.is_dir() => (folder, RecursiveMode::NonRecursive),
                _ => (code.as_path(), RecursiveMode::Recursive),
            };
            watcher.watch(watched, mode).map_err(failed(watched))?;
        }
        Ok(Watch { changes, _watcher: watcher })
    }

    /// Resolves at the next change; `None` if nothing is watched any more.
    pub async fn changed(&mut self) -> Option<()> {
        self.changes.recv().await
    }
}

fn ignored(deployment: &Deployment) -> Vec<PathBuf> {
    vec![deployment.workshop.folder.clone()]
}

/// What Kobel and tools write themselves.
fn is_residue(path: &Path, own: &[PathBuf]) -> bool {
    const RESIDUE: [&str; 4] = [".kobel", "__pycache__", ".git", ".aws-sam"];
    let residue = path.components().any(|part| RESIDUE.iter().any(|name| part.as_os_str() == *name));
    residue || own.iter().any(|folder| path.starts_with(folder))
}
