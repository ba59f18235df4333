//! All runtimes that serve functions here: the added ones first, then the host's.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use super::{AddedRuntimes, Runtime, discover};

/// Looks at the host once, and at the added runtimes whenever they have changed.
pub(crate) struct Known {
    /// Folders of further interpreters, preferred to the host's own.
    dirs: Vec<PathBuf>,
    added: Option<AddedRuntimes>,
    /// Whether functions can have a root of their own, which interpreters of images need.
    has_roots: bool,
    host: OnceLock<Vec<Runtime>>,
    current: Mutex<Option<Current>>,
}

struct Current {
    changed: Option<SystemTime>,
    runtimes: Arc<[Runtime]>,
}

impl Known {
    pub(crate) fn new(dirs: Vec<PathBuf>, added: Option<AddedRuntimes>, has_roots: bool) -> Known {
        Known { dirs, added, has_roots, host: OnceLock::new(), current: Mutex::new(None) }
    }

    /// All of them. Blocks on the first call, and after a change.
    pub(crate) fn all(&self) -> Arc<[Runtime]> {
        let changed = self.changed();
        if let Some(runtimes) = self.unchanged(changed) {
            return runtimes;
        }
        let added = self.added.iter().flat_map(AddedRuntimes::all).map(|added| added.runtime);
        let mut runtimes: Vec<Runtime> = added.filter(|runtime| self.has_roots || runtime.root.is_none()).collect();
        for runtime in self.host.get_or_init(|| discover(&self.dirs)) {
            let same = |known: &Runtime| known.family == runtime.family && known.version == runtime.version;
            if !runtimes.iter().any(same) {
                runtimes.push(runtime.clone());
            }
        }
        let runtimes: Arc<[Runtime]> = runtimes.into();
        *self.lock() = Some(Current { changed, runtimes: runtimes.clone() });
        runtimes
    }

    /// All of them, where that costs no more than a look at a folder's time.
    pub(crate) fn at_once(&self) -> Option<Arc<[Runtime]>> {
        self.unchanged(self.changed())
    }

    fn unchanged(&self, changed: Option<SystemTime>) -> Option<Arc<[Runtime]>> {
        let current = self.lock();
        current.as_ref().filter(|current| current.changed == changed).map(|current| current.runtimes.clone())
    }

    fn changed(&self) -> Option<SystemTime> {
        let folder = self.added.as_ref()?.records();
        std::fs::metadata(folder).and_then(|meta| meta.modified()).ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_added_runtime_serves_at_once_and_goes_before_the_host_s() {
        let place = tempfile::tempdir().expect("a folder");
        let source = place.path().join("source");
        for name in ["bin/python3.99", "lib/python3.99/os.py"] {
            let file = source.join(name);
            std::fs::create_dir_all(file.parent().expect("a parent")).expect("folders");
            std::fs::write(file, "").expect("a file");
        }
        let added = AddedRuntimes::at(place.path().join("runtimes"));
        let known = Known::new(Vec::new(), Some(added.clone()), true);
        let has = |runtimes: &[Runtime]| runtimes.iter().any(|runtime| runtime.identifier() == "python3.99");
        assert!(known.at_once().is_none() && !has(&known.all()) && known.at_once().is_some());
        added.add_folder(&source, None).expect("added");
        assert!(known.at_once().is_none(), "there is more to look at");
        assert!(has(&known.all()) && known.all()[0].identifier() == "python3.99");
        added.remove("python3.99").expect("removed");
        assert!(!has(&known.all()));
    }
}
