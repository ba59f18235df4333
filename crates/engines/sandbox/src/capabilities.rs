//! What this host gives, for people to read.

/// A feature of isolation or of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name: `namespaces`, `memory limit`, …
    pub name: &'static str,
    /// Whether it is in use.
    pub on: bool,
    /// How it is done, or why it is not and what would help.
    pub detail: String,
}

/// The answer to "how are functions isolated here?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `namespaces`, `microvm` or `process`.
    pub driver: &'static str,
    /// Why the namespaces driver is not in use, if it is not.
    pub reason: Option<String>,
    /// Each feature.
    pub features: Vec<Feature>,
}

impl Feature {
    pub(crate) fn on(name: &'static str, detail: impl Into<String>) -> Feature {
        Feature { name, on: true, detail: detail.into() }
    }

    pub(crate) fn off(name: &'static str, detail: impl Into<String>) -> Feature {
        Feature { name, on: false, detail: detail.into() }
    }
}

/// What the process driver gives.
pub(crate) fn of_processes(reason: Option<String>) -> Capabilities {
    let none = "plain processes share the host's files, network and processes";
    let memory = if cfg!(target_os = "linux") {
        Feature::on("memory limit", "by looking at resident memory while a function works")
    } else {
        Feature::off("memory limit", "not available on this system")
    };
    let features = vec![
        Feature::off("namespaces", none),
        Feature::off("read-only root", none),
        Feature::off("network", "functions use the host's own, as any process does"),
        Feature::off("seccomp", "needs the namespaces driver"),
        memory,
        Feature::off("pids limit", "needs the namespaces driver"),
        Feature::off("CPU share", "needs control groups"),
        Feature::off("/tmp size", "functions get a private folder, without a size limit"),
    ];
    Capabilities { driver: "process", reason, features }
}
