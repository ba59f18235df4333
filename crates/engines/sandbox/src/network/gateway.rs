//! The gateway of one environment: takes its packets, and sees to it that they are answered.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::NetworkConfig;
use super::cable::{Buffer, Cable};
use super::dns::Resolver;
use super::packet::{self, Content};
use super::policy::Policy;
use super::stack::Stack;
use super::tcp::Tcp;
use super::udp::Udp;
use crate::attendant::Attendant;

/// How many connections all environments may have to the outside: each takes a descriptor and up to 160 KiB.
const CONNECTIONS_MAX: usize = 4096;
/// Packets that wait to be sent to a function.
const ANSWERS_MAX: usize = 64;
/// Packets that are taken before others have their turn.
const PACKETS_AT_ONCE_MAX: usize = 64;

/// What all gateways share.
pub(crate) struct Outside {
    pub(super) policy: Policy,
    pub(super) resolver: Resolver,
    pub(super) connections: Arc<Semaphore>,
}

impl Outside {
    pub(crate) fn new(config: &NetworkConfig) -> Outside {
        Outside {
            policy: Policy::new(config.allowed.clone()),
            resolver: Resolver::new(config.name_servers.clone()),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }
}

/// Serves the environment at the other end of a cable. Must be called within a Tokio runtime.
pub(crate) fn serve(cable: OwnedFd, outside: Arc<Outside>) -> io::Result<Attendant> {
    let cable = Arc::new(Cable::new(cable)?);
    Ok(Attendant::begin(run(cable, outside)))
}

async fn run(cable: Arc<Cable>, outside: Arc<Outside>) {
    let stack = Arc::new(Stack::new(cable.clone()));
    let (answers, mut answered) = mpsc::channel(ANSWERS_MAX);
    let tcp = Tcp::new(outside.clone(), stack.clone(), answers.clone());
    let mut udp = Udp::new(outside, answers);
    let mut tasks = JoinSet::new();
    let mut buffer = Buffer::new();
    loop {
        tokio::select! {
            received = cable.receive(&mut buffer) => match received {
                Ok(packet) => {
                    take(packet, &cable, &tcp, &mut udp, &mut tasks).await;
                    for _ in 1..PACKETS_AT_ONCE_MAX {
                        let Some(packet) = cable.receive_now(&mut buffer) else { break };
                        take(packet, &cable, &tcp, &mut udp, &mut tasks).await;
                    }
                    stack.pump();
                }
                // The interface went with the environment.
                Err(error) => {
                    tracing::debug!(%error, "a function's cable was cut");
                    return;
                }
            },
            Some(packet) = answered.recv() => cable.send(&packet),
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            () = stack.attend() => {}
        }
    }
}

async fn take(packet: &[u8], cable: &Cable, tcp: &Tcp, udp: &mut Udp, tasks: &mut JoinSet<()>) {
    let Some(packet) = packet::parse(packet) else { return };
    let refused = match packet.content {
        Content::Udp(payload) => udp.take(&packet, payload, tasks).await,
        Content::Syn | Content::Tcp => tcp.take(&packet, tasks),
    };
    if let Some(answer) = refused {
        cable.send(&answer);
    }
}
