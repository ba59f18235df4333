//! Which starts fork a stem, and what that stem is.
//!
//! A stem is a booted interpreter with Kobel's bootstrap and no user code. A fork of it is a start like any other
//! as long as nothing of the function has a say in how the interpreter boots.

pub(crate) mod sdk;

use crate::class_cache;
use crate::launcher::message::Stem;
use crate::plan::{self, Layout};
use crate::runtimes::{Family, Resolved, Runtime};
use crate::spec::{EnvironmentSpec, MB_PER_VCPU, StartMode};

/// The first Python whose collector can be told to leave what lives alone (`gc.freeze`).
const PYTHON_MINOR_MIN: u32 = 7;
/// Variables, by the start of their names, that interpreters and their libraries read when they boot.
const BOOT_VARIABLES: [&str; 13] = [
    "PYTHON",
    "NODE_",
    "RUBY",
    "UV_",
    "LD_",
    "LC_",
    "LANG",
    "MALLOC_",
    "GLIBC_",
    "OPENSSL_",
    "SSL_",
    "PATH",
    "AWS_LAMBDA_EXEC_WRAPPER",
];

/// The stem that can bear the runtime of `spec`, or why it has to boot for itself.
pub(crate) fn of(spec: &EnvironmentSpec, resolved: &Resolved, layout: &Layout) -> Result<Stem, &'static str> {
    let runtime = resolved.runtime.as_ref().ok_or("the package's own program")?;
    is_forkable(runtime, spec.memory_mb)?;
    let has_a_say = |name: &String| BOOT_VARIABLES.iter().any(|start| name.starts_with(start));
    if spec.variables.keys().any(has_a_say) {
        return Err("the function sets variables that interpreters read when they boot");
    }
    if crate::extensions::external(spec).is_ok_and(|names| !names.is_empty()) {
        return Err("its extensions start first");
    }
    let command = plan::stem(spec, resolved, runtime, layout);
    let variables = command.variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    // The interpreter itself, and the size of its heap.
    let name = format!("{} {}", runtime.path.display(), command.arguments[1..].join(" "));
    Ok(Stem { name, arguments: command.arguments, variables, lang: command.lang, with_sdk: false })
}

/// Whether a stem can bear functions of this runtime with so much memory, or why not.
fn is_forkable(runtime: &Runtime, memory_mb: u32) -> Result<(), &'static str> {
    if runtime.root.is_some() {
        return Err("it is of an image, which is not trusted with what a stem may");
    }
    match runtime.family {
        Family::Python if runtime.version.minor < PYTHON_MINOR_MIN => Err("Python before 3.7 is not forked"),
        // A forked Node.js has no threads that compile and collect beside the program, which only matters with more.
        Family::Nodejs if memory_mb > MB_PER_VCPU => Err("more than 1769 MB, for which Node.js needs its threads"),
        Family::Python | Family::Nodejs | Family::Ruby => Ok(()),
        Family::Java => Err("a JVM's threads cannot be forked"),
        Family::Dotnet | Family::Provided => Err("there is no stem for this runtime"),
    }
}

/// How functions of this interpreter start, for people to read.
pub(crate) fn explain(runtime: &Runtime) -> (StartMode, &'static str) {
    if class_cache::has_archives(runtime) {
        return (
            StartMode::Archive,
            "from a function's second start on, unless its own settings of the JVM speak against it",
        );
    }
    match (is_forkable(runtime, 0), is_forkable(runtime, u32::MAX)) {
        (Err(reason), _) => (StartMode::Exec, reason),
        (Ok(()), Err(_)) => {
            (StartMode::Stem, "except with more than 1769 MB, or variables that interpreters read when they boot")
        }
        (Ok(()), Ok(())) => (StartMode::Stem, "except with variables that interpreters read when they boot"),
    }
}
