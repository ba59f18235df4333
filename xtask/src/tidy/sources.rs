//! What a source may contain.

use super::Finding;
use super::allowances::Allowances;
use super::generated::is_generated;
use super::workspace::Source;

/// A hand-written file with more lines has a second purpose inside.
const LINES_MAX: usize = 500;

/// How far above `unsafe` its reason may stand, in lines.
const SAFETY_DISTANCE_MAX: usize = 6;

/// Ways to ask the operating system for the time, or to wait for it.
const REAL_TIME: &[&str] = &["SystemTime::now", "Instant::now", "thread::sleep", "tokio::time"];

/// What no source contains, and why.
const BANNED: &[(&str, &str)] = &[
    ("todo!(", "what is missing answers with an error that says so"),
    ("unimplemented!(", "what is missing answers with an error that says so"),
    ("#[ignore", "a test runs or does not exist"),
];

/// Names that say nothing of what a file is about.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// The folders in which `unsafe` is allowed.
const UNSAFE_FOLDERS: &[&str] = &["crates/engines/sandbox/"];

/// The files that hold this list of words themselves.
const SELF: &str = "xtask/src/tidy/";

pub fn check(source: &Source, allowances: &mut Allowances, findings: &mut Vec<Finding>) {
    let mut report = |line: usize, message: String| {
        findings.push(Finding { path: source.path.clone(), line, message });
    };
    let lines: Vec<&str> = source.text.lines().collect();
    if lines.len() > LINES_MAX && !is_generated(source) {
        report(0, format!("{} lines: past {LINES_MAX} look for the second purpose inside", lines.len()));
    }
    if let Some(name) = empty_name(&source.path) {
        report(0, format!("`{name}` says nothing of what the file is about"));
    }
    if source.path.starts_with(SELF) || is_generated(source) {
        return;
    }
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        if let Some(word) = REAL_TIME.iter().find(|word| line.contains(**word))
            && !allowances.allow_real_time(&source.path)
        {
            report(at + 1, format!("`{word}`: ask `clock`, or give a reason in xtask/tidy.toml"));
        }
        for (word, reason) in BANNED.iter().filter(|(word, _)| line.contains(word)) {
            report(at + 1, format!("`{word}`: {reason}"));
        }
        if let Some(message) = unsafe_objection(&source.path, &lines, at) {
            report(at + 1, message);
        }
    }
}

fn empty_name(path: &str) -> Option<&str> {
    let parts = path.split('/').map(|part| part.trim_end_matches(".rs"));
    parts.into_iter().find(|part| EMPTY_NAMES.contains(part))
}

fn unsafe_objection(path: &str, lines: &[&str], at: usize) -> Option<String> {
    let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
    if !words.iter().any(|word| lines[at].contains(word)) {
        return None;
    }
    if !UNSAFE_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return Some("`unsafe` is for the sandbox alone".to_owned());
    }
    let above = &lines[at.saturating_sub(SAFETY_DISTANCE_MAX)..=at];
    let has_reason = above.iter().any(|line| line.contains("SAFETY") || line.contains("# Safety"));
    (!has_reason).then(|| "`unsafe` without a SAFETY comment".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(path: &str, text: &str, allowed: &[&str]) -> Vec<String> {
        let reasons = allowed.iter().map(|path| ((*path).to_owned(), "it must".to_owned()));
        let mut allowances = Allowances::new(reasons.collect::<BTreeMap<_, _>>());
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        let mut findings = Vec::new();
        check(&source, &mut allowances, &mut findings);
        findings.into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn real_time_needs_an_allowance() {
        let text = "// Instant::now in a comment\nlet now = Instant::now();\n";
        let expected = "crates/a/src/x.rs:2: `Instant::now`: ask `clock`, or give a reason in xtask/tidy.toml";
        assert_eq!(of("crates/a/src/x.rs", text, &[]), [expected]);
        assert!(of("crates/a/src/x.rs", text, &["crates/a"]).is_empty());
    }

    #[test]
    fn long_files_are_reported() {
        let findings = of("crates/a/src/x.rs", &"let x = 1;\n".repeat(LINES_MAX + 1), &[]);
        assert_eq!(findings.len(), 1);
        let generated = format!("{}\n{}", crate::codegen::HEADER, "let x = 1;\n".repeat(LINES_MAX + 1));
        assert!(of("crates/models/a/src/x.rs", &generated, &[]).is_empty());
    }

    #[test]
    fn unsafe_needs_its_place_and_its_reason() {
        let bare = "let x = unsafe { f() };\n";
        let reasoned = "// SAFETY: f has no conditions.\nlet x = unsafe { f() };\n";
        assert_eq!(of("crates/a/src/x.rs", reasoned, &[]).len(), 1);
        assert_eq!(of("crates/engines/sandbox/src/x.rs", bare, &[]).len(), 1);
        assert!(of("crates/engines/sandbox/src/x.rs", reasoned, &[]).is_empty());
    }

    #[test]
    fn files_are_named_by_a_noun() {
        assert_eq!(of("crates/a/src/utils.rs", "", &[]).len(), 1);
        assert!(of("crates/a/src/queue.rs", "", &[]).is_empty());
    }
}
