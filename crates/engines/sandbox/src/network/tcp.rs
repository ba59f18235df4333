//! Connections: the host connects in the function's name, and only then is the function answered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::gateway::Outside;
use super::packet::{self, Content, Packet, Refusal};
use super::policy::Way;
use super::stack::{Beginning, Connection, Flow, Stack};
use crate::deadline;

/// How many connections to the outside an environment may have; a further one is answered when there is room.
const CONNECTIONS_MAX: usize = 512;
/// How long the host tries to connect: about as long as the kernel does by itself.
const CONNECT_TIME: Duration = Duration::from_secs(127);
/// How long the function may take to read what was sent before both sides closed.
const CLOSE_TIME: Duration = Duration::from_secs(60);
/// Bytes under way between both connections, in each direction.
const RELAYED_BYTES: usize = 16 * 1024;

/// The connections of one environment.
pub(super) struct Tcp {
    outside: Arc<Outside>,
    stack: Arc<Stack>,
    room: Arc<Semaphore>,
    /// Packets to the function.
    answers: mpsc::Sender<Vec<u8>>,
}

impl Tcp {
    pub(super) fn new(outside: Arc<Outside>, stack: Arc<Stack>, answers: mpsc::Sender<Vec<u8>>) -> Tcp {
        Tcp { outside, stack, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)), answers }
    }

    /// Takes a segment. What is refused at once comes back.
    pub(super) fn take(&self, packet: &Packet<'_>, tasks: &mut JoinSet<()>) -> Option<Vec<u8>> {
        let ends = (packet.source, packet.destination);
        match (packet.content, self.stack.flow(ends)) {
            // Asked again while the host connects.
            (Content::Syn, Some(Flow::Connecting)) => None,
            (Content::Syn, None) => self.open(packet, tasks),
            _ => {
                self.stack.take(packet.whole);
                None
            }
        }
    }

    fn open(&self, packet: &Packet<'_>, tasks: &mut JoinSet<()>) -> Option<Vec<u8>> {
        let way = self.outside.policy.way(packet.destination);
        if way == Way::Refused {
            return packet::refusal(packet.whole, Refusal::Prohibited);
        }
        // Without room it is not answered, and asks again.
        let held = self.room.clone().try_acquire_owned().ok()?;
        let held_of_all = self.outside.connections.clone().try_acquire_owned().ok()?;
        let beginning = self.stack.begin((packet.source, packet.destination));
        let (outside, answers, first) = (self.outside.clone(), self.answers.clone(), packet.whole.to_vec());
        tasks.spawn(async move {
            let _held = (held, held_of_all);
            match connect(&outside, way).await {
                Ok(host) => relay(host, beginning, &first).await,
                Err(error) => {
                    drop(beginning);
                    let answer = Refusal::of(&error).and_then(|refusal| packet::refusal(&first, refusal));
                    if let Some(answer) = answer {
                        let _ = answers.send(answer).await;
                    }
                }
            }
        });
        None
    }
}

async fn connect(outside: &Outside, way: Way) -> io::Result<TcpStream> {
    let stream = match way {
        Way::Names => outside.resolver.connect().await?,
        Way::To(target) => connect_to(target).await?,
        Way::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connect_to(target: SocketAddr) -> io::Result<TcpStream> {
    let silent = || io::Error::from_raw_os_error(libc::ETIMEDOUT);
    deadline::within(CONNECT_TIME, TcpStream::connect(target)).await.ok_or_else(silent)?
}

/// Carries bytes in both directions until both sides have closed, and passes on how it ended.
async fn relay(mut host: TcpStream, beginning: Beginning, first: &[u8]) {
    let Some(mut function) = beginning.accept(first).await else { return };
    let copied = tokio::io::copy_bidirectional_with_sizes(&mut function, &mut host, RELAYED_BYTES, RELAYED_BYTES).await;
    match copied {
        Ok(_) => drop(deadline::within(CLOSE_TIME, function.closed()).await),
        // The function, or what ended it, has reset the connection; the other side's reset follows from the drop.
        Err(_) if function.is_reset() => reset(&host),
        Err(error) => tracing::debug!(%error, "a connection to the outside broke"),
    }
    drop::<Connection>(function);
}

/// Has the kernel reset the connection when it is closed.
fn reset(host: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(host, Some(Duration::ZERO));
}
