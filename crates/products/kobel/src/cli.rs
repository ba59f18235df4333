use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs serverless applications written for AWS Lambda on this machine.
#[derive(Debug, Parser)]
#[command(name = "kobel", version, propagate_version = true, disable_help_subcommand = true, max_term_width = 110)]
#[command(after_help = "Examples:
  kobel up                                     run the application of ./template.yaml
  kobel serve --port 4566                      only the server; deploy with sam, cdk or aws
  aws --endpoint-url http://127.0.0.1:4566 s3 ls

`kobel COMMAND --help` has examples for each command.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves, builds, deploys and watches the application of a template, and tails its logs.
    #[command(after_help = "Examples:
  kobel up                                     template.yaml or template.yml of this folder, or a newer
                                               .aws-sam/build/template.yaml
  kobel up examples/upload-pipeline/template.yaml
  kobel up --parameter Stage=dev --ephemeral   nothing is kept on disk
  kobel up --time virtual                      waits of minutes pass at once

Ctrl-C lets running functions end and stops. The next `kobel up` finds everything as it was.")]
    Up(Up),
    /// Serves AWS's APIs, without deploying anything.
    #[command(after_help = "Examples:
  kobel serve                                  on 127.0.0.1:4566, state in ./.kobel
  kobel serve --port 0 --port-file port --ephemeral
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 sam deploy --guided")]
    Serve(Serve),
    /// Builds and deploys a template to a running Kobel.
    #[command(after_help = "Examples:
  kobel deploy --stack-name shop
  kobel deploy shop/template.yaml --stack-name shop --parameter Stage=test")]
    Deploy(Deploy),
    /// Deletes a stack and all its resources.
    #[command(after_help = "Example:
  kobel delete shop")]
    Delete(Delete),
    /// Invokes a function and prints its result; its log goes to standard error.
    #[command(after_help = "Examples:
  kobel invoke resize --payload '{\"key\": \"cat.jpg\"}'
  kobel invoke resize --payload @event.json
  kobel invoke resize --async --payload '{}'")]
    Invoke(Invoke),
    /// Prints the log of a function.
    #[command(after_help = "Examples:
  kobel logs resize
  kobel logs resize --follow")]
    Logs(Logs),
    /// Shows the journal: what happened and what it caused, as a tree.
    #[command(after_help = "Examples:
  kobel events                                 the newest traces, each with its first step
  kobel events 1-5759e988-bd862e3fe1be46a994272793
                                               the whole tree of one trace (or of the newest: `latest`)
  kobel events --follow                        each step as it ends")]
    Events(Events),
    /// Shows or moves the time of a running Kobel.
    #[command(after_help = "Examples:
  kobel time                                   what time it is there, and when the next timer fires
  kobel time advance 5m
  kobel time jump                              to the next timer")]
    Time(Time),
    /// Tells which runtimes, isolation features and limits this machine gives, what is missing and how to get it.
    #[command(after_help = "Examples:
  kobel doctor
  kobel doctor --isolation process")]
    Doctor(Doctor),
    /// Shows, adds and removes runtimes: interpreters beside those of the host, for all functions of a data folder.
    #[command(after_help = "Examples:
  kobel runtime list
  kobel runtime add public.ecr.aws/lambda/python:3.13
  kobel runtime add node.tar --runtime nodejs22.x   an archive of docker save
  kobel runtime add ~/jdk-21                        a folder with bin and lib, which is copied
  kobel runtime remove python3.13

An added runtime goes before the host's of the same version, also in a Kobel that is running.")]
    Runtime(Runtime),
    /// Prints the version.
    #[command(after_help = "Examples:
  kobel version")]
    Version,
}

/// Where and how the server runs.
#[derive(Debug, Clone, Args)]
pub struct Server {
    /// The port for every service; 0 takes a free one.
    #[arg(long, default_value_t = 4566, env = "KOBEL_PORT")]
    pub port: u16,
    /// The address to listen on. Whoever can reach it can do everything.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The folder for all state [default: .kobel beside the template, or in this folder].
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub data: Option<PathBuf>,
    /// Keep nothing: state lives in a temporary folder until Kobel stops.
    #[arg(long)]
    pub ephemeral: bool,
    /// How time goes: `real`, `virtual` (waits pass at once) or `scaled:FACTOR`.
    #[arg(long, default_value = "real", value_name = "MODE")]
    pub time: clock::Mode,
    /// What separates functions from the machine.
    #[arg(long, default_value = "auto")]
    pub isolation: Isolation,
    #[command(flatten)]
    pub machines: Machines,
    #[command(flatten)]
    pub network: Network,
    /// Writes the port to this file once Kobel answers.
    #[arg(long, value_name = "FILE")]
    pub port_file: Option<PathBuf>,
    /// How many functions may run at once, in each account and region.
    #[arg(long, default_value_t = 1_000, value_name = "COUNT")]
    pub concurrency: u32,
    /// The memory sizes, in all, of environments that are started ahead of need for functions in use; 0 starts none.
    #[arg(long, default_value_t = 2_048, value_name = "MB")]
    pub standby_memory: u64,
}

