//! The first process of a sandbox with external extensions: starts them, then the runtime when it is told to, and
//! tells the server who has ended. It speaks with the server itself, over the report's socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, SendFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Assigned, give_up_all};
use crate::driver::crew::{
    CONNECT, CONNECT_FAILED, CONNECTING, EXTENSION_ENDED, KILL_EXTENSION, KILL_RUNTIME, LAUNCH_FAILED,
    PACKET_BYTES_MAX, RUNTIME_ENDED, START_RUNTIME, TERMINATE_RUNTIME,
};
use crate::exit::Exit;
use crate::launcher::confine::{self, Program};
use crate::launcher::{message, sys};

/// The processes that are looked after.
struct Crew<'a> {
    leash: &'a OwnedFd,
    report: &'a OwnedFd,
    /// Lets the runtime go on.
    start: OwnedFd,
    runtime: Option<i32>,
    exit: Option<Exit>,
    /// By their numbers; `None` once ended.
    extensions: Vec<Option<i32>>,
}

/// Starts the extensions, and the runtime as soon as the server says so; stays until all have ended.
pub(super) fn run(leash: &OwnedFd, assigned: &Assigned, output: BorrowedFd<'_>, extensions_output: &OwnedFd) -> ! {
    let assignment = &assigned.assignment;
    let prepared = sys::block_child_signal()
        .and_then(|()| Ok((sys::child_signal_descriptor()?, rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?)));
    let Ok((signals, (wait, start))) = prepared else { sys::leave(1) };
    let pids_max = assignment.limits.pids_max;
    let channel = assigned.channel.as_ref().map(AsFd::as_fd);
    let (arguments, variables) = (&assignment.arguments, &assignment.variables);
    // The first child, by which its process is known from outside.
    let runtime = match sys::fork() {
        Err(_) => sys::leave(1),
        Ok(None) => {
            drop(start);
            wait_for_start(&wait);
            confine::run(&Program { arguments, variables, pids_max, output, channel })
        }
        Ok(Some(pid)) => pid,
    };
    let mut crew =
        Crew { leash, report: &assigned.report, start, runtime: Some(runtime), exit: None, extensions: vec![] };
    for (number, program) in assignment.extensions.programs.iter().enumerate() {
        let program = Program {
            arguments: std::slice::from_ref(program),
            variables: &assignment.extensions.variables,
            pids_max,
            output: extensions_output.as_fd(),
            channel: None,
        };
        let launched = launch(program);
        if let Err(error) = &launched {
            let error = error.raw_os_error().unwrap_or(libc::EIO);
            crew.tell(&[LAUNCH_FAILED, number as u8], &error.to_ne_bytes());
        }
        crew.extensions.push(launched.ok());
    }
    give_up_all(&[leash.as_raw_fd(), crew.report.as_raw_fd(), crew.start.as_raw_fd(), signals.as_raw_fd()]);
    crew.serve(&signals)
}

fn wait_for_start(wait: &OwnedFd) {
    if !matches!(rustix::io::read(wait, &mut [0_u8; 1][..]), Ok(1)) {
        sys::leave(1);
    }
}

/// Starts an extension's program; returns when it is executed.
fn launch(program: Program<'_>) -> io::Result<i32> {
    let (status, status_end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let Some(pid) = sys::fork()? else {
        confine::run_extension(&Program { channel: Some(status_end.as_fd()), ..program })
    };
    drop(status_end);
    let mut error = [0; 4];
    match rustix::io::read(&status, &mut error[..]) {
        Ok(4) => {
            sys::wait(pid)?;
            Err(io::Error::from_raw_os_error(i32::from_ne_bytes(error)))
        }
        _ => Ok(pid),
    }
}

impl Crew<'_> {
    fn serve(mut self, signals: &OwnedFd) -> ! {
        while self.runtime.is_some() || self.extensions.iter().any(Option::is_some) {
            let mut polled = [PollFd::new(signals, PollFlags::IN), PollFd::new(self.report, PollFlags::IN)];
            if poll(&mut polled, None).is_err() {
                continue;
            }
            let [signalled, spoken] = polled.map(|polled| !polled.revents().is_empty());
            if signalled {
                // One at a time: another one makes it readable again.
                let _ = rustix::io::read(signals, &mut [0_u8; size_of::<libc::signalfd_siginfo>()][..]);
                self.reap();
            }
            if spoken {
                self.obey();
            }
        }
        let exit = self.exit.unwrap_or(Exit::Signal(libc::SIGKILL));
        let _ = rustix::net::send(self.leash, &exit.to_bytes(), SendFlags::NOSIGNAL);
        sys::leave(0)
    }

    fn reap(&mut self) {
        while let Some((pid, status)) = sys::reap() {
            let exit = Exit::of_status(status);
            if self.runtime == Some(pid) {
                (self.runtime, self.exit) = (None, Some(exit));
                self.tell(&[RUNTIME_ENDED], &exit.to_bytes());
            } else if let Some(number) = self.extensions.iter().position(|extension| *extension == Some(pid)) {
                self.extensions[number] = None;
                self.tell(&[EXTENSION_ENDED, number as u8], &exit.to_bytes());
            }
        }
    }

    fn obey(&self) {
        let mut packet = [0; PACKET_BYTES_MAX];
        match rustix::net::recv(self.report, &mut packet[..], RecvFlags::DONTWAIT) {
            // The server is gone.
            Ok((_, 0)) => sys::leave(1),
            Ok((_, count)) => match packet[..count] {
                [START_RUNTIME] => drop(rustix::io::write(&self.start, b"s")),
                [TERMINATE_RUNTIME] => terminate(self.runtime),
                [KILL_RUNTIME] => kill(self.runtime),
                [CONNECT, high, low] => self.connect(u16::from_be_bytes([high, low])),
                [KILL_EXTENSION, number] => kill(self.extensions.get(usize::from(number)).copied().flatten()),
                _ => {}
            },
            Err(_) => {}
        }
    }

    /// Hands the server a socket that connects to a port in here.
    fn connect(&self, port: u16) {
        let sent =
            connecting(port).and_then(|socket| message::send_bytes(self.report, &[CONNECTING], &[socket.as_fd()]));
        if let Err(error) = sent {
            let error = error.raw_os_error().unwrap_or(libc::EIO);
            self.tell(&[CONNECT_FAILED], &error.to_ne_bytes());
        }
    }

    fn tell(&self, head: &[u8], rest: &[u8]) {
        let _ = rustix::net::send(self.report, &[head, rest].concat(), SendFlags::NOSIGNAL);
    }
}

/// A socket that has begun to connect; it cannot be waited for in here.
fn connecting(port: u16) -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    match connect(&socket, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port)) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

fn terminate(pid: Option<i32>) {
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Kills a process and those of its session.
fn kill(pid: Option<i32>) {
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
        let _ = kill_process_group(pid, Signal::KILL);
    }
}
