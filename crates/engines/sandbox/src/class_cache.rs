//! Archives of Java classes, parsed and checked ahead: a function's cold start maps them instead of reading jars.
//!
//! A JVM makes one (AppCDS, since JDK 25 an AOT cache) when it ends. It does so in a sandbox of its own after the first
//! start of a function, where `kobel.runtime.Trainer` loads the classes of the package and initialises none, so that no code
//! of the function runs. An archive belongs to one package, its layers and one JVM; it is only seen by environments of these,
//! and goes with the package. The JVM itself checks that it fits, and starts without it otherwise.

mod arrangement;
mod training;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Error;
use crate::driver::namespaces::Namespaces;
use crate::plan::java::{self, ArchiveKind, ClassCache};
use crate::runtimes::{Family, Resolved, Runtime};
use crate::spec::EnvironmentSpec;

/// The first JDK that archives an application's classes when it ends.
const CDS_MIN: u32 = 13;
/// The first JDK that makes an AOT cache in one run.
const AOT_MIN: u32 = 25;
/// The most archives that are kept.
const CACHES_MAX: usize = 64;

/// What an archive is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Subject {
    java: PathBuf,
    code: PathBuf,
    layers: Vec<PathBuf>,
}

enum State {
    Making,
    Ready(Arc<ClassCache>),
    Failed,
}

struct Entry {
    /// The name of its folder; a higher one is newer.
    number: u64,
    state: State,
}

/// All archives of an engine.
pub(crate) struct ClassCaches {
    dir: PathBuf,
    entries: Mutex<HashMap<Subject, Entry>>,
    /// One is made at a time.
    turn: tokio::sync::Semaphore,
}

impl ClassCaches {
    /// Archives below `dir`, which is emptied: unpacked packages do not outlive their server either.
    pub(crate) fn open(dir: PathBuf) -> Result<ClassCaches, Error> {
        let failed = |source| Error::File { action: "empty", path: dir.display().to_string(), source };
        if dir.exists() {
            std::fs::remove_dir_all(&dir).map_err(failed)?;
        }
        std::fs::create_dir_all(&dir).map_err(failed)?;
        Ok(ClassCaches { dir, entries: Mutex::default(), turn: tokio::sync::Semaphore::new(1) })
    }

    /// The archive for a start, if there is one.
    pub(crate) fn get(&self, spec: &EnvironmentSpec, resolved: &Resolved) -> Option<Arc<ClassCache>> {
        let (subject, _) = subject(spec, resolved)?;
        match &self.lock().get(&subject)?.state {
            State::Ready(cache) => Some(cache.clone()),
            State::Making | State::Failed => None,
        }
    }

    /// Why a Java function's JVM has no archive, for people to read; `None` for others.
    pub(crate) fn explain(&self, spec: &EnvironmentSpec, resolved: &Resolved) -> Option<&'static str> {
        if resolved.family != Family::Java {
            return None;
        }
        let Some((subject, _)) = subject(spec, resolved) else {
            return Some(
                "a JVM's threads cannot be forked; it, or the function's settings, allow no archive of classes",
            );
        };
        Some(match self.lock().get(&subject).map(|entry| &entry.state) {
            Some(State::Failed) => "a JVM's threads cannot be forked, and no archive of its classes could be made",
            Some(State::Making | State::Ready(_)) | None => {
                "a JVM's threads cannot be forked; an archive of its classes is made meanwhile"
            }
        })
    }

    /// Makes the archive of a function that was just started, unless that was tried before.
    pub(crate) async fn make(&self, driver: &Namespaces, spec: &EnvironmentSpec, resolved: &Resolved) {
        let Some((subject, kind)) = subject(spec, resolved) else { return };
        let Some(number) = self.begin(&subject) else { return };
        let Some(runtime) = &resolved.runtime else { return };
        let Ok(_turn) = self.turn.acquire().await else { return };
        let dir = self.dir.join(number.to_string());
        let state = match training::make(driver, spec, resolved, runtime, kind, &dir).await {
            Ok(cache) => State::Ready(Arc::new(cache)),
            Err(error) => {
                tracing::info!(%error, code = %spec.code.display(), "no archive of a Java function's classes was made");
                remove(&dir);
                State::Failed
            }
        };
        if let Some(entry) = self.lock().get_mut(&subject) {
            entry.state = state;
        }
    }

    /// Takes the making of an archive on; makes room by dropping those of packages that are gone, and the oldest.
    fn begin(&self, subject: &Subject) -> Option<u64> {
        let mut entries = self.lock();
        if entries.contains_key(subject) {
            return None;
        }
        let gone = |subject: &Subject| !subject.code.is_dir();
        let mut dropped: Vec<Subject> = entries.keys().filter(|subject| gone(subject)).cloned().collect();
        if entries.len() - dropped.len() >= CACHES_MAX {
            let kept = entries.iter().filter(|(subject, _)| !dropped.contains(subject));
            let oldest = kept.min_by_key(|(_, entry)| entry.number).map(|(subject, _)| subject.clone());
            dropped.extend(oldest);
        }
        for entry in dropped.iter().filter_map(|subject| entries.remove(subject)) {
            // Environments that use it have it mounted.
            remove(&self.dir.join(entry.number.to_string()));
        }
        let number = entries.values().map(|entry| entry.number).max().unwrap_or(0) + 1;
        entries.insert(subject.clone(), Entry { number, state: State::Making });
        Some(number)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether functions of an interpreter get archives of their classes. A root of its own has no place for them.
pub(crate) fn has_archives(runtime: &Runtime) -> bool {
    runtime.family == Family::Java && runtime.root.is_none() && kind(runtime).is_some()
}

/// What the archive of a start is of; `None` where there can be none.
fn subject(spec: &EnvironmentSpec, resolved: &Resolved) -> Option<(Subject, ArchiveKind)> {
    let runtime = resolved.runtime.as_ref().filter(|runtime| has_archives(runtime))?;
    let kind = kind(runtime).filter(|_| java::may_archive(spec))?;
    let subject = Subject { java: runtime.path.clone(), code: spec.code.clone(), layers: spec.layers.clone() };
    Some((subject, kind))
}

fn kind(runtime: &Runtime) -> Option<ArchiveKind> {
    match runtime.version.major {
        AOT_MIN.. => Some(ArchiveKind::Aot),
        CDS_MIN.. => Some(ArchiveKind::Cds),
        _ => None,
    }
}

fn remove(dir: &Path) {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, dir = %dir.display(), "failed to delete an archive of classes");
        }
        _ => {}
    }
}