/// What functions reach.
#[derive(Debug, Clone, Args)]
pub struct Network {
    /// What functions reach that have no tag `kobel:network`: `none`, `kobel` (the endpoint alone) or `host` (also what is
    /// outside of this machine and its networks) [default: host].
    #[arg(long, value_name = "REACH")]
    pub network: Option<sandbox::Network>,
    /// Addresses of this machine or of private networks that functions may reach, at one port or at all: 10.1.0.0/16,
    /// 192.168.1.9:5432; may be repeated. 127.0.0.1 is this machine's own, which functions call host.kobel.internal.
    #[arg(long, value_name = "CIDR[:PORT]")]
    pub network_allow: Vec<sandbox::Allowed>,
    /// A server that answers the names that functions ask for; may be repeated [default: those of /etc/resolv.conf].
    #[arg(long = "dns", value_name = "ADDRESS[:PORT]", value_parser = name_server)]
    pub name_servers: Vec<SocketAddr>,
}

impl From<&Network> for sandbox::NetworkConfig {
    fn from(network: &Network) -> sandbox::NetworkConfig {
        sandbox::NetworkConfig {
            default: network.network,
            allowed: network.network_allow.clone(),
            name_servers: network.name_servers.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Isolation {
    /// The best that this machine gives.
    Auto,
    /// Linux namespaces, seccomp and control groups.
    Namespaces,
    /// A plain process: no boundary against hostile code.
    Process,
    /// A virtual machine for each environment, by QEMU with KVM.
    Microvm,
}

impl From<Isolation> for sandbox::Isolation {
    fn from(isolation: Isolation) -> sandbox::Isolation {
        match isolation {
            Isolation::Auto => sandbox::Isolation::Auto,
            Isolation::Namespaces => sandbox::Isolation::Namespaces,
            Isolation::Process => sandbox::Isolation::Process,
            Isolation::Microvm => sandbox::Isolation::MicroVm,
        }
    }
}

/// How virtual machines are made, with `--isolation microvm`.
#[derive(Debug, Clone, Args)]
pub struct Machines {
    /// The kernel of virtual machines, whose modules lie beside it as /lib/modules does beside /boot
    /// [default: the newest of /boot].
    #[arg(long, value_name = "VMLINUZ", env = "KOBEL_MICROVM_KERNEL")]
    pub microvm_kernel: Option<PathBuf>,
    /// Let QEMU emulate the processor where KVM is of no use: for tests, some 50 times slower.
    #[arg(long, env = "KOBEL_MICROVM_EMULATE", value_parser = clap::builder::FalseyValueParser::new())]
    pub microvm_emulate: bool,
}

impl From<&Machines> for sandbox::Machines {
    fn from(machines: &Machines) -> sandbox::Machines {
        sandbox::Machines { kernel: machines.microvm_kernel.clone(), emulate: machines.microvm_emulate }
    }
}

/// Which template, as which stack.
#[derive(Debug, Clone, Args)]
pub struct Stack {
    /// A SAM or CloudFormation template [default: template.yaml or template.yml here, or
    /// .aws-sam/build/template.yaml where that is newer].
    pub template: Option<PathBuf>,
    /// The stack's name [default: the name of the template's folder].
    #[arg(long, value_name = "NAME")]
    pub stack_name: Option<String>,
    /// A value for a parameter of the template; may be repeated.
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = key_value)]
    pub parameters: Vec<(String, String)>,
    /// The region to deploy to.
    #[arg(long, default_value = base::Region::DEFAULT, env = "AWS_REGION")]
    pub region: String,
}

/// How to reach a running Kobel.
#[derive(Debug, Clone, Args)]
pub struct Endpoint {
    /// The running Kobel.
    #[arg(long, default_value = "http://127.0.0.1:4566", env = "KOBEL_ENDPOINT", value_name = "URL")]
    pub endpoint: String,
}

#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub stack: Stack,
    #[command(flatten)]
    pub server: Server,
    /// Do not deploy again when a file changes.
    #[arg(long)]
    pub no_watch: bool,
}

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub struct Deploy {
    #[command(flatten)]
    pub stack: Stack,
    #[command(flatten)]
    pub endpoint: Endpoint,
}

