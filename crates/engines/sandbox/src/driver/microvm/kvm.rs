//! Whether this host's `/dev/kvm` runs guests at the speed of the hardware.
//!
//! That the device is there says little: inside some virtual machines it emulates a guest's kernel, instruction by
//! instruction, thousands of times slower. So a few instructions are run and timed.

use std::fs::OpenOptions;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use crate::deadline;

pub(crate) const DEVICE: &str = "/dev/kvm";
/// How many instructions a trial runs.
const TRIAL_INSTRUCTIONS: u32 = 100_000;
/// How often it is repeated; the best counts, as others use the CPU too.
const TRIALS: u32 = 4;
/// The slowest speed that is no emulation. Hardware takes less than 1 ns, emulation more than 1,000.
const INSTRUCTION_NS_MAX: u64 = 100;
/// How long all trials may take.
const TRIAL_TIME_MAX: Duration = Duration::from_secs(3);

/// Why KVM is not to be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(
        "this machine has no {DEVICE}: switch on virtualisation in its firmware, or nested virtualisation where it is a virtual machine itself"
    )]
    Absent,
    #[error("this user may not open {DEVICE} ({0}): add it to the group `kvm`, or run Kobel as root")]
    Forbidden(io::Error),
    #[error("{DEVICE} does not run a guest: {0}")]
    Broken(io::Error),
    #[error(
        "{DEVICE} of this machine emulates a guest's kernel ({instruction_ns} ns for one instruction, where hardware takes less than 1): use a machine with hardware virtualisation, or nested virtualisation"
    )]
    Emulated { instruction_ns: u64 },
    #[error("{DEVICE} did not run {TRIAL_INSTRUCTIONS} instructions within {TRIAL_TIME_MAX:?}")]
    Stuck,
}

/// Runs the trial. Blocks for some milliseconds, or up to [`TRIAL_TIME_MAX`] where KVM is of no use.
pub(crate) fn probe() -> Result<(), Unusable> {
    let opened = OpenOptions::new().read(true).write(true).open(DEVICE);
    drop(opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Absent,
        _ => Unusable::Forbidden(error),
    })?);
    let (sender, timed) = mpsc::channel();
    // A thread of its own: nothing takes a virtual CPU that does not come back away from it.
    let thread = std::thread::Builder::new().name("kvm trial".to_owned());
    thread.spawn(move || sender.send(fastest())).map_err(Unusable::Broken)?;
    let fastest = timed.recv_timeout(TRIAL_TIME_MAX).map_err(|_| Unusable::Stuck)?;
    judge(fastest.map_err(Unusable::Broken)?)
}

fn judge(fastest: Duration) -> Result<(), Unusable> {
    let instruction_ns = fastest.as_nanos() as u64 / u64::from(TRIAL_INSTRUCTIONS);
    if instruction_ns > INSTRUCTION_NS_MAX { Err(Unusable::Emulated { instruction_ns }) } else { Ok(()) }
}

fn fastest() -> io::Result<Duration> {
    let mut fastest = trial()?;
    for _ in 1..TRIALS {
        if judge(fastest).is_ok() {
            break;
        }
        fastest = fastest.min(trial()?);
    }
    Ok(fastest)
}

/// How long a virtual CPU takes to count down.
#[cfg(target_arch = "x86_64")]
fn trial() -> io::Result<Duration> {
    use kvm_bindings::kvm_userspace_memory_region;
    use kvm_ioctls::{Kvm, VcpuExit};

    /// Where the code is in the guest's memory.
    const CODE: u64 = 0x1000;
    #[repr(align(4096))]
    struct Page([u8; 4096]);

    let mut page = Box::new(Page([0; 4096]));
    let [a, b, c, d] = (TRIAL_INSTRUCTIONS / 2).to_le_bytes();
    // mov ecx, N; dec ecx; jnz back to it; hlt; with 32-bit operands in a 16-bit segment.
    let code = [0x66, 0xb9, a, b, c, d, 0x66, 0x49, 0x75, 0xfc, 0xf4];
    page.0[..code.len()].copy_from_slice(&code);
    let machine = Kvm::new()?.create_vm()?;
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: CODE,
        memory_size: size_of::<Page>() as u64,
        userspace_addr: std::ptr::from_mut(&mut *page) as u64,
    };
    // SAFETY: the region is one page of ours, which outlives the machine: it is dropped after it.
    unsafe { machine.set_user_memory_region(region) }?;
    let mut cpu = machine.create_vcpu(0)?;
    let mut segments = cpu.get_sregs()?;
    segments.cs.base = 0;
    segments.cs.selector = 0;
    cpu.set_sregs(&segments)?;
    let mut registers = cpu.get_regs()?;
    registers.rip = CODE;
    registers.rflags = 2;
    cpu.set_regs(&registers)?;
    let started = deadline::start();
    match cpu.run()? {
        VcpuExit::Hlt => {}
        other => return Err(io::Error::other(format!("it stopped with {other:?}"))),
    }
    let taken = started.elapsed();
    drop((cpu, machine, page));
    Ok(taken)
}

/// There are no emulating devices of this architecture that are known: making a machine is enough.
#[cfg(not(target_arch = "x86_64"))]
fn trial() -> io::Result<Duration> {
    let started = deadline::start();
    kvm_ioctls::Kvm::new()?.create_vm()?;
    let _ = started;
    Ok(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_emulation_from_hardware() {
        for (fastest, fast) in [(60_u64, true), (9_000, true), (120_000, false), (290_000, false)] {
            assert_eq!(judge(Duration::from_micros(fastest)).is_ok(), fast, "{fastest} µs");
        }
        let refused = judge(Duration::from_millis(180)).expect_err("1,800 ns for one instruction");
        assert!(refused.to_string().contains("1800 ns"), "{refused}");
    }

    #[test]
    fn comes_to_a_verdict_on_any_host() {
        match probe() {
            Ok(()) | Err(Unusable::Emulated { .. } | Unusable::Stuck | Unusable::Broken(_)) => {
                assert!(std::path::Path::new(DEVICE).exists());
            }
            Err(Unusable::Absent) => assert!(!std::path::Path::new(DEVICE).exists()),
            Err(Unusable::Forbidden(_)) => assert!(!rustix::process::geteuid().is_root()),
        }
    }
}
