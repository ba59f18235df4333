use std::path::{Path, PathBuf};

use super::Error;
use crate::server::Server;
use crate::{cli, print};

/// Serves until Ctrl-C or a polite request to end.
pub async fn run(serve: cli::Serve) -> Result<(), Error> {
    let server = Server::start(&serve.server, Path::new(".kobel")).await?;
    write_port(serve.server.port_file.as_ref(), server.address.port())?;
    print::step("Serving", &format!("on {}", server.origin()));
    stopped().await;
    print::step("Stopping", "and letting what runs come to an end");
    server.stop().await;
    Ok(())
}

/// Tells a script which port it is, once Kobel answers: whole or not at all.
pub fn write_port(file: Option<&PathBuf>, port: u16) -> Result<(), Error> {
    let Some(path) = file else { return Ok(()) };
    let io = |source| Error::Io { path: path.clone(), source };
    let draft = path.with_extension("draft");
    std::fs::write(&draft, format!("{port}\n")).map_err(io)?;
    std::fs::rename(&draft, path).map_err(io)
}

/// Resolves at Ctrl-C, or when the process is asked to end.
pub async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
