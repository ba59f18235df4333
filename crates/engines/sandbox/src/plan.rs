//! Turns a specification into what is executed: the command line and the variables.

pub(crate) mod dotnet;
pub(crate) mod java;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::runtimes::{Family, GO, Resolved, Runtime};
use crate::spec::EnvironmentSpec;

/// Where things are, as the function sees them.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// `LAMBDA_TASK_ROOT`.
    pub task_root: PathBuf,
    /// `LAMBDA_RUNTIME_DIR`: our bootstraps.
    pub runtime_dir: PathBuf,
    /// The merged layers.
    pub opt: PathBuf,
    /// The writable scratch folder.
    pub tmp: PathBuf,
    /// Whether an interpreter outside of `/usr` is seen at `/var/lang`.
    pub moves_interpreter: bool,
    /// The archive of a Java function's classes.
    pub class_cache: Option<Arc<java::ClassCache>>,
}

/// What is executed in an environment.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// All variables.
    pub variables: BTreeMap<String, String>,
    /// The interpreter's folder to be seen at `/var/lang`.
    pub lang: Option<PathBuf>,
    /// The archive of a Java function's classes, to be seen at `/var/classes`.
    pub classes: Option<PathBuf>,
    /// An image's files to be seen at `/`.
    pub image_root: Option<PathBuf>,
    /// Where it starts.
    pub working_dir: String,
}

/// The largest share of the memory limit that a garbage-collected heap may take, in percent.
const NODE_HEAP_PERCENT: u32 = 90;
/// What lets Node.js be forked: no threads of V8's, and no collections when idle, which would copy pages.
const NODE_STEM_FLAGS: [&str; 3] = ["--single-threaded", "--v8-pool-size=0", "--no-memory-reducer"];
/// The executable of `provided.*` functions.
const BOOTSTRAP: &str = "bootstrap";
/// Where an interpreter from outside of `/usr` is seen.
const MOVED_PREFIX: &str = "/var/lang";
const RUNTIME_PATH: &str = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin";
const LIBRARY_PATH: &str =
    "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib";

impl Layout {
    /// As on AWS.
    pub(crate) fn of_lambda() -> Layout {
        Layout {
            task_root: "/var/task".into(),
            runtime_dir: "/var/runtime".into(),
            opt: "/opt".into(),
            tmp: "/tmp".into(),
            moves_interpreter: true,
            class_cache: None,
        }
    }

    fn is_of_lambda(&self) -> bool {
        self.moves_interpreter
    }
}

/// The command that runs `spec` with the interpreter `resolved`.
pub(crate) fn command(spec: &EnvironmentSpec, resolved: &Resolved, layout: &Layout, endpoint_port: u16) -> Command {
    let lang = resolved.runtime.as_ref().and_then(|runtime| moved_prefix(runtime, layout));
    let mut arguments = match &resolved.runtime {
        None => vec![executable_of(spec, layout)],
        Some(runtime) => interpreter(spec, runtime, layout, "bootstrap"),
    };
    let wrapper = spec.variables.get("AWS_LAMBDA_EXEC_WRAPPER").filter(|_| resolved.runtime.is_some());
    arguments.splice(0..0, wrapper.cloned());
    let variables = variables(spec, resolved, layout, endpoint_port);
    let image_root = resolved.runtime.as_ref().and_then(|runtime| runtime.root.clone());
    let classes = layout.class_cache.as_ref().map(|cache| cache.dir.clone());
    Command { arguments, variables, lang, classes, image_root, working_dir: text(&layout.task_root) }
}

/// Whether this is a function of `go1.x` whose handler is a file of its package.
pub(crate) fn names_executable(spec: &EnvironmentSpec) -> bool {
    let inside = Path::new(&spec.handler).components().all(|part| matches!(part, Component::Normal(_)));
    spec.runtime == GO && inside && is_executable(&spec.code.join(&spec.handler))
}

