//! The microVM driver: a virtual machine for each environment, with a kernel of its own.
//!
//! A machine is QEMU, jailed by the namespaces driver as if it were a function: with a user, namespaces and control groups
//! of its own, a system call filter, no capabilities, and no more files than its function. It shows them, read-only, to its
//! guest. There is no network device; one serial port is a stream to Kobel, which carries the conversation with the
//! runtime, what it writes, and its connections to the endpoint. In the guest, Kobel runs the function by the namespaces
//! driver once more. Everything of a machine ends with QEMU, which ends with the launcher and the server.

mod frame;
mod guest;
mod host;
mod initrd;
mod kernel;
mod kvm;
mod link;
mod machine;
mod port;
mod relay;
mod vmlinux;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::namespaces::{self, Namespaces};
use super::{Conversation, Spawned};
use crate::capabilities::{Capabilities, Feature};
use crate::config::{Config, Machines};
use crate::error::Error;
use crate::extensions;
use crate::launcher::SOFTWARE;
use crate::launcher::message::MachineFiles;
use crate::plan::Command;
use crate::spec::EnvironmentSpec;
use frame::Begin;
use initrd::Shown;
use kernel::Kernel;
use machine::{Accelerator, MONITOR_TMP_MB, Machine};

pub use guest::{GUEST_ARGUMENT, guest_main};

/// Why runtimes are not forked.
pub(crate) const NO_STEM: &str = "each virtual machine boots its own interpreter";
/// How long a machine may take until its function starts.
const BOOT_TIME_MAX: Duration = Duration::from_secs(20);
const EMULATED_BOOT_TIME_MAX: Duration = Duration::from_secs(180);

/// The driver.
pub(crate) struct MicroVms {
    jail: Namespaces,
    machine: Machine,
    release: String,
    endpoint_port: u16,
}

/// What machines can be made of on this host.
struct Parts {
    accelerator: Accelerator,
    monitor: PathBuf,
    kernel: Kernel,
}

/// Looks whether machines can be made here. Blocks for some milliseconds.
fn look(machines: &Machines) -> Result<Parts, String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("virtual machines are made on x86_64 only".to_owned());
    }
    let accelerator = match kvm::probe() {
        _ if machines.emulate => Accelerator::Emulation,
        Ok(()) => Accelerator::Kvm,
        Err(unusable) => return Err(unusable.to_string()),
    };
    let monitor = machine::find_monitor()?;
    let kernel = Kernel::find(machines.kernel.as_deref())?;
    Ok(Parts { accelerator, monitor, kernel })
}

/// Whether `--isolation microvm` is possible here, for people to read.
pub(crate) fn verdict(machines: &Machines) -> Feature {
    const NAME: &str = "microVMs";
    match look(machines) {
        Ok(parts) => Feature::on(NAME, parts.to_string()),
        Err(reason) => Feature::off(NAME, reason),
    }
}

impl MicroVms {
    /// Prepares what all machines start from, and starts the launcher.
    pub(crate) fn open(config: &Config, runtime_dir: &Path) -> Result<MicroVms, Error> {
        let Parts { accelerator, monitor, kernel } =
            look(&config.machines).map_err(|reason| Error::MicroVm { reason })?;
        let mut shown = initrd::shown(&SOFTWARE);
        shown.extend(["etc", "opt", "var"].map(Shown::Share));
        let dir = config.state_dir.join("machine");
        let failed = |source| Error::File { action: "prepare", path: dir.display().to_string(), source };
        furnish(&dir, &kernel, &shown, &namespaces::program(config)?).map_err(failed)?;
        let files = MachineFiles { dir: dir.clone(), kvm: accelerator == Accelerator::Kvm };
        let jail = Namespaces::open_for_machines(config, runtime_dir, files)?;
        let machine = Machine { program: monitor, accelerator, shown };
        Ok(MicroVms { jail, machine, release: kernel.release, endpoint_port: config.endpoint_port })
    }

    /// Makes a machine and starts the function's runtime in it.
    pub(crate) async fn spawn(
        &self,
        spec: &EnvironmentSpec,
        command: Command,
        conversation: Conversation,
    ) -> io::Result<Spawned> {
        let (jail, arguments) = self.jailed(spec, &command);
        let begin = self.begin(spec, command, conversation)?;
        let extensions = extensions::external(spec)?;
        let machine = self.jail.spawn(namespaces::start_monitor(&jail, arguments, spec.memory_mb)).await?;
        let boot_time_max = match self.machine.accelerator {
            Accelerator::Kvm => BOOT_TIME_MAX,
            Accelerator::Emulation => EMULATED_BOOT_TIME_MAX,
        };
        host::begin(machine, begin, extensions, boot_time_max).await
    }

