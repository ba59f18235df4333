//! Asynchronous invocations.

use crate::bench::Bench;
use crate::figure::Figure;
use crate::function::{self, PAYLOAD};
use crate::language;
use crate::load::Load;
use crate::request::Request;
use crate::server::Server;

/// How many functions run at once behind the load: they share the cores with the server.
const RESERVED: usize = 2;
const CLIENTS: usize = 64;

/// Events accepted, each durable before it is, while the function runs for those accepted before.
pub fn measure(bench: &mut Bench) -> Result<(), String> {
    let mut server = Server::serve(&bench.binary, bench.folder())?;
    let mut client = server.connect()?;
    let package = language::PYTHON.package(bench.folder())?;
    function::create(&mut server, &mut client, "event", &language::PYTHON, &package)?;
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