#[cfg(unix)]
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn executable_of(spec: &EnvironmentSpec, layout: &Layout) -> String {
    if names_executable(spec) {
        return text(&layout.task_root.join(&spec.handler));
    }
    let in_code = is_executable(&spec.code.join(BOOTSTRAP));
    let folder = if in_code { &layout.task_root } else { &layout.opt };
    text(&folder.join(BOOTSTRAP))
}

/// The command that boots a stem, from which runtimes of functions like `spec` are forked.
pub(crate) fn stem(spec: &EnvironmentSpec, resolved: &Resolved, runtime: &Runtime, layout: &Layout) -> Command {
    let mut arguments = interpreter(spec, runtime, layout, "stem");
    if runtime.family == Family::Nodejs {
        arguments.splice(1..1, NODE_STEM_FLAGS.map(str::to_owned));
    }
    let mut variables = BTreeMap::new();
    describe_interpreter(&mut variables, resolved, layout);
    if matches!(runtime.family, Family::Ruby | Family::Nodejs) {
        // Ruby's own fork comes to that of the library, which bears children into sandboxes; for Node.js the library
        // notes what is to be done after forks.
        variables.insert("LD_PRELOAD".to_owned(), text(&layout.runtime_dir.join("stem/stem.so")));
    }
    Command {
        arguments,
        variables,
        lang: moved_prefix(runtime, layout),
        classes: None,
        image_root: None,
        working_dir: text(&layout.task_root),
    }
}

/// An interpreter without arguments, and with the variables that it reads when it boots.
#[cfg(target_os = "linux")]
pub(crate) fn bare(resolved: &Resolved, runtime: &Runtime, layout: &Layout) -> Command {
    let mut variables = BTreeMap::new();
    describe_interpreter(&mut variables, resolved, layout);
    Command {
        arguments: vec![program(runtime, layout)],
        variables,
        lang: moved_prefix(runtime, layout),
        classes: None,
        image_root: None,
        working_dir: text(&layout.task_root),
    }
}

/// The interpreter's folder, where it is seen at `/var/lang`.
fn moved_prefix(runtime: &Runtime, layout: &Layout) -> Option<PathBuf> {
    let moves = layout.moves_interpreter && runtime.root.is_none() && !runtime.prefix.starts_with("/usr");
    moves.then(|| runtime.prefix.clone())
}

/// Where an environment finds an interpreter.
fn program(runtime: &Runtime, layout: &Layout) -> String {
    match runtime.path.strip_prefix(&runtime.prefix) {
        Ok(relative) if moved_prefix(runtime, layout).is_some() => text(&Path::new(MOVED_PREFIX).join(relative)),
        _ => text(&runtime.path),
    }
}

/// `script` is the name of a file of ours without its ending.
fn interpreter(spec: &EnvironmentSpec, runtime: &Runtime, layout: &Layout, script: &str) -> Vec<String> {
    let program = program(runtime, layout);
    match runtime.family {
        Family::Python => vec![program, text(&layout.runtime_dir.join(format!("python/{script}.py")))],
        Family::Nodejs => {
            let heap_mb = (spec.memory_mb * NODE_HEAP_PERCENT / 100).max(32);
            let bootstrap = text(&layout.runtime_dir.join(format!("nodejs/{script}.js")));
            vec![program, format!("--max-old-space-size={heap_mb}"), bootstrap]
        }
        Family::Java => java::arguments(program, spec, runtime, layout),
        Family::Ruby => {
            // RubyGems takes most of a start: the bootstrap loads it when it is needed. Files are UTF-8 although the
            // host may lack the locale that `LANG` names.
            let flags = ["--disable-gems", "-EUTF-8"].map(str::to_owned);
            [program]
                .into_iter()
                .chain(flags)
                .chain([text(&layout.runtime_dir.join(format!("ruby/{script}.rb")))])
                .collect()
        }
        Family::Dotnet => dotnet::arguments(program, spec, runtime, layout),
        Family::Provided => vec![program],
    }
}

