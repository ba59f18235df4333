//! The gateway's own TCP: connections of one environment, as streams of bytes.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{RecvError, Socket, SocketBuffer, State};
use smoltcp::time::{Duration as StackDuration, Instant as StackInstant};
use smoltcp::wire::{HardwareAddress, IpCidr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::GATEWAY_V4;
use super::address::GATEWAY_V6;
use super::cable::Cable;
use crate::deadline;

/// Bytes that wait in each direction of a connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// The largest packet that the gateway sends over TCP: several fit into a window.
const SEGMENT_BYTES_MAX: usize = 16 * 1024;
/// After this time of silence the function's side is asked whether it is still there.
const KEEP_ALIVE: StackDuration = StackDuration::from_secs(75);

/// Both ends of a connection: the function's, and the one that it called.
pub(super) type Ends = (SocketAddr, SocketAddr);

/// The connections of one environment.
pub(super) struct Stack {
    inner: Mutex<Inner>,
    cable: Arc<Cable>,
    started: Instant,
    /// The time of the next thing to do has come nearer.
    sooner: Notify,
}

struct Inner {
    interface: Interface,
    sockets: SocketSet<'static>,
    flows: HashMap<Ends, Flow>,
    /// Where packets are written before they are sent.
    draft: Vec<u8>,
    due: Option<StackInstant>,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// The host still connects.
    Connecting,
    Open,
}

impl Stack {
    pub(super) fn new(cable: Arc<Cable>) -> Stack {
        let mut port = Port { incoming: None, cable: &cable, draft: &mut Vec::new() };
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut port, StackInstant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.extend([IpCidr::new(GATEWAY_V4.into(), 32), IpCidr::new(GATEWAY_V6.into(), 128)]);
        });
        // It answers for every address that the function calls.
        interface.set_any_ip(true);
        let routes = interface.routes_mut();
        routes.add_default_ipv4_route(GATEWAY_V4).expect("there is room for two routes");
        routes.add_default_ipv6_route(GATEWAY_V6).expect("there is room for two routes");
        let (sockets, flows) = (SocketSet::new(Vec::new()), HashMap::new());
        let inner = Inner { interface, sockets, flows, draft: Vec::new(), due: None };
        Stack { inner: Mutex::new(inner), cable, started: deadline::start(), sooner: Notify::new() }
    }

    /// How far the connection is, if there is one.
    pub(super) fn flow(&self, ends: Ends) -> Option<Flow> {
        self.lock().flows.get(&ends).copied()
    }

    /// Notes that the host connects for this one.
    pub(super) fn begin(self: &Arc<Self>, ends: Ends) -> Beginning {
        self.lock().flows.insert(ends, Flow::Connecting);
        Beginning { stack: self.clone(), ends }
    }

    /// Takes a segment from the function. [`Stack::pump`] answers.
    pub(super) fn take(&self, packet: &[u8]) {
        self.lock().take(packet, &self.cable, self.now());
    }

    /// Sends what there is to be sent.
    pub(super) fn pump(&self) {
        let mut inner = self.lock();
        self.pump_locked(&mut inner);
    }

    /// Waits until there is something to do that nobody else has done, and does it.
    pub(super) async fn attend(&self) {
        let wait = self.lock().due.map(|due| {
            let micros = due.total_micros().saturating_sub(self.now().total_micros());
            Duration::from_micros(micros.max(0).unsigned_abs())
        });
        match wait {
            Some(wait) => {
                tokio::select! {
                    () = deadline::after(wait) => self.pump(),
                    () = self.sooner.notified() => {}
                }
            }
            None => self.sooner.notified().await,
        }
    }

    fn pump_locked(&self, inner: &mut Inner) {
        let now = self.now();
        let Inner { interface, sockets, draft, .. } = inner;
        interface.poll(now, &mut Port { incoming: None, cable: &self.cable, draft }, sockets);
        let due = interface.poll_at(now, sockets);
        let is_sooner = due.is_some_and(|due| inner.due.is_none_or(|planned| due < planned));
        inner.due = due;
        if is_sooner {
            self.sooner.notify_one();
        }
    }

    fn now(&self) -> StackInstant {
        StackInstant::from_micros(self.started.elapsed().as_micros() as i64)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self, packet: &[u8], cable: &Cable, now: StackInstant) {
        let mut port = Port { incoming: Some(packet), cable, draft: &mut self.draft };
        self.interface.poll_ingress_single(now, &mut port, &mut self.sockets);
    }
}

/// A connection for which the host connects; dropping it forgets it.
pub(super) struct Beginning {
    stack: Arc<Stack>,
    ends: Ends,
}

impl Beginning {
    /// Answers the function's first segment; gives nothing if the function has called off meanwhile.
    pub(super) async fn accept(self, first: &[u8]) -> Option<Connection> {
        let connection = self.answer(first)?;
        std::future::poll_fn(|context| connection.poll_established(context)).await.then_some(connection)
    }

