//! How Java functions are started: the JVM's settings, and where classes come from.

use std::path::PathBuf;

use super::{Layout, text};
use crate::runtimes::Runtime;
use crate::spec::EnvironmentSpec;

/// The bootstrap under the runtime folder.
pub(crate) const BOOTSTRAP_JAR: &str = "java/kobel-lambda-runtime.jar";
/// Where an environment sees its class cache.
pub(crate) const CLASSES_DIR: &str = "/var/classes";
/// The function's own classes and the archive, in that folder.
pub(crate) const CLASSES_JAR: &str = "function.jar";
pub(crate) const ARCHIVE: &str = "classes.archive";

/// The share of the memory limit that the heap may take, in percent.
const HEAP_PERCENT: u32 = 75;
/// Settings that a JVM reads from a variable, in which the function may choose otherwise.
const OPTIONS_VARIABLE: &str = "JAVA_TOOL_OPTIONS";
/// Settings for a short start, as AWS's: a collector without threads and the compiler that compiles fast. Each is left out
/// when the function's own settings have one of the words.
const DEFAULTS: [(&str, &[&str]); 3] = [
    (
        "-XX:+UseSerialGC",
        &["-XX:+UseSerialGC", "-XX:+UseParallelGC", "-XX:+UseG1GC", "-XX:+UseZGC", "-XX:+UseShenandoahGC"],
    ),
    ("-XX:TieredStopAtLevel=1", &["TieredStopAtLevel", "TieredCompilation"]),
    ("-XX:-UsePerfData", &["UsePerfData"]),
];
/// UTF-8, although the host may lack the locale that `LANG` names.
const ENCODINGS: [&str; 3] = ["-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Dstderr.encoding=UTF-8"];
/// Settings of the heap's size, and of archives, that go before ours.
const HEAP_SETTINGS: [&str; 3] = ["-Xmx", "MaxHeapSize", "MaxRAM"];
const ARCHIVE_SETTINGS: [&str; 4] = ["-Xshare", "SharedArchiveFile", "AOTCache", "-javaagent"];
/// Since when a JVM warns of the class by which the bootstrap makes a stream of an inherited descriptor.
const UNSAFE_WARNS_MIN: u32 = 23;

/// How an archive of classes is made and used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveKind {
    /// `-XX:SharedArchiveFile`
    Cds,
    /// `-XX:AOTCache`
    Aot,
}

/// An archive, and how classes are arranged for it.
#[derive(Debug)]
pub(crate) struct ClassCache {
    /// The folder with the archive and the function's own classes as a jar: a JVM archives none from folders.
    pub dir: PathBuf,
    pub kind: ArchiveKind,
    /// The jars of the package and of layers, in order, as an environment sees them.
    pub libraries: Vec<String>,
    /// Whether they are in the archive too. They come before the package's folder then, which makes no difference as long
    /// as no file is in both.
    pub archives_libraries: bool,
}

/// What silences a JVM's warnings of archives, and since which JDK it knows that.
const QUIET: [(u32, &str); 2] = [(13, "-Xlog:cds*=off"), (25, "-Xlog:aot*=off")];

/// Whether the function's own settings leave it to us whether classes come from an archive.
pub(crate) fn may_archive(spec: &EnvironmentSpec) -> bool {
    !own_settings(spec, &ARCHIVE_SETTINGS) && !spec.variables.contains_key("AWS_LAMBDA_EXEC_WRAPPER")
}

pub(super) fn arguments(program: String, spec: &EnvironmentSpec, runtime: &Runtime, layout: &Layout) -> Vec<String> {
    let mut arguments = vec![program];
    arguments.extend(settings(spec, runtime));
    if let Some(cache) = &layout.class_cache {
        let option = match cache.kind {
            ArchiveKind::Aot => "-XX:AOTCache",
            ArchiveKind::Cds => "-XX:SharedArchiveFile",
        };
        arguments.push(format!("{option}={CLASSES_DIR}/{ARCHIVE}"));
        // The JVM starts without an archive that does not fit: that is nothing for the function's log.
        arguments.extend(
            QUIET.iter().filter(|(since, _)| runtime.version.major >= *since).map(|(_, off)| (*off).to_owned()),
        );
    }
    arguments.extend(["-cp".to_owned(), class_path(layout), "kobel.runtime.Bootstrap".to_owned()]);
    arguments
}

/// The heap of the JVM that makes an archive, in MB.
#[cfg(target_os = "linux")]
pub(crate) const TRAINING_HEAP_MB: u32 = 512;

/// The command that writes an archive of the classes that `cache` arranges to `output`. It runs no code of the function's.
#[cfg(target_os = "linux")]
pub(crate) fn training(
    program: String,
    runtime: &Runtime,
    layout: &Layout,
    cache: &ClassCache,
    output: &str,
) -> Vec<String> {
    let option = match cache.kind {
        ArchiveKind::Aot => "-XX:AOTCacheOutput",
        ArchiveKind::Cds => "-XX:ArchiveClassesAtExit",
    };
    let mut arguments = vec![program, format!("-Xmx{TRAINING_HEAP_MB}m")];
    arguments.extend(DEFAULTS.map(|(setting, _)| setting.to_owned()));
    arguments.extend(fixed(runtime));
    arguments.push(format!("{option}={output}"));
    let path = archived(layout, cache).join(":");
    arguments.extend(["-cp".to_owned(), path, "kobel.runtime.Trainer".to_owned()]);
    arguments
}

fn settings(spec: &EnvironmentSpec, runtime: &Runtime) -> Vec<String> {
    let mut settings = Vec::new();
    if !own_settings(spec, &HEAP_SETTINGS) {
        settings.push(format!("-Xmx{}m", (spec.memory_mb * HEAP_PERCENT / 100).max(16)));
    }
    let kept = DEFAULTS.iter().filter(|(_, words)| !own_settings(spec, words));
    settings.extend(kept.map(|(setting, _)| (*setting).to_owned()));
    settings.extend(fixed(runtime));
    settings
}

/// What is the same for all functions.
fn fixed(runtime: &Runtime) -> Vec<String> {
    let mut fixed: Vec<String> = ENCODINGS.map(str::to_owned).into();
    if runtime.version.major >= UNSAFE_WARNS_MIN {
        fixed.push("--sun-misc-unsafe-memory-access=allow".to_owned());
    }
    fixed
}

fn own_settings(spec: &EnvironmentSpec, words: &[&str]) -> bool {
    let own = spec.variables.get(OPTIONS_VARIABLE).map_or("", String::as_str);
    words.iter().any(|word| own.contains(word))
}

/// A path begins with what an archive covers, in the order in which it was made: the JVM refuses the archive else.
fn class_path(layout: &Layout) -> String {
    let Some(cache) = &layout.class_cache else {
        let libraries = [layout.task_root.join("lib/*"), layout.opt.join("java/lib/*")].map(|part| text(&part));
        let [own, layers] = libraries;
        return [text(&layout.runtime_dir.join(BOOTSTRAP_JAR)), text(&layout.task_root), own, layers].join(":");
    };
    let mut path = archived(layout, cache);
    path.push(text(&layout.task_root));
    if !cache.archives_libraries {
        path.extend(cache.libraries.iter().cloned());
    }
    path.join(":")
}

fn archived(layout: &Layout, cache: &ClassCache) -> Vec<String> {
    let mut path = vec![text(&layout.runtime_dir.join(BOOTSTRAP_JAR)), format!("{CLASSES_DIR}/{CLASSES_JAR}")];
    if cache.archives_libraries {
        path.extend(cache.libraries.iter().cloned());
    }
    path
}
