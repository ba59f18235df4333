//! One run: how much is measured, and what came of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::figure::{self, Figure};
use crate::machine;

pub struct Bench {
    pub binary: PathBuf,
    pub scale: Scale,
    folder: TempDir,
    figures: Vec<Figure>,
    /// What was not measured, and why.
    notes: Vec<String>,
    machine: Value,
}

/// How many samples each figure gets.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub starts: usize,
    pub idles: usize,
    pub ups: usize,
    pub changes: usize,
    pub warm_ups: usize,
    pub invokes: usize,
    pub colds: usize,
    /// Native environments that are idle at the same time; fewer of heavier languages.
    pub idle_environments: usize,
    pub objects: usize,
    pub load_warm_up: Duration,
    pub load: Duration,
}

impl Scale {
    pub const FULL: Scale = Scale {
        starts: 40,
        idles: 10,
        ups: 10,
        changes: 20,
        warm_ups: 500,
        invokes: 4_000,
        colds: 20,
        idle_environments: 1_000,
        objects: 300,
        load_warm_up: Duration::from_secs(1),
        load: Duration::from_secs(5),
    };
    /// Whether all of it works; the figures are rough.
    pub const QUICK: Scale = Scale {
        starts: 5,
        idles: 2,
        ups: 2,
        changes: 3,
        warm_ups: 50,
        invokes: 300,
        colds: 3,
        idle_environments: 20,
        objects: 30,
        load_warm_up: Duration::from_millis(200),
        load: Duration::from_secs(1),
    };
}

impl Bench {
    /// Data is kept in a temporary folder below `target`, which is on a real disk where `/tmp` may be memory.
    pub fn new(binary: PathBuf, target: &Path, scale: Scale) -> Result<Bench, String> {
        let failed = |error: std::io::Error| format!("failed to make a folder in `{}`: {error}", target.display());
        std::fs::create_dir_all(target).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix("kobel-bench-").tempdir_in(target).map_err(failed)?;
        let machine = machine::describe(&binary, folder.path());
        Ok(Bench { binary, scale, folder, figures: Vec::new(), notes: Vec::new(), machine })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Prints the figure at once: a whole run takes minutes.
    pub fn add(&mut self, figure: Figure) {
        if self.figures.is_empty() {
            println!("{}", figure::heading());
        }
        println!("{}", figure.row());
        self.figures.push(figure);
    }

    pub fn note(&mut self, note: String) {
        println!("{note}");
        self.notes.push(note);
    }

    pub fn json(&self, date: &str) -> Value {
        json!({
            "date": date,
            "machine": self.machine,
            "figures": self.figures.iter().map(Figure::json).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}
