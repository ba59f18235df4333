//! A real Kobel, started for a measurement and ended with it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::connection::Connection;
use crate::request::Request;

/// How long Kobel may take until it answers.
const READY_S_MAX: u64 = 30;
/// How long Kobel may take to stop.
const STOP_S_MAX: u64 = 30;
/// How often it is asked whether it answers; also the precision of that figure.
const ASK_EVERY: Duration = Duration::from_micros(200);

pub struct Server {
    pub port: u16,
    /// From exec to the first answer of `/_kobel/health`.
    pub ready_after: Duration,
    process: Child,
    log: PathBuf,
    _data: Option<TempDir>,
}

impl Server {
    /// `kobel serve` with an empty data folder below `folder`.
    pub fn serve(binary: &Path, folder: &Path) -> Result<Server, String> {
        let data = tempfile::tempdir_in(folder).map_err(|error| format!("failed to make a folder: {error}"))?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--data").arg(data.path().join("data"));
        let mut server = Server::start(command, folder)?;
        server._data = Some(data);
        Ok(server)
    }

    /// Runs a command of Kobel that serves, on a free port, and waits until it answers.
    pub fn start(mut command: Command, folder: &Path) -> Result<Server, String> {
        let port = free_port()?;
        let log = folder.join(format!("{port}.log"));
        let output = fs::File::create(&log).map_err(|error| format!("failed to write `{}`: {error}", log.display()))?;
        let errors = output.try_clone().map_err(|error| error.to_string())?;
        command.args(["--port", &port.to_string()]).env_remove("AWS_REGION").env_remove("KOBEL_ENDPOINT");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let begin = Instant::now();
        let process = command.spawn().map_err(|error| format!("failed to start {command:?}: {error}"))?;
        let mut server = Server { port, ready_after: Duration::ZERO, process, log, _data: None };
        server.wait_until(READY_S_MAX, "it answers", ASK_EVERY, || {
            let asked = Connection::open(port).ok().map(|mut connection| connection.send(&Request::health()));
            Ok(asked.is_some_and(|answer| answer.is_ok_and(|answer| answer.status == 200)))
        })?;
        server.ready_after = begin.elapsed();
        Ok(server)
    }

    pub fn connect(&self) -> Result<Connection, String> {
        Connection::open(self.port).map_err(|error| format!("failed to connect to Kobel: {error}{}", self.log_tail()))
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Asks again and again, and fails when the process ends or the time is over.
    pub fn wait_until(
        &mut self,
        seconds_max: u64,
        what: &str,
        ask_every: Duration,
        mut holds: impl FnMut() -> Result<bool, String>,
    ) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(seconds_max);
        while !holds()? {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("Kobel ended with {status} before {what}{}", self.log_tail()));
            }
            if Instant::now() > end {
                return Err(format!("waited {seconds_max} s in vain until {what}{}", self.log_tail()));
            }
            thread::sleep(ask_every);
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(2_000)..]).into_owned();
        if tail.is_empty() { tail } else { format!(":\n{tail}") }
    }
}

impl Drop for Server {
    /// Lets it drain, as Ctrl-C does, so that nothing of it disturbs the next measurement.
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        let asked = Command::new("kill").args(["-INT", &id]).status();
        let end = Instant::now() + Duration::from_secs(STOP_S_MAX);
        while asked.is_ok() && Instant::now() < end {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // It did not stop, or could not be asked.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("no port is free: {error}"))?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}
