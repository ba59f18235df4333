//! Messages into one queue.

use serde_json::json;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::load::Load;
use crate::request::Request;
use crate::server::Server;

const CLIENTS: usize = 64;
const MESSAGE_BYTES: usize = 1024;

pub fn measure(bench: &mut Bench) -> Result<(), String> {
    let server = Server::serve(&bench.binary, bench.folder())?;
    let created = server.connect()?.json(&Request::sqs("CreateQueue", &json!({"QueueName": "bench"})))?;
    let url = created["QueueUrl"].as_str().ok_or("CreateQueue returned no URL")?;
    let message = json!({"QueueUrl": url, "MessageBody": "m".repeat(MESSAGE_BYTES)});
    let load = Load {
        port: server.port,
        clients: CLIENTS,
        request: Request::sqs("SendMessage", &message),
        status: 200,
        warm_up: bench.scale.load_warm_up,
        measured: bench.scale.load,
    };
    let outcome = load.run()?;
    let name = format!("SQS SendMessage, 1 KiB, {CLIENTS} clients");
    bench.add(Figure::rate(&name, outcome.per_second, outcome.latencies_us).at_least(8_000.0));
    Ok(())
}
