//! The trivial handler in each language: it returns its event.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::machine;

/// A function that returns its event, and the bound that its cold start is measured against.
pub struct Language {
    pub name: &'static str,
    pub runtime: &'static str,
    pub handler: &'static str,
    /// The program without which it is not measured.
    pub needs: &'static str,
    /// A library that the runtime may lack.
    pub may_lack: Option<&'static str>,
    /// From the request's arrival to the response, where no environment is there.
    pub cold_ms_max: f64,
    source: Source,
}

/// Sources are in `bench/handlers`.
enum Source {
    /// Packed as it is: the name in the package, and the text.
    Script(&'static str, &'static str),
    Rust(&'static str),
    Go(&'static str),
    Java(&'static str),
}

pub const NATIVE: Language = Language {
    name: "native",
    runtime: "provided.al2023",
    handler: "bootstrap",
    needs: "rustc",
    may_lack: None,
    cold_ms_max: 2.0,
    source: Source::Rust(include_str!("../handlers/native.rs")),
};

pub const PYTHON: Language = Language {
    name: "Python",
    runtime: "python3.11",
    handler: "echo.handler",
    needs: "python3",
    may_lack: None,
    cold_ms_max: 6.0,
    source: Source::Script("echo.py", include_str!("../handlers/echo.py")),
};

/// Its invocations last as long as their event says.
pub const PYTHON_HELD: Language = Language {
    handler: "hold.handler",
    cold_ms_max: 1.5,
    source: Source::Script("hold.py", include_str!("../handlers/hold.py")),
    ..PYTHON
};

/// On the first version of which Lambda takes SnapStart.
pub const PYTHON_RESTORED: Language = Language { runtime: "python3.12", ..PYTHON };

pub const RUBY: Language = Language {
    name: "Ruby",
    runtime: "ruby3.3",
    handler: "echo.handler",
    needs: "ruby",
    may_lack: None,
    cold_ms_max: 6.0,
    source: Source::Script("echo.rb", include_str!("../handlers/echo.rb")),
};

pub const NODE: Language = Language {
    name: "Node.js",
    runtime: "nodejs20.x",
    handler: "echo.handler",
    needs: "node",
    may_lack: None,
    cold_ms_max: 8.0,
    source: Source::Script("echo.mjs", include_str!("../handlers/echo.mjs")),
};

pub const JAVA: Language = Language {
    name: "Java",
    runtime: "java17",
    handler: "bench.Echo::handle",
    needs: "javac",
    may_lack: None,
    cold_ms_max: 60.0,
    source: Source::Java(include_str!("../handlers/java/bench/Echo.java")),
};

const GO: Language = Language {
    name: "Go",
    runtime: "provided.al2023",
    handler: "bootstrap",
    needs: "go",
    may_lack: None,
    cold_ms_max: 4.0,
    source: Source::Go(include_str!("../handlers/echo.go")),
};

const PYTHON_BOTO3: Language = Language {
    name: "Python with boto3",
    handler: "boto.handler",
    may_lack: Some("boto3"),
    cold_ms_max: 10.0,
    source: Source::Script("boto.py", include_str!("../handlers/boto.py")),
    ..PYTHON
};

const NODE_SDK: Language = Language {
    name: "Node.js with the AWS SDK",
    handler: "sdk.handler",
    may_lack: Some("AWS SDK"),
    cold_ms_max: 12.0,
    source: Source::Script("sdk.js", include_str!("../handlers/sdk.js")),
    ..NODE
};

pub const ALL: [Language; 8] = [NATIVE, GO, PYTHON, PYTHON_BOTO3, RUBY, NODE, NODE_SDK, JAVA];

impl Language {
    /// Whether Kobel forks environments of its runtime once one has been started.
    pub fn has_stem(&self) -> bool {
        ["python", "nodejs", "ruby"].iter().any(|family| self.runtime.starts_with(family))
    }

    /// Whether later starts of a package are made otherwise than its first: from a stem, or with an archive of its classes.
    pub fn settles(&self) -> bool {
        self.has_stem() || self.runtime.starts_with("java")
    }

    /// Whether a start in this mode is as all later ones will be.
    pub fn starts_at_its_best(&self, mode: &str) -> bool {
        let is_forked = mode != "exec" && (self.may_lack.is_none() || mode == "stem+sdk");
        is_forked || !self.settles()
    }

    /// Fails with a sentence where the host lacks what the language needs.
    pub fn check(&self) -> Result<(), String> {
        if machine::has(self.needs) { Ok(()) } else { Err(format!("there is no `{}`", self.needs)) }
    }

    /// The deployment package, as a zip.
    pub fn package(&self, folder: &Path) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir_in(folder).map_err(|error| format!("failed to make a folder: {error}"))?;
        let folder = folder.path();
        match self.source {
            Source::Script(name, text) => zipped(name, text.as_bytes()),
            Source::Rust(text) => {
                let mut command = Command::new("rustc");
                command.args(["-O", "--edition=2024", "-C", "target-feature=+crt-static", "-C", "panic=abort"]);
                command.args(["-C", "strip=symbols", "-o", "bootstrap", "bootstrap.rs"]);
                zipped("bootstrap", &compiled(command, folder, ("bootstrap.rs", text), "bootstrap")?)
            }
            Source::Go(text) => {
                let mut command = Command::new("go");
                command.args(["build", "-ldflags=-s -w", "-o", "bootstrap", "bootstrap.go"]).env("CGO_ENABLED", "0");
                zipped("bootstrap", &compiled(command, folder, ("bootstrap.go", text), "bootstrap")?)
            }
            Source::Java(text) => {
                let mut command = Command::new("javac");
                command.args(["-d", ".", "Echo.java"]);
                let class = "bench/Echo.class";
                zipped(class, &compiled(command, folder, ("Echo.java", text), class)?)
            }
        }
    }
}

/// Runs a compiler in `folder` on the source; returns what it makes.
fn compiled(mut command: Command, folder: &Path, (name, text): (&str, &str), made: &str) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("failed to compile `{name}`: {error}");
    fs::write(folder.join(name), text).map_err(failed)?;
    let output = command.current_dir(folder).output().map_err(failed)?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    fs::read(folder.join(made)).map_err(failed)
}

fn zipped(name: &str, content: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("failed to write a zip: {error}");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, SimpleFileOptions::default().unix_permissions(0o755)).map_err(|error| failed(&error))?;
    zip.write_all(content).map_err(|error| failed(&error))?;
    Ok(zip.finish().map_err(|error| failed(&error))?.into_inner())
}
