//! The way outside: only the namespaces driver has one of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use sandbox::{Isolation, Network, StartError};
use serde_json::{Value, json};

use crate::bench::{Bench, event, response};

/// A function that runs what its event brings.
const RUN: &str = "import errno, os, socket\n\
    def attempt(action, *arguments):\n    \
    try:\n        action(*arguments)\n        return 'ok'\n    \
    except OSError as error:\n        return errno.errorcode.get(error.errno, str(error))\n\
    def handler(event, context):\n    \
    scope = {'attempt': attempt, 'socket': socket, 'os': os}\n    \
    exec(event['code'], scope)\n    return scope['result']\n";

async fn run(bench: &Bench, network: Option<Network>, code: &str) -> Value {
    let mut spec = bench.spec("python3.12", "app.handler", bench.code(&[("app.py", RUN)]));
    spec.network = network;
    let environment = bench.start(spec).await;
    response(environment.invoke(event(&json!({ "code": code }).to_string())).await, &bench.lines)
}

/// A server on this host's loopback, which echoes what it hears until its clients have said all.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut said = Vec::new();
                if stream.read_to_end(&mut said).is_ok() {
                    let _ = stream.write_all(&said);
                }
            });
        }
    });
    address
}

pub async fn the_outside_answers_at_its_own_address(isolation: Isolation) {
    let server = echo();
    let bench = Bench::reaching(isolation, &["127.0.0.1".parse().unwrap()], &[]).await;
    let code = format!(
        "client = socket.create_connection(('host.kobel.internal', {port}), 10)\n\
         names = [client.getpeername()[1] == {port}, client.getsockname()[0]]\n\
         sent = os.urandom(3_000_000)\n\
         client.sendall(sent)\n\
         client.shutdown(socket.SHUT_WR)\n\
         heard = b''.join(iter(lambda: client.recv(65536), b''))\n\
         result = names + [heard == sent]",
        port = server.port()
    );
    assert_eq!(run(&bench, None, &code).await, json!([true, "192.0.0.2", true]));
}

pub async fn failures_are_those_of_the_host(isolation: Isolation) {
    let bench = Bench::reaching(isolation, &["127.0.0.1".parse().unwrap()], &[]).await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let code = format!(
        "udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         udp.settimeout(10)\n\
         udp.connect(('192.0.0.1', {closed}))\n\
         udp.send(b'x')\n\
         addresses = [('192.0.0.1', {closed}), ('169.254.169.254', 80), ('10.0.0.1', 80), ('fd00:ec2::254', 80)]\n\
         result = [attempt(udp.recv, 1)] + [attempt(socket.create_connection, address, 10) for address in addresses]"
    );
    let expected = json!(["ECONNREFUSED", "ECONNREFUSED", "EHOSTUNREACH", "EHOSTUNREACH", "EHOSTUNREACH"]);
    assert_eq!(run(&bench, None, &code).await, expected);
}

pub async fn datagrams_and_names_are_answered(isolation: Isolation) {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 65_535];
        while let Ok((count, client)) = server.recv_from(&mut buffer) {
            let _ = server.send_to(&buffer[..count], client);
        }
    });
    let names = UdpSocket::bind("127.0.0.1:0").unwrap();
    let name_server = names.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((count, client)) = names.recv_from(&mut buffer) {
            let question = &buffer[..count];
            let is_v4 = question[count - 4..count - 2] == [0, 1] || question.windows(4).any(|w| w == [0, 1, 0, 1]);
            let mut answer = question.to_vec();
            answer[2] |= 0x80;
            answer.truncate(12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5);
            answer[6..12].copy_from_slice(&[0, u8::from(is_v4), 0, 0, 0, 0]);
            if is_v4 {
                answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 203, 0, 113, 9]);
            }
            let _ = names.send_to(&answer, client);
        }
    });
    let bench = Bench::reaching(isolation, &["127.0.0.1".parse().unwrap()], &[name_server]).await;
    let code = format!(
        "udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         udp.settimeout(10)\n\
         sizes = []\n\
         for size in (0, 1, 1400, 60000):\n    \
         udp.sendto(b'x' * size, ('192.0.0.1', {port}))\n    \
         heard, source = udp.recvfrom(65535)\n    \
         sizes.append([len(heard), source == ('192.0.0.1', {port})])\n\
         result = [sizes, socket.gethostbyname('somewhere.example')]"
    );
    let expected = json!([[[0, true], [1, true], [1400, true], [60000, true]], "203.0.113.9"]);
    assert_eq!(run(&bench, None, &code).await, expected);
}

pub async fn each_environment_reaches_what_it_may(isolation: Isolation) {
    let server = echo();
    let bench = Bench::reaching(isolation, &["127.0.0.1".parse().unwrap()], &[]).await;
    let code = format!(
        "from urllib.parse import urlparse\n\
         endpoint = urlparse(os.environ['AWS_ENDPOINT_URL'])\n\
         result = [attempt(socket.create_connection, (endpoint.hostname, endpoint.port), 10),\n    \
         attempt(socket.create_connection, ('192.0.0.1', {}), 10)]",
        server.port()
    );
    assert_eq!(run(&bench, Some(Network::None), &code).await, json!(["ECONNREFUSED", "ENETUNREACH"]));
    assert_eq!(run(&bench, Some(Network::Kobel), &code).await, json!(["ok", "ENETUNREACH"]));
    assert_eq!(run(&bench, Some(Network::Host), &code).await, json!(["ok", "ok"]));
    assert_eq!(run(&bench, None, &code).await, json!(["ok", "ok"]));
}

/// Of the process driver.
#[tokio::test(flavor = "multi_thread")]
async fn plain_processes_have_the_hosts_network_and_say_so() {
    let bench = Bench::new(Isolation::Process).await;
    let mut spec = bench.spec("python3.12", "app.handler", bench.code(&[("app.py", RUN)]));
    spec.network = Some(Network::Kobel);
    match bench.try_start(spec).await.map(drop) {
        Err(StartError::Engine(error)) => assert!(error.to_string().contains("needs the namespaces driver"), "{error}"),
        other => panic!("{other:?}"),
    }
}
