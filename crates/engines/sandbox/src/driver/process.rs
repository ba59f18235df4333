//! The process driver: a plain child process. It has limits but no isolation boundary.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};

use tokio::net::unix::pipe::Receiver;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

use super::{Conversation, Ended, Later, Link, Listener, Process, Spawned};
use crate::exit::Exit;
use crate::plan::Command;
use crate::session::{ADDRESS_VARIABLES, CHANNEL_VARIABLE};
use crate::spec::StartMode;

/// Descriptors a function may hold.
const OPEN_FILES_MAX: u64 = 1024;

/// Why no runtime is forked from a stem.
pub(crate) const NO_STEM: &str = "stems need the namespaces driver";

/// What a start needs beside the command.
pub(crate) struct Start {
    pub command: Command,
    pub conversation: Conversation,
    pub working_dir: PathBuf,
    /// A folder of this environment, removed with it.
    pub scratch: PathBuf,
    pub memory_bytes: u64,
}

struct Plain {
    pid: i32,
    ended: watch::Receiver<Option<Ended>>,
    memory_bytes: u64,
    #[cfg(target_os = "linux")]
    resident: super::resident::Resident,
}

/// Starts the process. Must be called within a Tokio runtime.
pub(crate) async fn spawn(mut start: Start) -> io::Result<Spawned> {
    let (output, output_end) = io::pipe()?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    for api in ADDRESS_VARIABLES {
        start.command.variables.insert(api.to_owned(), listener.local_addr()?.to_string());
    }
    let listener = Listener::Tcp(listener);
    let (link, extensions, channel_end) = match start.conversation {
        Conversation::Channel => {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            (Link::Channel(UnixStream::from_std(ours)?), Some(listener), Some(OwnedFd::from(theirs)))
        }
        Conversation::RuntimeApi => (Link::RuntimeApi(listener), None, None),
    };
    if let Some(channel) = &channel_end {
        start.command.variables.insert(CHANNEL_VARIABLE.to_owned(), channel.as_raw_fd().to_string());
    }
    let (spawned, started) = tokio::sync::oneshot::channel();
    let (ended_sender, ended) = watch::channel(None);
    let memory_bytes = start.memory_bytes;
    // A thread per environment: the kernel ties the death signal to the thread that made the child.
    std::thread::Builder::new().name("environment".to_owned()).spawn(move || {
        let child = launch(&start, output_end.into(), channel_end);
        let outcome = child.as_ref().map(Child::id).map_err(|error| io::Error::new(error.kind(), error.to_string()));
        let _ = spawned.send(outcome);
        if let Ok(mut child) = child {
            let exit = child.wait().map_or(Exit::Code(1), exit_of);
            kill_group(child.id() as i32);
            if let Err(error) = std::fs::remove_dir_all(&start.scratch) {
                tracing::debug!(%error, "failed to remove a scratch folder");
            }
            let _ = ended_sender.send(Some(Ended { exit, out_of_memory: false, max_memory_bytes: None }));
        }
    })?;
    let pid = started.await.map_err(|_| io::Error::other("the starting thread ended"))?? as i32;
    let process = Plain {
        pid,
        ended,
        memory_bytes,
        #[cfg(target_os = "linux")]
        resident: super::resident::Resident::of(vec![pid]),
    };
    let output = Receiver::from_owned_fd(output.into())?;
    Ok(Spawned {
        process: Box::new(process),
        output,
        link,
        extensions,
        crew: None,
        extensions_output: None,
        endpoint: None,
        gateway: None,
        mode: StartMode::Exec,
        why_exec: Some(NO_STEM),
    })
}

fn launch(start: &Start, output: OwnedFd, channel: Option<OwnedFd>) -> io::Result<Child> {
    let Some((program, arguments)) = start.command.arguments.split_first() else {
        return Err(io::Error::other("no program to run"));
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments).env_clear().envs(&start.command.variables).current_dir(&start.working_dir);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
    let channel_fd = channel.as_ref().map(AsRawFd::as_raw_fd);
    // SAFETY: between fork and exec only async-signal-safe calls are made: fcntl, prctl, setrlimit.
    unsafe {
        command.pre_exec(move || prepare(channel_fd));
    }
    command.spawn()
}

/// Runs in the child before the program.
fn prepare(channel_fd: Option<i32>) -> io::Result<()> {
    if let Some(fd) = channel_fd {
        // SAFETY: clears close-on-exec of a descriptor that the parent keeps open during the spawn.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let files = libc::rlimit { rlim_cur: OPEN_FILES_MAX as libc::rlim_t, rlim_max: OPEN_FILES_MAX as libc::rlim_t };
    // SAFETY: passes a valid structure.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &files) };
    #[cfg(target_os = "linux")]
    // SAFETY: prctl with integer arguments.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    }
    Ok(())
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(libc::SIGKILL)),
    }
}

fn kill_group(pid: i32) {
    signal_group(pid, libc::SIGKILL).ok();
}

fn signal_group(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill has no memory effects; the group is that of our own child.
    if unsafe { libc::kill(-pid, signal) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Process for Plain {
    fn kill(&self) {
        if !self.has_ended() {
            kill_group(self.pid);
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    fn ended(&self) -> Later<'_, Ended> {
        let mut ended = self.ended.clone();
        Box::pin(async move {
            let gone = Ended { exit: Exit::Signal(libc::SIGKILL), out_of_memory: false, max_memory_bytes: None };
            ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended).unwrap_or(gone)
        })
    }

    fn memory_exceeded(&self) -> Later<'_, ()> {
        #[cfg(target_os = "linux")]
        return Box::pin(self.resident.exceeds(self.memory_bytes));
        #[cfg(not(target_os = "linux"))]
        {
            let _ = self.memory_bytes;
            Box::pin(std::future::pending())
        }
    }

    fn terminate(&self) {
        if !self.has_ended() {
            // SAFETY: kill has no memory effects; the process is our own child.
            unsafe { libc::kill(self.pid, libc::SIGTERM) };
        }
    }

    fn freeze(&self) -> io::Result<()> {
        signal_group(self.pid, libc::SIGSTOP)
    }

    fn thaw(&self) -> io::Result<()> {
        signal_group(self.pid, libc::SIGCONT)
    }

    fn page_out(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if crate::host::has_swap() && !self.has_ended() {
            return super::paging::page_out(&super::resident::tree(&[self.pid]));
        }
        Ok(())
    }

    fn max_memory_bytes(&self) -> u64 {
        #[cfg(target_os = "linux")]
        return self.resident.max_bytes();
        #[cfg(not(target_os = "linux"))]
        0
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.kill();
    }
}
