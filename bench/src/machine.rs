//! The machine on which was measured: figures mean nothing without it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

pub fn describe(binary: &Path, folder: &Path) -> Value {
    json!({
        "cpu": line_of("/proc/cpuinfo", "model name"),
        "cores": thread::available_parallelism().map_or(0, |count| count.get()),
        "load_before": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
        "memory": line_of("/proc/meminfo", "MemTotal"),
        "kernel": output("uname", &["-srm"]),
        // Of the folder that holds the data: its device, kind and size.
        "disk": output("findmnt", &["-n", "-o", "SOURCE,FSTYPE,SIZE,OPTIONS", "-T", &folder.to_string_lossy()]),
        "root": output("id", &["-u"]) == "0",
        "versions": {
            "kobel": output(&binary.to_string_lossy(), &["version"]),
            "commit": output("git", &["describe", "--always", "--dirty"]),
            "rustc": output("rustc", &["--version"]),
            "python": output("python3", &["--version"]),
            "node": output("node", &["--version"]),
            "java": output("java", &["--version"]).lines().next(),
        },
    })
}

/// The time of day, in UTC, as a file's name can hold it.
pub fn date() -> String {
    output("date", &["-u", "+%Y-%m-%dT%H-%M-%SZ"])
}

pub fn has(program: &str) -> bool {
    // Go knows no option for it.
    let argument = if program == "go" { "version" } else { "--version" };
    Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
    line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
