//! Kobel's one binary: the command line, the assembly of the server, and, started by itself, the launcher of
//! execution environments and the first process of virtual machines.

mod admin;
mod build;
mod cli;
mod client;
mod commands;
mod deploy;
mod package;
mod print;
mod runtimes;
mod server;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == sandbox::LAUNCHER_ARGUMENT) {
        sandbox::launcher_main();
    }
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == sandbox::GUEST_ARGUMENT) {
        sandbox::guest_main();
    }
    let cli = Cli::parse();
    print::log_to_stderr();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::error(&format!("failed to start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(cli.command));
    // What is still running in the background is of no use any more.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), commands::Error> {
    match command {
        Command::Up(up) => commands::up::run(up).await,
        Command::Serve(serve) => commands::serve::run(serve).await,
        Command::Deploy(deploy) => commands::deploy::run(deploy).await,
        Command::Delete(delete) => commands::delete::run(delete).await,
        Command::Invoke(invoke) => commands::invoke::run(invoke).await,
        Command::Logs(logs) => commands::logs::run(logs).await,
        Command::Events(events) => commands::events::run(events).await,
        Command::Time(time) => commands::time::run(time).await,
        Command::Doctor(doctor) => commands::doctor::run(&doctor),
        Command::Runtime(runtime) => commands::runtime::run(&runtime),
        Command::Version => {
            println!("kobel {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }
}