    /// The machine as what the namespaces driver is to run. An image's files take the place of an interpreter, or
    /// of the code: with an image there is none.
    fn jailed(&self, spec: &EnvironmentSpec, command: &Command) -> (EnvironmentSpec, Command) {
        let jail = EnvironmentSpec {
            image: None,
            memory_mb: Machine::jail_mb(spec.memory_mb, spec.ephemeral_storage_mb),
            ephemeral_storage_mb: MONITOR_TMP_MB,
            code: match (&spec.image, &command.image_root) {
                (Some(_), Some(root)) => root.clone(),
                _ => spec.code.clone(),
            },
            layers: if spec.image.is_some() { Vec::new() } else { spec.layers.clone() },
            ..spec.clone()
        };
        let lang = if spec.image.is_some() { None } else { command.image_root.clone().or(command.lang.clone()) };
        let arguments = self.machine.command(spec.memory_mb, spec.ephemeral_storage_mb);
        let (variables, working_dir) = (Default::default(), "/".to_owned());
        (jail, Command { arguments, variables, lang, classes: None, image_root: None, working_dir })
    }

    fn begin(&self, spec: &EnvironmentSpec, command: Command, conversation: Conversation) -> io::Result<Begin> {
        let now = now()?;
        let folder = |shown: bool, path: &str| shown.then(|| path.to_owned());
        let image = spec.image.is_some();
        let image_root = match (&command.image_root, image) {
            (None, _) => None,
            (Some(_), true) => folder(true, "/var/task"),
            (Some(_), false) => folder(true, "/var/lang"),
        };
        Ok(Begin {
            seconds: now.as_secs() as i64,
            nanoseconds: now.subsec_nanos(),
            conversation,
            endpoint_port: self.endpoint_port,
            arguments: command.arguments,
            variables: command.variables,
            working_dir: command.working_dir,
            memory_mb: spec.memory_mb,
            ephemeral_storage_mb: spec.ephemeral_storage_mb,
            code: folder(!image, "/var/task"),
            layers: folder(!image && !spec.layers.is_empty(), "/opt"),
            lang: folder(command.lang.is_some() && image_root.is_none(), "/var/lang"),
            image_root,
        })
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        let Machine { program, accelerator, .. } = &self.machine;
        let runs = format!("{} makes them, {accelerator} runs them, with kernel {}", program.display(), self.release);
        let mut features = vec![
            Feature::on("microVMs", runs),
            Feature::on("no devices", "a serial port, a source of randomness, read-only folders; no network, no disk"),
        ];
        let jail = self.jail.capabilities().features;
        features.extend(
            jail.into_iter().map(|feature| Feature { detail: format!("around QEMU: {}", feature.detail), ..feature }),
        );
        Capabilities { driver: "microvm", reason: None, features }
    }
}

/// Writes the files that machines start from, so that any user can read them.
fn furnish(dir: &Path, kernel: &Kernel, shown: &[Shown], program: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let install = |name: &str, mode: u32, put: &dyn Fn(&Path) -> io::Result<()>| {
        let file = dir.join(name);
        // Under a new name first: a machine that runs keeps what it started from.
        let fresh = dir.join(format!("{name}.new"));
        let _ = fs::remove_file(&fresh);
        put(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))?;
        fs::rename(&fresh, &file)
    };
    let origin = kernel.origin()?;
    let mark = dir.join("kernel.origin");
    let is_there = fs::read_to_string(&mark).is_ok_and(|mark| mark == origin) && dir.join("kernel").exists();
    // Unpacking takes a second.
    if !is_there {
        let image = fs::read(&kernel.image)?;
        let unpacked = vmlinux::unpack(&image, &dir.join("kernel.packed"))?.unwrap_or(image);
        install("kernel", 0o644, &|file| fs::write(file, &unpacked))?;
        fs::write(&mark, origin)?;
    }
    let archive = initrd::archive(kernel, shown)?;
    install("initrd", 0o644, &|file| fs::write(file, &archive))?;
    install("kobel", 0o755, &|file| fs::copy(program, file).map(drop))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))
}

#[expect(clippy::disallowed_methods, reason = "the clock of a guest is set by the host's")]
fn now() -> io::Result<Duration> {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_err(io::Error::other)
}

impl std::fmt::Display for Accelerator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Accelerator::Kvm => "KVM",
            Accelerator::Emulation => "an emulator (slow, and no boundary that QEMU vouches for)",
        })
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Parts { accelerator, monitor, kernel } = self;
        write!(f, "by `--isolation microvm`: {}, {accelerator}, kernel {}", monitor.display(), kernel.release)
    }
}