/// The variables of the function, of the service, and those that describe the environment.
fn variables(
    spec: &EnvironmentSpec,
    resolved: &Resolved,
    layout: &Layout,
    endpoint_port: u16,
) -> BTreeMap<String, String> {
    let mut variables = spec.variables.clone();
    let mut fixed = |name: &str, value: String| {
        variables.insert(name.to_owned(), value);
    };
    fixed("_HANDLER", spec.handler.clone());
    fixed("LAMBDA_TASK_ROOT", text(&layout.task_root));
    fixed("LAMBDA_RUNTIME_DIR", text(&layout.runtime_dir));
    if resolved.runtime.is_some() || spec.runtime == GO {
        fixed("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", spec.runtime));
    }
    let mut default = |name: &str, value: String| {
        variables.entry(name.to_owned()).or_insert(value);
    };
    for api in crate::session::ADDRESS_VARIABLES {
        default(api, format!("127.0.0.1:{}", crate::session::RUNTIME_API_PORT));
    }
    default("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{endpoint_port}"));
    if !layout.is_of_lambda() {
        default("PATH", std::env::var("PATH").unwrap_or_else(|_| RUNTIME_PATH.to_owned()));
        default("LD_LIBRARY_PATH", ["lib"].map(|lib| text(&layout.task_root.join(lib))).join(":"));
        default("TMPDIR", text(&layout.tmp));
        default("KOBEL_OPT", text(&layout.opt));
    }
    if let Some(runtime) = resolved.runtime.as_ref().filter(|runtime| runtime.family == Family::Dotnet) {
        let root = moved_prefix(runtime, layout).map_or(runtime.prefix.as_path(), |_| Path::new(MOVED_PREFIX));
        for (name, value) in dotnet::variables(spec.memory_mb, runtime, root) {
            default(&name, value);
        }
    }
    describe_interpreter(&mut variables, resolved, layout);
    variables
}

/// The variables that interpreters read when they boot, where the function does not set them itself.
fn describe_interpreter(variables: &mut BTreeMap<String, String>, resolved: &Resolved, layout: &Layout) {
    let mut default = |name: &str, value: String| {
        variables.entry(name.to_owned()).or_insert(value);
    };
    default("LANG", "en_US.UTF-8".to_owned());
    default("TZ", ":UTC".to_owned());
    default("PATH", RUNTIME_PATH.to_owned());
    default("LD_LIBRARY_PATH", LIBRARY_PATH.to_owned());
    match resolved.family {
        Family::Python => default("PYTHONPATH", text(&layout.runtime_dir)),
        Family::Nodejs => default("NODE_PATH", node_path(resolved, layout)),
        Family::Ruby => {
            default("GEM_PATH", gem_path(resolved, layout));
            default("RUBYLIB", ruby_path(layout));
        }
        Family::Java | Family::Dotnet | Family::Provided => {}
    }
}

/// Where gems of the package and of layers are, by the version that was asked for (`ruby3.3` → `3.3.0`).
fn gem_path(resolved: &Resolved, layout: &Layout) -> String {
    let version = resolved.identifier.trim_start_matches("ruby");
    let bundle = layout.task_root.join(format!("vendor/bundle/ruby/{version}.0"));
    [bundle, layout.opt.join(format!("ruby/gems/{version}.0"))].map(|part| text(&part)).join(":")
}

fn ruby_path(layout: &Layout) -> String {
    [layout.task_root.clone(), layout.runtime_dir.join("lib"), layout.opt.join("ruby/lib")]
        .map(|part| text(&part))
        .join(":")
}

fn node_path(resolved: &Resolved, layout: &Layout) -> String {
    let major = resolved.runtime.as_ref().map_or(0, |runtime| runtime.version.major);
    let parts = [
        layout.opt.join(format!("nodejs/node{major}/node_modules")),
        layout.opt.join("nodejs/node_modules"),
        layout.runtime_dir.join("node_modules"),
        layout.runtime_dir.clone(),
        layout.task_root.clone(),
    ];
    parts.map(|part| text(&part)).join(":")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
