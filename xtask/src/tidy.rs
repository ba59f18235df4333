//! Checks the architecture's invariants mechanically.

mod allowances;
mod generated;
mod layers;
mod sources;
mod workspace;

use std::fmt;
use std::path::Path;

use allowances::Allowances;
use workspace::Workspace;

/// One place where an invariant does not hold.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Relative to the root.
    pub path: String,
    /// From 1; 0 where the file as a whole is meant.
    pub line: usize,
    pub message: String,
}

/// Checks the whole clone; the error lists every finding.
pub fn check(root: &Path) -> Result<(), String> {
    let findings = findings(root)?;
    if findings.is_empty() {
        println!("tidy: the invariants hold");
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Err(format!("{}\ntidy: {} findings", lines.join("\n"), lines.len()))
}

/// Every place in the clone where an invariant does not hold, in order of path and line.
pub fn findings(root: &Path) -> Result<Vec<Finding>, String> {
    let workspace = Workspace::read(root)?;
    let mut allowances = Allowances::read(root)?;
    let mut findings = layers::check(&workspace);
    for source in &workspace.sources {
        sources::check(source, &mut allowances, &mut findings);
        generated::check(source, &mut findings);
    }
    allowances.check_all_used(&mut findings);
    findings.sort();
    Ok(findings)
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}
