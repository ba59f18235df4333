//! The last steps of the runtime's process before its program: limits, no privileges, the filter.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::thread::{CapabilitySet, CapabilitySets};

use super::{seccomp, sys};

/// The number of the channel's descriptor in the runtime.
pub(crate) const CHANNEL_FD: i32 = 3;
/// As on Lambda.
pub(super) const OPEN_FILES_MAX: u64 = 1024;
/// The highest capability number that is dropped; unknown ones are skipped.
const CAPABILITY_MAX: u64 = 63;

/// What a process becomes.
pub(super) struct Program<'a> {
    /// The program's path, then its arguments.
    pub arguments: &'a [String],
    /// `NAME=value`
    pub variables: &'a [String],
    pub pids_max: u32,
    /// Standard output and error.
    pub output: BorrowedFd<'a>,
    /// Has the number [`CHANNEL_FD`] then.
    pub channel: Option<BorrowedFd<'a>>,
}

/// Becomes the runtime's program.
pub(super) fn run(start: &Program<'_>) -> ! {
    let error = match prepare(start) {
        Ok((arguments, variables)) => sys::execute(&arguments, &variables),
        Err(error) => error,
    };
    let program = start.arguments.first().map_or("", String::as_str);
    // Standard error is the function's log by now.
    eprintln!("fork/exec {program}: {error}");
    sys::leave(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

/// Becomes an extension's program. The number of an error is written to the channel, which the program does not have.
pub(super) fn run_extension(start: &Program<'_>) -> ! {
    let ready = prepare(start).and_then(|ready| sys::close_on_exec(CHANNEL_FD).map(|()| ready));
    let error = match ready {
        Ok((arguments, variables)) => sys::execute(&arguments, &variables),
        Err(error) => error,
    };
    let number = error.raw_os_error().unwrap_or(libc::EIO);
    sys::write_to(CHANNEL_FD, &number.to_ne_bytes());
    sys::leave(1)
}

/// Gives up every capability, and the way to get one back.
pub(super) fn drop_privileges() -> io::Result<()> {
    for capability in 0..=CAPABILITY_MAX {
        // Fails for numbers that this kernel does not know.
        let _ = sys::prctl(libc::PR_CAPBSET_DROP, capability);
    }
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Refuses system calls from now on.
pub(super) fn load_filter() -> io::Result<()> {
    sys::load_filter(&seccomp::program(seccomp::Role::Runtime))
}

fn prepare(start: &Program<'_>) -> io::Result<(Vec<CString>, Vec<CString>)> {
    let arguments = strings(start.arguments)?;
    let variables = strings(start.variables)?;
    rustix::process::setsid()?;
    place_descriptors(start.output, start.channel)?;
    sys::default_signals();
    sys::unblock_signals()?;
    sys::set_limit(libc::RLIMIT_NOFILE, OPEN_FILES_MAX)?;
    sys::set_limit(libc::RLIMIT_NPROC, u64::from(start.pids_max))?;
    sys::set_limit(libc::RLIMIT_CORE, 0)?;
    drop_privileges()?;
    load_filter()?;
    Ok((arguments, variables))
}

/// 0 is empty, 1 and 2 are the log, 3 is the channel, nothing else is open.
fn place_descriptors(output: BorrowedFd<'_>, channel: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())?;
    sys::place(null.as_raw_fd(), 0)?;
    // Out of the way first: the channel may lie where another one goes.
    let channel = channel.map(|channel| rustix::io::fcntl_dupfd_cloexec(channel, 64)).transpose()?;
    sys::place(output.as_raw_fd(), 1)?;
    sys::place(output.as_raw_fd(), 2)?;
    let mut first = CHANNEL_FD;
    if let Some(channel) = channel {
        sys::place(channel.as_raw_fd(), CHANNEL_FD)?;
        first += 1;
        std::mem::forget(channel);
    }
    std::mem::forget(null);
    sys::close_range(first as u32, u32::MAX);
    Ok(())
}

pub(super) fn strings(texts: &[String]) -> io::Result<Vec<CString>> {
    texts.iter().map(|text| CString::new(text.as_str()).map_err(io::Error::from)).collect()
}
