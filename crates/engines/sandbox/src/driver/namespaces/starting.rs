//! What a start asks the launcher for.

use std::collections::BTreeMap;
use std::io;

use crate::cgroup::Limits;
use crate::driver::Conversation;
use crate::extensions;
use crate::launcher::message::{self, Origin, Start, Stem};
use crate::network::Network;
use crate::plan::Command;
use crate::spec::{EnvironmentSpec, MB_PER_VCPU};

/// Processes and threads of an environment, as on Lambda.
const PIDS_MAX: u32 = 1024;
/// The weight of work in the background, where a vCPU of a function has 1,024.
const BACKGROUND_CPU_SHARES: u64 = 128;

/// A start that has not been asked for yet.
pub(crate) struct Starting {
    pub(super) start: Start,
    pub(super) conversation: Conversation,
    /// What the specification asks for.
    pub(super) network: Option<Network>,
    pub(super) bearing: Bearing,
    /// The names of external extensions.
    pub(super) extensions: Vec<String>,
    /// The function's variables: a runtime that is forked is told them first, a program is executed with them.
    pub(super) variables: BTreeMap<String, String>,
}

/// What may bear the runtime of a start.
pub(crate) enum Bearing {
    /// Its program is executed, and why.
    Program(&'static str),
    /// Its program is executed, a JVM that maps an archive of its classes.
    Archived,
    /// The first of these stems that has booted; its program is executed until one has.
    Stem(Vec<Stem>),
    /// The stem alone; it becomes a template.
    Template(Stem),
    /// The template that is this environment.
    OfTemplate(String),
}

/// The start of an environment.
pub(crate) fn start(
    spec: &EnvironmentSpec,
    command: Command,
    conversation: Conversation,
    bearing: Bearing,
) -> io::Result<Starting> {
    Ok(start_with(spec, command, conversation, bearing, extensions::external(spec)?))
}

fn cpu_shares(memory_mb: u32) -> u64 {
    u64::from(memory_mb) * 1024 / u64::from(MB_PER_VCPU)
}

/// The start of a virtual machine's monitor, beside which nothing of the function runs.
/// Its share of the CPU is that of a function with `function_mb`.
pub(crate) fn start_monitor(spec: &EnvironmentSpec, command: Command, function_mb: u32) -> Starting {
    let own = Bearing::Program("a virtual machine");
    let mut starting = start_with(spec, command, Conversation::Channel, own, Vec::new());
    starting.network = Some(Network::Kobel);
    starting.start.limits.cpu_shares = cpu_shares(function_mb);
    starting
}

fn start_with(
    spec: &EnvironmentSpec,
    command: Command,
    conversation: Conversation,
    bearing: Bearing,
    names: Vec<String>,
) -> Starting {
    let programs =
        names.iter().take(extensions::EXTENSIONS_MAX).map(|name| format!("{}/{name}", extensions::FOLDER)).collect();
    let theirs = if names.is_empty() { Vec::new() } else { extensions::variables(&command.variables) };
    let extensions = message::Extensions { programs, variables: theirs };
    let limits = Limits {
        memory_bytes: u64::from(spec.memory_mb) << 20,
        tmp_bytes: u64::from(spec.ephemeral_storage_mb) << 20,
        pids_max: PIDS_MAX,
        cpu_shares: cpu_shares(spec.memory_mb),
    };
    let start = Start {
        id: spec.id.clone(),
        arguments: command.arguments,
        // Told to the runtime, or given to its program: known when it is asked for.
        variables: Vec::new(),
        code: spec.image.is_none().then(|| spec.code.clone()),
        layers: if spec.image.is_none() { spec.layers.clone() } else { Vec::new() },
        lang: command.lang,
        classes: command.classes,
        image_root: command.image_root,
        working_dir: command.working_dir,
        limits,
        // Chosen when it is asked for.
        network: Network::Kobel,
        origin: Origin::Program,
        extensions,
    };
    let variables = command.variables;
    Starting { start, conversation, network: spec.network, bearing, extensions: names, variables }
}

impl Starting {
    /// As work that nobody waits for: without the extensions of the function's layers, and after all others' CPU time.
    pub(crate) fn in_background(mut self) -> Starting {
        self.start.limits.cpu_shares = BACKGROUND_CPU_SHARES;
        self.extensions.clear();
        self.start.extensions.programs.clear();
        self
    }
}
