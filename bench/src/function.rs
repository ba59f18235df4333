//! A function of the measured server: created, invoked, deleted.

use std::time::{Duration, Instant};

use crate::connection::{Answer, Connection};
use crate::language::Language;
use crate::request::Request;
use crate::server::Server;

pub const PAYLOAD: &str = r#"{"key":"value"}"#;
/// How long a function may take until it can be invoked.
const ACTIVE_S_MAX: u64 = 30;

/// One synchronous invocation.
pub struct Invoked {
    /// From sending the request to having the answer.
    pub ms: f64,
    pub request_id: String,
}

/// Creates a function and waits until it is Active.
pub fn create(
    server: &mut Server,
    client: &mut Connection,
    name: &str,
    language: &Language,
    package: &[u8],
) -> Result<(), String> {
    client.expect(&Request::create_function(name, language.runtime, language.handler, package))?;
    wait_active(server, client, name)
}

pub fn wait_active(server: &mut Server, client: &mut Connection, name: &str) -> Result<(), String> {
    let asked = Request::get_configuration(name);
    server.wait_until(ACTIVE_S_MAX, "a function is Active", Duration::from_millis(1), || {
        let configuration = client.json(&asked)?;
        Ok(configuration["State"] == "Active" && configuration["LastUpdateStatus"] == "Successful")
    })
}

/// Fails unless the handler returned its event.
pub fn invoke(client: &mut Connection, name: &str) -> Result<Invoked, String> {
    send(client, &Request::invoke(name, "RequestResponse", PAYLOAD))
}

/// As [`invoke`], with a request that was built before.
pub fn send(client: &mut Connection, invoke: &Request) -> Result<Invoked, String> {
    let begin = Instant::now();
    let answer = client.expect(invoke)?;
    let ms = begin.elapsed().as_secs_f64() * 1_000.0;
    check_echo(&answer)?;
    let request_id = answer.header("x-amzn-requestid").ok_or("an answer has no request id")?.to_owned();
    Ok(Invoked { ms, request_id })
}

fn check_echo(answer: &Answer) -> Result<(), String> {
    let payload = String::from_utf8_lossy(&answer.body);
    let echoed = payload.split_whitespace().collect::<String>() == PAYLOAD;
    if echoed { Ok(()) } else { Err(format!("a handler returned {payload}")) }
}
