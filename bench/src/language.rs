//! The trivial handler in each language: it returns its event.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::machine;

pub struct Language {
    pub name: &'static str,
    pub runtime: &'static str,
    pub handler: &'static str,
    /// The program without which it is not measured.
    pub needs: &'static str,
    /// The name in the package, and the source below `bench/handlers`.
    file: (&'static str, &'static str),
}

pub const PYTHON: Language = Language {
    name: "Python",
    runtime: "python3.11",
    handler: "echo.handler",
    needs: "python3",
    file: ("echo.py", include_str!("../handlers/echo.py")),
};

pub const ALL: [Language; 3] = [
    PYTHON,
    Language {
        name: "Node.js",
        runtime: "nodejs20.x",
        handler: "echo.handler",
        needs: "node",
        file: ("echo.mjs", include_str!("../handlers/echo.mjs")),
    },
    Language {
        name: "Java",
        runtime: "java17",
        handler: "bench.Echo::handle",
        needs: "javac",
        file: ("bench/Echo.java", include_str!("../handlers/java/bench/Echo.java")),
    },
];

impl Language {
    pub fn is_present(&self) -> bool {
        machine::has(self.needs)
    }

    /// The deployment package, as a zip.
    pub fn package(&self, folder: &Path) -> Result<Vec<u8>, String> {
        let (name, source) = self.file;
        if self.needs != "javac" {
            return zipped(name, source.as_bytes());
        }
        let failed = |error: std::io::Error| format!("failed to compile `{name}`: {error}");
        let folder = tempfile::tempdir_in(folder).map_err(failed)?;
        let file = folder.path().join("Echo.java");
        fs::write(&file, source).map_err(failed)?;
        let status = Command::new("javac").arg("-d").arg(folder.path()).arg(&file).status().map_err(failed)?;
        if !status.success() {
            return Err(format!("javac ended with {status}"));
        }
        let class = name.replace(".java", ".class");
        zipped(&class, &fs::read(folder.path().join(&class)).map_err(failed)?)
    }
}

fn zipped(name: &str, content: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("failed to write a zip: {error}");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, SimpleFileOptions::default().unix_permissions(0o644)).map_err(|error| failed(&error))?;
    zip.write_all(content).map_err(|error| failed(&error))?;
    Ok(zip.finish().map_err(|error| failed(&error))?.into_inner())
}
