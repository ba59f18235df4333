mod event;
mod segments;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};

use base::TraceId;
use tokio::sync::broadcast;

pub use event::{Event, EventKind};
use segments::Segments;

/// How many events wait for the writer; what comes while it is full is only counted.
const WAITING_MAX: usize = 65_536;
/// How many of the newest events are held in memory.
const RECENT_MAX: usize = 4_096;
/// How far a follower may fall behind before it misses events.
const FOLLOWER_BEHIND_MAX: usize = 1_024;

/// Tells what happened and what caused it: each API call, each attempt of a delivery, each invocation.
///
/// Events are appended to segment files, bounded by size and number, without waiting for the disk: the journal
/// explains, it does not promise. What it explains (messages, deliveries) is durable by itself.
pub struct Journal {
    kept: Kept,
    followers: broadcast::Sender<Arc<Event>>,
}

/// Where events are.
enum Kept {
    /// Only the newest, in memory.
    Recent(Mutex<VecDeque<Arc<Event>>>),
    Files {
        writer: SyncSender<Note>,
        segments: Arc<Segments>,
    },
}

enum Note {
    Event(Arc<Event>),
    /// Answered when all before it is written.
    Flush(mpsc::Sender<()>),
}

#[derive(Debug, thiserror::Error)]
#[error("failed to open the journal in `{folder}`: {source}")]
pub struct JournalError {
    pub folder: String,
    pub source: std::io::Error,
}

impl Journal {
    /// A journal in `folder`, or one that remembers only what is recent.
    pub fn open(folder: Option<&Path>) -> Result<Journal, JournalError> {
        let kept = match folder {
            None => Kept::Recent(Mutex::default()),
            Some(folder) => {
                let failed = |source| JournalError { folder: folder.display().to_string(), source };
                let segments = Arc::new(Segments::open(folder).map_err(failed)?);
                let (writer, notes) = mpsc::sync_channel(WAITING_MAX);
                let sink = segments.clone();
                let thread = std::thread::Builder::new().name("journal".into());
                thread.spawn(move || write_all(&notes, &sink)).map_err(failed)?;
                Kept::Files { writer, segments }
            }
        };
        Ok(Journal { kept, followers: broadcast::channel(FOLLOWER_BEHIND_MAX).0 })
    }

    pub fn record(&self, event: Event) {
        let event = Arc::new(event);
        // Nobody may be following.
        let _ = self.followers.send(event.clone());
        match &self.kept {
            Kept::Recent(recent) => {
                let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
                recent.push_back(event);
                if recent.len() > RECENT_MAX {
                    recent.pop_front();
                }
            }
            Kept::Files { writer, .. } => {
                if let Err(TrySendError::Full(_)) = writer.try_send(Note::Event(event)) {
                    tracing::warn!("the journal's writer is behind; an event was left out");
                }
            }
        }
    }

    /// Events as they come.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Event>> {
        self.followers.subscribe()
    }

    /// The newest events, oldest first, at most `count`, that `wanted` wants. Blocks on files.
    pub fn newest(&self, count: usize, wanted: impl Fn(&Event) -> bool) -> Vec<Arc<Event>> {
        match &self.kept {
            Kept::Recent(recent) => {
                let recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
                let mut found: Vec<_> = recent.iter().rev().filter(|e| wanted(e)).take(count).cloned().collect();
                found.reverse();
                found
            }
            Kept::Files { segments, .. } => {
                self.flush();
                segments.newest(count, wanted)
            }
        }
    }

    /// All that belongs to a trace, oldest first, at most `count`.
    pub fn trace(&self, root: TraceId, count: usize) -> Vec<Arc<Event>> {
        self.newest(count, |event| event.root == root)
    }

    /// Returns when all that was recorded is in the files.
    pub fn flush(&self) {
        let Kept::Files { writer, .. } = &self.kept else { return };
        let (done, wait) = mpsc::channel();
        if writer.send(Note::Flush(done)).is_ok() {
            let _ = wait.recv();
        }
    }
}

fn write_all(notes: &mpsc::Receiver<Note>, segments: &Segments) {
    let mut failing = false;
    while let Ok(first) = notes.recv() {
        let mut flushes = Vec::new();
        let mut lines = Vec::new();
        for note in std::iter::once(first).chain(notes.try_iter().take(1_024)) {
            match note {
                Note::Event(event) => event.write_line(&mut lines),
                Note::Flush(done) => flushes.push(done),
            }
        }
        match segments.append(&lines) {
            Err(error) if !failing => {
                tracing::error!(%error, "the journal can't be written; events are lost until it can");
                failing = true;
            }
            Err(_) => {}
            Ok(()) => failing = false,
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests;