    fn answer(self, first: &[u8]) -> Option<Connection> {
        let stack = self.stack.clone();
        let mut inner = stack.lock();
        let buffer = || SocketBuffer::new(vec![0; BUFFER_BYTES]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.listen(self.ends.1).ok()?;
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_keep_alive(Some(KEEP_ALIVE));
        let handle = inner.sockets.add(socket);
        inner.take(first, &stack.cable, stack.now());
        if inner.sockets.get::<Socket<'_>>(handle).remote_endpoint() != Some(self.ends.0.into()) {
            inner.sockets.remove(handle);
            return None;
        }
        inner.flows.insert(self.ends, Flow::Open);
        stack.pump_locked(&mut inner);
        Some(Connection { handle, beginning: self })
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        self.stack.lock().flows.remove(&self.ends);
    }
}

/// A connection to the function. Dropping it resets what is still open.
pub(super) struct Connection {
    handle: SocketHandle,
    beginning: Beginning,
}

impl Connection {
    /// Whether the function has reset it.
    pub(super) fn is_reset(&self) -> bool {
        self.with(|socket| matches!(socket.state(), State::Closed | State::Listen))
    }

    /// Waits until the function has all that was sent, and both sides have said that it was all.
    pub(super) async fn closed(&self) {
        std::future::poll_fn(|context| {
            let is_closed = self.with(|socket| {
                listen_for(socket, context.waker());
                matches!(socket.state(), State::Closed | State::Listen | State::TimeWait)
            });
            if is_closed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Whether the connection came about; not if it was called off.
    fn poll_established(&self, context: &Context<'_>) -> Poll<bool> {
        self.with(|socket| match socket.state() {
            State::Closed | State::Listen => Poll::Ready(false),
            State::SynReceived | State::SynSent => {
                listen_for(socket, context.waker());
                Poll::Pending
            }
            _ => Poll::Ready(true),
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Socket<'static>) -> T) -> T {
        work(self.beginning.stack.lock().sockets.get_mut(self.handle))
    }

    /// As [`Connection::with`], and sends what follows from it.
    fn change<T>(&self, work: impl FnOnce(&mut Socket<'static>) -> T) -> T {
        let stack = &self.beginning.stack;
        let mut inner = stack.lock();
        let result = work(inner.sockets.get_mut(self.handle));
        stack.pump_locked(&mut inner);
        result
    }
}

fn listen_for(socket: &mut Socket<'static>, waker: &Waker) {
    socket.register_recv_waker(waker);
    socket.register_send_waker(waker);
}

impl Drop for Connection {
    fn drop(&mut self) {
        let stack = &self.beginning.stack;
        let mut inner = stack.lock();
        let socket: &mut Socket<'_> = inner.sockets.get_mut(self.handle);
        if !matches!(socket.state(), State::TimeWait | State::Closed) {
            socket.abort();
            stack.pump_locked(&mut inner);
        }
        inner.sockets.remove(self.handle);
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let is_readable = self.with(|socket| {
            if !socket.can_recv() && socket.may_recv() {
                socket.register_recv_waker(context.waker());
                return false;
            }
            true
        });
        if !is_readable {
            return Poll::Pending;
        }
        match self.change(|socket| socket.recv_slice(buffer.initialize_unfilled())) {
            Ok(count) => {
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(RecvError::Finished) => Poll::Ready(Ok(())),
            Err(RecvError::InvalidState) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.change(|socket| {
            if socket.may_send() && !socket.can_send() {
                socket.register_send_waker(context.waker());
                return Poll::Pending;
            }
            Poll::Ready(socket.send_slice(bytes).map_err(|_| io::ErrorKind::BrokenPipe.into()))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.change(Socket::close);
        Poll::Ready(Ok(()))
    }
}

/// The cable, as the stack sees it: at most one packet comes in at a time.
struct Port<'p> {
    incoming: Option<&'p [u8]>,
    cable: &'p Cable,
    draft: &'p mut Vec<u8>,
}

struct Incoming<'p>(&'p [u8]);

struct Outgoing<'p> {
    cable: &'p Cable,
    draft: &'p mut Vec<u8>,
}

impl Device for Port<'_> {
    type RxToken<'a>
        = Incoming<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Outgoing<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: StackInstant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        let packet = self.incoming.take()?;
        Some((Incoming(packet), Outgoing { cable: self.cable, draft: self.draft }))
    }

    fn transmit(&mut self, _: StackInstant) -> Option<Outgoing<'_>> {
        Some(Outgoing { cable: self.cable, draft: self.draft })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = SEGMENT_BYTES_MAX;
        // The kernel leaves them to a cable's other end, where no wire can spoil anything.
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.draft.clear();
        self.draft.resize(length, 0);
        let result = fill(self.draft);
        self.cable.send(self.draft);
        result
    }
}
