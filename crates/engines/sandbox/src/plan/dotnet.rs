//! How .NET functions are started: class libraries by Kobel's bootstrap, executable assemblies by themselves.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Layout, text};
use crate::runtimes::{Family, Resolved, Runtime, Version};
use crate::spec::EnvironmentSpec;

/// The bootstrap under the runtime folder.
pub(crate) const ASSEMBLY: &str = "dotnet/kobel-lambda.dll";
/// Between the parts of a handler setting that names a method.
const SEPARATOR: &str = "::";
/// The share of the memory limit that the collector's heap may take, in percent. .NET cannot see the limit itself.
const HEAP_PERCENT: u64 = 85;
/// Since when variables for the runtime begin with `DOTNET_`, not with `COMPlus_`.
const DOTNET_VARIABLES_MIN: u32 = 6;
/// Since when .NET takes whatever version of ICU the host has; 3.1 ends without one that it knows.
const ANY_ICU_MIN: u32 = 5;
/// Where Linux distributions have libraries.
const LIBRARY_DIRS: [&str; 4] = ["/usr/lib64", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/// Whether the handler names an assembly to execute, which speaks the Runtime API itself, as the package
/// `Amazon.Lambda.RuntimeSupport` does.
pub(crate) fn is_executable(spec: &EnvironmentSpec, resolved: &Resolved) -> bool {
    resolved.family == Family::Dotnet && !spec.handler.contains(SEPARATOR)
}

/// Which frameworks a package without a `.runtimeconfig.json` of its own runs on; under the runtime folder.
pub(crate) fn default_config(version: Version) -> String {
    format!("dotnet/{}.{}.runtimeconfig.json", version.major, version.minor)
}

pub(super) fn arguments(program: String, spec: &EnvironmentSpec, runtime: &Runtime, layout: &Layout) -> Vec<String> {
    let Some((assembly, _)) = spec.handler.split_once(SEPARATOR) else {
        return executable(program, spec, layout);
    };
    let main = spec.variables.get("LAMBDA_DOTNET_MAIN_ASSEMBLY").map(|name| name.trim_end_matches(".dll"));
    let assembly = main.unwrap_or(assembly).trim();
    // A package for an older version runs on a newer one where the older is not there.
    let mut arguments = vec![program, "exec".to_owned(), "--roll-forward".to_owned(), "Major".to_owned()];
    let config = described(spec, assembly, "runtimeconfig.json").map(|name| layout.task_root.join(name));
    let config = config.unwrap_or_else(|| layout.runtime_dir.join(default_config(runtime.version)));
    arguments.extend(["--runtimeconfig".to_owned(), text(&config)]);
    if let Some(name) = described(spec, assembly, "deps.json") {
        arguments.extend(["--depsfile".to_owned(), text(&layout.task_root.join(name))]);
    }
    arguments.push(text(&layout.runtime_dir.join(ASSEMBLY)));
    arguments
}

/// An assembly, or a program that carries its own runtime.
fn executable(program: String, spec: &EnvironmentSpec, layout: &Layout) -> Vec<String> {
    let handler = spec.handler.trim();
    let assembly = if handler.ends_with(".dll") { handler.to_owned() } else { format!("{handler}.dll") };
    if !spec.code.join(&assembly).is_file() && spec.code.join(handler).is_file() {
        return vec![text(&layout.task_root.join(handler))];
    }
    let roll_forward = ["exec", "--roll-forward", "Major"].map(str::to_owned);
    let assembly = text(&layout.task_root.join(assembly));
    [program].into_iter().chain(roll_forward).chain([assembly]).collect()
}

/// The file of the package that is named by the assembly, else the only one of its kind.
fn described(spec: &EnvironmentSpec, assembly: &str, kind: &str) -> Option<PathBuf> {
    let named = PathBuf::from(format!("{assembly}.{kind}"));
    if spec.code.join(&named).is_file() {
        return Some(named);
    }
    let ending = format!(".{kind}");
    let names = std::fs::read_dir(&spec.code).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names = names.filter(|name| name.ends_with(&ending));
    let only = names.next()?;
    names.next().is_none().then(|| only.into())
}

/// The variables that .NET reads when it boots.
pub(super) fn variables(memory_mb: u32, runtime: &Runtime, root: &Path) -> Vec<(String, String)> {
    let prefix = if runtime.version.major < DOTNET_VARIABLES_MIN { "COMPlus" } else { "DOTNET" };
    let heap_bytes = u64::from(memory_mb) * 1024 * 1024 * HEAP_PERCENT / 100;
    let mut variables = vec![
        ("DOTNET_ROOT".to_owned(), text(root)),
        (format!("{prefix}_GCHeapHardLimit"), format!("{heap_bytes:x}")),
        // Nobody can debug a function, and what listens for debuggers costs milliseconds of each start.
        (format!("{prefix}_EnableDiagnostics"), "0".to_owned()),
    ];
    if cfg!(target_os = "linux") && (runtime.version.major < ANY_ICU_MIN || !host_has_icu()) {
        variables.push(("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT".to_owned(), "1".to_owned()));
    }
    variables
}

fn host_has_icu() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let is_icu = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("libicuuc.so.");
    *FOUND.get_or_init(|| LIBRARY_DIRS.iter().flat_map(std::fs::read_dir).flatten().flatten().any(is_icu))
}
