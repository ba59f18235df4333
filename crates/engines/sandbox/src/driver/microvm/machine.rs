//! The virtual machine monitor, QEMU, and the machine that it is told to make.

use std::path::{Path, PathBuf};

use super::initrd::Shown;
use crate::launcher::CHANNEL_FD;
use crate::spec::MB_PER_VCPU;

/// Where a jail shows the monitor what it starts: the kernel, its first files, and Kobel for the guest.
pub(super) const MACHINE_DIR: &str = "/var/machine";
/// The name by which a guest finds its end of the link.
pub(super) const LINK_PORT: &str = "kobel.link";
/// Memory of a guest beyond what its function and `/tmp` may use: the kernel, the agent, the launcher.
const GUEST_MB: u32 = 160;
/// Memory of the monitor beside that of its guest.
const MONITOR_MB: u32 = 384;
/// `/tmp` of the monitor, which keeps nothing there.
pub(super) const MONITOR_TMP_MB: u32 = 1;
/// The most vCPUs of a function, as on Lambda.
const VCPUS_MAX: u32 = 6;
/// Translated code that an emulator keeps, in MB.
const TRANSLATIONS_MB: u32 = 64;
/// Kernels that panic, or are told to restart, reset the machine, which QEMU takes as its end.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 reboot=t";

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    /// QEMU itself, in place of KVM.
    Emulation,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub program: PathBuf,
    pub accelerator: Accelerator,
    pub shown: Vec<Shown>,
}

/// Finds QEMU. It must lie below `/usr`, which jails show.
pub(super) fn find_monitor() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/bin", "/usr/local/bin", "/usr/libexec"].map(PathBuf::from));
    let programs = dirs.flat_map(|dir| ["qemu-system-x86_64", "qemu-kvm"].map(|name| dir.join(name)));
    let found = programs.filter_map(|program| program.canonicalize().ok());
    found.filter(|program| program.starts_with("/usr")).find(|program| crate::plan::is_executable(program)).ok_or_else(
        || {
            "QEMU was not found in /usr: install it (Debian: `apt-get install --no-install-recommends qemu-system-x86`)"
                .to_owned()
        },
    )
}

impl Machine {
    /// Memory of the guest whose function has that much, in MB.
    fn guest_mb(function_mb: u32, tmp_mb: u32) -> u32 {
        function_mb + tmp_mb + GUEST_MB
    }

    /// What the monitor may use, in MB.
    pub(super) fn jail_mb(function_mb: u32, tmp_mb: u32) -> u32 {
        Machine::guest_mb(function_mb, tmp_mb) + MONITOR_MB
    }

    /// The monitor's command line.
    pub(super) fn command(&self, function_mb: u32, tmp_mb: u32) -> Vec<String> {
        let (accelerator, cpu) = match self.accelerator {
            Accelerator::Kvm => ("kvm".to_owned(), "host"),
            Accelerator::Emulation => (format!("tcg,tb-size={TRANSLATIONS_MB}"), "max"),
        };
        let mut arguments = vec![self.program.to_string_lossy().into_owned()];
        let mut option = |name: &str, value: String| {
            arguments.push(format!("-{name}"));
            if !value.is_empty() {
                arguments.push(value);
            }
        };
        option("sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny".to_owned());
        option("nodefaults", String::new());
        option("no-user-config", String::new());
        option("no-reboot", String::new());
        option("display", "none".to_owned());
        option("machine", "pc,usb=off,vmport=off".to_owned());
        option("accel", accelerator);
        option("cpu", cpu.to_owned());
        option("smp", function_mb.div_ceil(MB_PER_VCPU).clamp(1, VCPUS_MAX).to_string());
        option("m", format!("{}M", Machine::guest_mb(function_mb, tmp_mb)));
        option("kernel", format!("{MACHINE_DIR}/kernel"));
        option("initrd", format!("{MACHINE_DIR}/initrd"));
        option("append", KERNEL_ARGUMENTS.to_owned());
        option("chardev", "stdio,id=console,signal=off".to_owned());
        option("serial", "chardev:console".to_owned());
        option("device", "virtio-rng-pci".to_owned());
        option("device", "virtio-serial-pci".to_owned());
        option("chardev", format!("socket,id=link,fd={CHANNEL_FD}"));
        option("device", format!("virtserialport,chardev=link,name={LINK_PORT}"));
        for shown in &self.shown {
            if let Shown::Share(tag) = shown {
                let share = "security_model=none,readonly=on,multidevs=remap";
                option("fsdev", format!("local,id={tag},path={},{share}", Path::new("/").join(tag).display()));
                option("device", format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}"));
            }
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(accelerator: Accelerator, function_mb: u32) -> String {
        let shown = vec![Shown::Share("usr"), Shown::Link("bin", "usr/bin".into())];
        Machine { program: "/usr/bin/qemu".into(), accelerator, shown }.command(function_mb, 512).join(" ")
    }

    #[test]
    fn sizes_a_machine_for_its_function() {
        for (function_mb, vcpus) in [(128, 1), (1769, 1), (1770, 2), (10_240, 6)] {
            let command = command(Accelerator::Kvm, function_mb);
            assert!(command.contains(&format!("-smp {vcpus} -m {}M ", function_mb + 512 + GUEST_MB)), "{command}");
        }
    }

    #[test]
    fn gives_a_machine_no_network_and_only_shares_that_cannot_be_written() {
        for accelerator in [Accelerator::Kvm, Accelerator::Emulation] {
            let command = command(accelerator, 128);
            assert!(command.contains("-nodefaults") && !command.contains("-net"), "{command}");
            assert_eq!(command.matches("-fsdev").count(), 1);
            assert_eq!(command.matches("readonly=on").count(), 1);
            assert_eq!(command.contains("-accel kvm -cpu host"), accelerator == Accelerator::Kvm);
        }
    }
}