#[derive(Debug, Args)]
pub struct Delete {
    /// The stack's name.
    pub stack: String,
    #[arg(long, default_value = base::Region::DEFAULT, env = "AWS_REGION")]
    pub region: String,
    #[command(flatten)]
    pub endpoint: Endpoint,
}

#[derive(Debug, Args)]
pub struct Invoke {
    /// The function's name or ARN, or its logical id in a stack.
    pub name: String,
    /// The event: JSON, or @FILE.
    #[arg(long, default_value = "{}")]
    pub payload: String,
    /// Only hand the event over.
    #[arg(long = "async")]
    pub asynchronous: bool,
    #[arg(long, default_value = base::Region::DEFAULT, env = "AWS_REGION")]
    pub region: String,
    #[command(flatten)]
    pub endpoint: Endpoint,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// The function's name, or its logical id in a stack.
    pub name: String,
    /// Go on printing what comes.
    #[arg(long, short)]
    pub follow: bool,
    #[arg(long, default_value = base::Region::DEFAULT, env = "AWS_REGION")]
    pub region: String,
    #[command(flatten)]
    pub endpoint: Endpoint,
}

#[derive(Debug, Args)]
pub struct Events {
    /// A trace id, a request id, or `latest`.
    #[arg(conflicts_with = "follow")]
    pub id: Option<String>,
    /// Print each step as it ends.
    #[arg(long, short)]
    pub follow: bool,
    /// Show payloads too.
    #[arg(long)]
    pub payloads: bool,
    #[command(flatten)]
    pub endpoint: Endpoint,
}

#[derive(Debug, Args)]
pub struct Time {
    #[command(subcommand)]
    pub action: Option<TimeAction>,
    #[command(flatten)]
    pub endpoint: Endpoint,
}

#[derive(Debug, Subcommand)]
pub enum TimeAction {
    /// What time it is, and when the next timer fires.
    Status,
    /// Moves time forward: `90s`, `5m`, `2h`, `1d`, `1h30m`.
    Advance {
        #[arg(value_parser = duration)]
        by: std::time::Duration,
    },
    /// Moves time to the next timer.
    Jump,
}

#[derive(Debug, Args)]
pub struct Runtime {
    /// The data folder of the server that is to have it.
    #[arg(long, value_name = "DIR", default_value = ".kobel", global = true)]
    pub data: PathBuf,
    #[command(subcommand)]
    pub action: RuntimeAction,
}

#[derive(Debug, Subcommand)]
pub enum RuntimeAction {
    /// Shows the added runtimes and those of the host.
    List,
    /// Adds the interpreter of a folder or of a container image.
    Add {
        /// A folder with `bin` and `lib`; an OCI layout; an archive of an image; or an image of a registry.
        source: String,
        /// Which one, where it holds several: `python3.12`.
        #[arg(long, value_name = "IDENTIFIER")]
        runtime: Option<String>,
    },
    /// Removes an added runtime.
    Remove {
        /// `python3.12`
        runtime: String,
    },
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// The data folder whose added runtimes count.
    #[arg(long, value_name = "DIR", default_value = ".kobel")]
    pub data: PathBuf,
    #[arg(long, default_value = "auto")]
    pub isolation: Isolation,
    #[command(flatten)]
    pub machines: Machines,
    #[command(flatten)]
    pub network: Network,
}

fn name_server(text: &str) -> Result<SocketAddr, String> {
    const NAME_PORT: u16 = 53;
    let address = text.parse().or_else(|_| text.parse().map(|address: IpAddr| SocketAddr::new(address, NAME_PORT)));
    address.map_err(|_| format!("`{text}` is no address; write it like 10.0.0.53 or 127.0.0.1:5353"))
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Reads `1d2h3m4s5ms`, in that order of units or any other.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("`{text}` is no duration; write it like 90s, 5m, 2h or 1d12h");
    let mut total_ms: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        let factor = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        total_ms = number.checked_mul(factor).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(wrong)?;
        rest = &rest[unit_end..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(std::time::Duration::from_millis(total_ms)) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read() {
        let cases = [("90s", 90_000), ("5m", 300_000), ("1d12h", 129_600_000), ("250ms", 250)];
        for (text, ms) in cases {
            assert_eq!(duration(text), Ok(std::time::Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "m", "5 m", "5x", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
