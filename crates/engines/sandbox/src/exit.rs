//! How a process ended.

use std::fmt;

/// The end of the runtime's process. Its text completes "Runtime …" as AWS words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It left with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// Reads the status that `wait` gives.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_status(status: i32) -> Exit {
        match libc::WIFSIGNALED(status) {
            true => Exit::Signal(libc::WTERMSIG(status)),
            false => Exit::Code(libc::WEXITSTATUS(status)),
        }
    }

    /// As two numbers, for the launcher's report.
    pub(crate) fn to_bytes(self) -> [u8; 5] {
        let (kind, value) = match self {
            Exit::Code(code) => (b'c', code),
            Exit::Signal(signal) => (b's', signal),
        };
        let [a, b, c, d] = value.to_be_bytes();
        [kind, a, b, c, d]
    }

    /// Reads what [`Exit::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Exit> {
        let [kind, a, b, c, d] = *bytes else { return None };
        let value = i32::from_be_bytes([a, b, c, d]);
        match kind {
            b'c' => Some(Exit::Code(value)),
            b's' => Some(Exit::Signal(value)),
            _ => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(0) => write!(f, "exited without providing a reason"),
            Exit::Code(code) => write!(f, "exited with error: exit status {code}"),
            Exit::Signal(signal) => write!(f, "exited with error: signal: {}", signal_name(*signal)),
        }
    }
}

/// The words that Go's `os/exec`, and so AWS, uses.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
