//! Datagrams: each pair of a function's port and a destination has a socket of the host, which hears that destination
//! alone.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::gateway::Outside;
use super::packet::{self, Packet, Refusal};
use super::policy::Way;
use crate::deadline;

/// How many conversations an environment may have; a further one takes the place of the one that was silent longest.
const FLOWS_MAX: usize = 128;
/// How long a conversation may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How many names an environment may ask for at the same time; further questions are lost, and asked again.
const QUESTIONS_MAX: usize = 64;
const DATAGRAM_BYTES_MAX: usize = 65_535;

type Ends = (SocketAddr, SocketAddr);

/// The conversations of one environment.
pub(super) struct Udp {
    outside: Arc<Outside>,
    flows: HashMap<Ends, Flow>,
    questions: Arc<Semaphore>,
    /// Packets to the function.
    answers: mpsc::Sender<Vec<u8>>,
    started: Instant,
}

struct Flow {
    socket: Arc<UdpSocket>,
    /// When something was said last, in milliseconds since the gateway began.
    heard_ms: Arc<AtomicU64>,
    listener: AbortHandle,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Udp {
    pub(super) fn new(outside: Arc<Outside>, answers: mpsc::Sender<Vec<u8>>) -> Udp {
        let questions = Arc::new(Semaphore::new(QUESTIONS_MAX));
        Udp { outside, flows: HashMap::new(), questions, answers, started: deadline::start() }
    }

    /// Sends on what the function said. What is refused at once comes back.
    pub(super) async fn take(
        &mut self,
        packet: &Packet<'_>,
        payload: &[u8],
        tasks: &mut JoinSet<()>,
    ) -> Option<Vec<u8>> {
        let target = match self.outside.policy.way(packet.destination) {
            Way::Refused => return packet::refusal(packet.whole, Refusal::Prohibited),
            Way::Names => {
                self.ask(packet, payload, tasks);
                return None;
            }
            Way::To(target) => target,
        };
        let ends = (packet.source, packet.destination);
        let now_ms = self.now_ms();
        let flow = match self.flows.get(&ends).filter(|flow| !flow.listener.is_finished()) {
            Some(flow) => flow,
            None => match self.open(ends, target, tasks).await {
                Ok(flow) => flow,
                Err(error) => return packet::refusal(packet.whole, Refusal::of(&error)?),
            },
        };
        flow.heard_ms.store(now_ms, Ordering::Relaxed);
        // Not by way of the event loop, which would first have to look whether there is room.
        match rustix::net::send(&flow.socket, payload, SendFlags::DONTWAIT) {
            // No room is a loss, as on any network.
            Ok(_) | Err(Errno::AGAIN) => None,
            Err(error) => packet::refusal(packet.whole, Refusal::of(&error.into())?),
        }
    }

    /// Asks those who answer names.
    fn ask(&self, packet: &Packet<'_>, payload: &[u8], tasks: &mut JoinSet<()>) {
        let Ok(held) = self.questions.clone().try_acquire_owned() else { return };
        let (asker, server) = (packet.source, packet.destination);
        let (outside, answers, question) = (self.outside.clone(), self.answers.clone(), payload.to_vec());
        tasks.spawn(async move {
            let _held = held;
            let answer = outside.resolver.answer(&question).await;
            let packet = answer.and_then(|answer| packet::datagram(server, asker, &answer));
            if let Some(packet) = packet {
                let _ = answers.send(packet).await;
            }
        });
    }

    async fn open(&mut self, ends: Ends, target: SocketAddr, tasks: &mut JoinSet<()>) -> io::Result<&Flow> {
        self.make_room();
        let socket = Arc::new(socket_to(target).await?);
        let heard_ms = Arc::new(AtomicU64::new(self.now_ms()));
        let listening = Listening {
            ends,
            socket: socket.clone(),
            heard_ms: heard_ms.clone(),
            answers: self.answers.clone(),
            started: self.started,
        };
        let listener = tasks.spawn(listening.run());
        let flow = Flow { socket, heard_ms, listener };
        Ok(self.flows.entry(ends).insert_entry(flow).into_mut())
    }

    fn make_room(&mut self) {
        if self.flows.len() < FLOWS_MAX {
            return;
        }
        self.flows.retain(|_, flow| !flow.listener.is_finished());
        if self.flows.len() >= FLOWS_MAX {
            let silent = self.flows.iter().min_by_key(|(_, flow)| flow.heard_ms.load(Ordering::Relaxed));
            let silent = silent.map(|(ends, _)| *ends);
            silent.and_then(|ends| self.flows.remove(&ends));
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

/// What waits for a destination's datagrams.
struct Listening {
    ends: Ends,
    socket: Arc<UdpSocket>,
    heard_ms: Arc<AtomicU64>,
    answers: mpsc::Sender<Vec<u8>>,
    started: Instant,
}

impl Listening {
    async fn run(self) {
        let (function, destination) = self.ends;
        let mut buffer = Vec::with_capacity(2048);
        loop {
            buffer.clear();
            buffer.reserve(DATAGRAM_BYTES_MAX);
            let packet = match deadline::within(SILENCE_MAX, self.socket.recv_buf(&mut buffer)).await {
                Some(Ok(_)) => packet::datagram(destination, function, &buffer),
                // Somebody said that nobody listens there: the function's own datagram is made up to be quoted.
                Some(Err(error)) => Refusal::of(&error)
                    .and_then(|refusal| packet::refusal(&packet::datagram(function, destination, &[])?, refusal)),
                None if self.silence_ms() < SILENCE_MAX.as_millis() as u64 => continue,
                None => return,
            };
            self.heard_ms.store(self.now_ms(), Ordering::Relaxed);
            let Some(packet) = packet else { continue };
            if self.answers.send(packet).await.is_err() {
                return;
            }
        }
    }

    fn silence_ms(&self) -> u64 {
        self.now_ms().saturating_sub(self.heard_ms.load(Ordering::Relaxed))
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

/// A socket that speaks with one destination.
pub(super) async fn socket_to(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr =
        if target.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(target).await?;
    Ok(socket)
}
