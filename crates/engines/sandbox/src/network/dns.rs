//! Names: questions of functions go, as they are, to those servers that the host itself asks.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};

use super::policy::NAME_PORT;
use crate::deadline;

/// How long a server has for its answer before the next one is asked.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// How long a server has to take a connection before the next one is tried.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// As resolvers of the C library do.
const SERVERS_MAX: usize = 3;
const CONFIGURATION: &str = "/etc/resolv.conf";
/// The bits of a message's third byte that say what it is for, and that it is an answer.
const OPCODE: u8 = 0xf8;
/// The largest answer over UDP.
const ANSWER_BYTES_MAX: usize = 65_535;
const HEADER_BYTES: usize = 12;

/// Who answers names.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    /// Empty for what the host's configuration says at the time of each question.
    servers: Vec<SocketAddr>,
}

impl Resolver {
    pub(super) fn new(servers: Vec<SocketAddr>) -> Resolver {
        Resolver { servers }
    }

    /// The answer to a question over UDP: that of the first server that gives one, else that the servers failed.
    pub(super) async fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        if question.len() < HEADER_BYTES {
            return None;
        }
        // Names are asked for; nothing is changed by a function, nor told to servers that trust this host.
        if question[2] & OPCODE != 0 {
            return Some(failure(question));
        }
        for server in self.servers() {
            match deadline::within(ANSWER_TIME, ask(server, question)).await {
                Some(Ok(answer)) => return Some(answer),
                Some(Err(error)) => tracing::debug!(%server, %error, "a name server could not be asked"),
                None => tracing::debug!(%server, "a name server did not answer"),
            }
        }
        Some(failure(question))
    }

    /// A connection for questions over TCP.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = io::Error::from(io::ErrorKind::ConnectionRefused);
        for server in self.servers() {
            match deadline::within(CONNECT_TIME, TcpStream::connect(server)).await {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failed = error,
                None => {}
            }
        }
        Err(failed)
    }

    fn servers(&self) -> Vec<SocketAddr> {
        if !self.servers.is_empty() {
            return self.servers.clone();
        }
        configured(&std::fs::read_to_string(CONFIGURATION).unwrap_or_default())
    }
}

/// The servers that `resolv.conf` names; without any, one on this host.
fn configured(text: &str) -> Vec<SocketAddr> {
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = (words.next()? == "nameserver").then(|| words.next())??;
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, NAME_PORT))
    });
    let named: Vec<SocketAddr> = named.take(SERVERS_MAX).collect();
    if named.is_empty() { vec![(Ipv4Addr::LOCALHOST, NAME_PORT).into()] } else { named }
}

async fn ask(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let socket = super::udp::socket_to(server).await?;
    socket.send(question).await?;
    answer_to(&socket, question).await
}

/// Waits for the answer with the question's id.
async fn answer_to(socket: &UdpSocket, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    loop {
        let count = socket.recv(&mut buffer).await?;
        if count >= HEADER_BYTES && buffer[..2] == question[..2] {
            buffer.truncate(count);
            return Ok(buffer);
        }
    }
}

/// The answer of a server that failed (RFC 1035, 4.1.1).
fn failure(question: &[u8]) -> Vec<u8> {
    const IS_ANSWER: u8 = 0x80;
    const CAN_RECURSE: u8 = 0x80;
    const SERVER_FAILURE: u8 = 2;
    let mut answer = question.to_vec();
    answer[2] |= IS_ANSWER;
    answer[3] = CAN_RECURSE | SERVER_FAILURE;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_the_host_are_read() {
        let text = "# comment\nsearch example.org\nnameserver 10.0.0.53\nnameserver 2001:db8::53\n nameserver 9.9.9.9 x\n\
                    nameserver 1.1.1.1\n";
        let expected: Vec<SocketAddr> =
            ["10.0.0.53:53", "[2001:db8::53]:53", "9.9.9.9:53"].map(|text| text.parse().unwrap()).into();
        assert_eq!(configured(text), expected);
        assert_eq!(configured("options ndots:2"), ["127.0.0.1:53".parse().unwrap()]);
    }

    #[tokio::test]
    async fn the_next_server_is_asked_and_failure_is_an_answer() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let closed = silent.local_addr().unwrap();
        drop(silent);
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolver = Resolver::new(vec![closed, server.local_addr().unwrap()]);
        let question = *b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00";
        let serve = async {
            let mut buffer = [0; 512];
            let (count, client) = server.recv_from(&mut buffer).await.unwrap();
            server.send_to(b"\x99\x99 not the answer", client).await.unwrap();
            buffer[2] |= 0x80;
            server.send_to(&buffer[..count], client).await.unwrap();
        };
        let (answer, ()) = tokio::join!(resolver.answer(&question), serve);
        assert_eq!(answer.unwrap()[..3], *b"\x12\x34\x81");

        let answer = Resolver::new(vec![closed]).answer(&question).await.unwrap();
        assert_eq!(answer[..4], *b"\x12\x34\x81\x82");
    }
}
