//! Which starts fork a stem, and what that stem is.
//!
//! A stem is a booted interpreter with Kobel's bootstrap and no user code. A fork of it is a start like any other
//! as long as nothing of the function has a say in how the interpreter boots.

use crate::launcher::message::Stem;
use crate::plan::{self, Layout};
use crate::runtimes::{Family, Resolved, Runtime};
use crate::spec::EnvironmentSpec;

/// The first Python whose collector can be told to leave what lives alone (`gc.freeze`).
const PYTHON_MINOR_MIN: u32 = 7;
/// The most memory with which a function has one vCPU at most. A forked Node.js has no threads that compile and
/// collect beside the program, which only matters with more.
const ONE_CPU_MEMORY_MB: u32 = 1769;
/// Variables, by the start of their names, that interpreters and their libraries read when they boot.
const BOOT_VARIABLES: [&str; 12] = [
    "PYTHON",
    "NODE_",
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

/// The stem that can bear the runtime of `spec`; `None` where it has to boot for itself.
pub(crate) fn of(spec: &EnvironmentSpec, resolved: &Resolved, layout: &Layout) -> Option<Stem> {
    let runtime = resolved.runtime.as_ref().filter(|runtime| is_forkable(runtime, spec))?;
    let has_a_say = |name: &String| BOOT_VARIABLES.iter().any(|start| name.starts_with(start));
    if spec.variables.keys().any(has_a_say) {
        return None;
    }
    let command = plan::stem(spec, resolved, runtime, layout);
    let variables = command.variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    // The interpreter itself, and the size of its heap.
    let name = format!("{} {}", runtime.path.display(), command.arguments[1..].join(" "));
    Some(Stem { name, arguments: command.arguments, variables, lang: command.lang })
}

fn is_forkable(runtime: &Runtime, spec: &EnvironmentSpec) -> bool {
    match runtime.family {
        Family::Python => runtime.version.minor >= PYTHON_MINOR_MIN,
        Family::Nodejs => spec.memory_mb <= ONE_CPU_MEMORY_MB,
        Family::Java | Family::Ruby | Family::Dotnet | Family::Provided => false,
    }
}
