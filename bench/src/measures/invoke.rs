//! Invocations: warm, cold, and asynchronous.

use std::time::{Duration, Instant};

use crate::bench::Bench;
use crate::connection::Connection;
use crate::figure::{Figure, Unit};
use crate::language::{self, Language};
use crate::load::Load;
use crate::request::Request;
use crate::server::Server;

const PAYLOAD: &str = r#"{"key":"value"}"#;
/// How long a function may take until it can be invoked.
const ACTIVE_S_MAX: u64 = 30;
/// How many functions run at once behind the asynchronous load: they share the cores with the server.
const RESERVED: usize = 2;
const CLIENTS: usize = 64;

/// One client, one kept connection, one function that is already there.
pub fn warm(bench: &mut Bench) -> Result<(), String> {
    let mut server = Server::serve(&bench.binary, bench.folder())?;
    let mut client = server.connect()?;
    let package = language::PYTHON.package(bench.folder())?;
    create(&mut server, &mut client, "warm", &language::PYTHON, &package)?;
    let invoke = Request::invoke("warm", "RequestResponse", PAYLOAD);
    for _ in 0..bench.scale.warm_ups {
        invoke_once(&mut client, &invoke)?;
    }
    let mut samples = Vec::new();
    for _ in 0..bench.scale.invokes {
        samples.push(invoke_once(&mut client, &invoke)?);
    }
    bench.add(Figure::samples("synchronous invoke, warm, Python, 1 client", Unit::Milliseconds, samples).at_most(1.0));
    Ok(())
}

/// The first invocation of a function that was just created.
pub fn cold(bench: &mut Bench) -> Result<(), String> {
    let mut server = Server::serve(&bench.binary, bench.folder())?;
    let mut client = server.connect()?;
    for language in &language::ALL {
        if !language.is_present() {
            bench.note(format!("cold invoke of {} was not measured: there is no `{}`", language.name, language.needs));
            continue;
        }
        let package = language.package(bench.folder())?;
        let mut samples = Vec::new();
        for start in 0..bench.scale.colds {
            let name = format!("cold-{}-{start}", language.needs);
            create(&mut server, &mut client, &name, language, &package)?;
            samples.push(invoke_once(&mut client, &Request::invoke(&name, "RequestResponse", PAYLOAD))?);
            client.expect(&Request::delete_function(&name))?;
        }
        bench.add(Figure::samples(
            &format!("synchronous invoke, cold, {}", language.name),
            Unit::Milliseconds,
            samples,
        ));
    }
    Ok(())
}

/// Events accepted, each durable before it is, while the function runs for those accepted before.
pub fn asynchronous(bench: &mut Bench) -> Result<(), String> {
    let mut server = Server::serve(&bench.binary, bench.folder())?;
    let mut client = server.connect()?;
    let package = language::PYTHON.package(bench.folder())?;
    create(&mut server, &mut client, "event", &language::PYTHON, &package)?;
    client.expect(&Request::reserve_concurrency("event", RESERVED))?;
    let load = Load {
        port: server.port,
        clients: CLIENTS,
        request: Request::invoke("event", "Event", PAYLOAD),
        status: 202,
        warm_up: bench.scale.load_warm_up,
        measured: bench.scale.load,
    };
    let outcome = load.run()?;
    let name = format!("asynchronous invoke, accepted, {CLIENTS} clients");
    bench.add(Figure::rate(&name, outcome.per_second, outcome.latencies_us).at_least(5_000.0));
    Ok(())
}

fn create(
    server: &mut Server,
    client: &mut Connection,
    name: &str,
    language: &Language,
    package: &[u8],
) -> Result<(), String> {
    client.expect(&Request::create_function(name, language.runtime, language.handler, package))?;
    let asked = Request::get_configuration(name);
    server.wait_until(ACTIVE_S_MAX, "a function is Active", Duration::from_millis(1), || {
        let configuration = client.json(&asked)?;
        Ok(configuration["State"] == "Active" && configuration["LastUpdateStatus"] == "Successful")
    })
}

/// Returns the milliseconds; fails unless the handler returned its event.
fn invoke_once(client: &mut Connection, invoke: &Request) -> Result<f64, String> {
    let begin = Instant::now();
    let answer = client.expect(invoke)?;
    let ms = begin.elapsed().as_secs_f64() * 1_000.0;
    let payload = String::from_utf8_lossy(&answer.body);
    let echoed = payload.split_whitespace().collect::<String>() == PAYLOAD;
    if echoed { Ok(ms) } else { Err(format!("a handler returned {payload}")) }
}
