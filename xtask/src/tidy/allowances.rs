//! `xtask/tidy.toml`: where real time is allowed, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::Finding;

const PATH: &str = "xtask/tidy.toml";

/// The exceptions, and which of them were needed.
pub struct Allowances {
    /// Reasons by file or folder.
    real_time: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    real_time: BTreeMap<String, String>,
}

impl Allowances {
    pub fn read(root: &Path) -> Result<Allowances, String> {
        let path = root.join(PATH);
        let text = fs::read_to_string(&path).map_err(|error| format!("failed to read `{PATH}`: {error}"))?;
        let text: Text = toml::from_str(&text).map_err(|error| format!("failed to parse `{PATH}`: {error}"))?;
        Ok(Allowances::new(text.real_time))
    }

    pub fn new(real_time: BTreeMap<String, String>) -> Allowances {
        Allowances { real_time, used: BTreeSet::new() }
    }

    /// Whether the file may ask the operating system for the time.
    pub fn allow_real_time(&mut self, path: &str) -> bool {
        match self.real_time.keys().find(|allowed| Path::new(path).starts_with(allowed)) {
            Some(allowed) => {
                self.used.insert(allowed.clone());
                true
            }
            None => false,
        }
    }

    /// Reports exceptions that nothing needs or that give no reason.
    pub fn check_all_used(&self, findings: &mut Vec<Finding>) {
        for (allowed, reason) in &self.real_time {
            if !self.used.contains(allowed) {
                findings.push(self.finding(format!("`{allowed}` is allowed real time and does not use it")));
            }
            if reason.trim().is_empty() {
                findings.push(self.finding(format!("`{allowed}` is allowed real time without a reason")));
            }
        }
    }

    fn finding(&self, message: String) -> Finding {
        Finding { path: PATH.to_owned(), line: 0, message }
    }
}
