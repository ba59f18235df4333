//! Invocations that find no idle environment, but one that was started ahead.

use std::thread;
use std::time::Duration;

use crate::bench::Bench;
use crate::connection::Connection;
use crate::figure::{Figure, Unit};
use crate::function;
use crate::journal;
use crate::language::{self, Language};
use crate::request::Request;
use crate::server::Server;

const LANGUAGE: Language = language::PYTHON_HELD;
/// So many invocations put a function in use.
const USES: usize = 3;
/// How long an environment may take that is started ahead.
const STANDS_BY_S_MAX: u64 = 20;
/// What keeps the only environment busy, and how long the measured invocation leaves it to begin.
const HOLD: &str = r#"{"hold_s": 0.3}"#;
const HOLD_BEGINS_AFTER: Duration = Duration::from_millis(100);

pub fn measure(bench: &mut Bench) -> Result<(), String> {
    let mut server = Server::serve(&bench.binary, bench.folder())?;
    let mut client = server.connect()?;
    let package = LANGUAGE.package(bench.folder())?;
    let mut samples = Vec::new();
    for number in 0..bench.scale.colds {
        let name = format!("standby-{number}");
        function::create(&mut server, &mut client, &name, &LANGUAGE, &package)?;
        for _ in 0..USES {
            function::invoke(&mut client, &name)?;
        }
        server.wait_until(STANDS_BY_S_MAX, "an environment stands by", Duration::from_millis(5), || {
            journal::stands_by(&mut client, &name)
        })?;
        let holding = server.connect()?;
        samples.push(second_at_once(&mut client, holding, &name)?);
        client.expect(&Request::delete_function(&name))?;
    }
    let name = format!("cold invoke, {} (standby)", LANGUAGE.name);
    bench.add(Figure::samples(&name, Unit::Milliseconds, samples).at_most(LANGUAGE.cold_ms_max));
    Ok(())
}

/// Invokes a function while its only other environment is busy; gives the milliseconds.
fn second_at_once(client: &mut Connection, mut holding: Connection, name: &str) -> Result<f64, String> {
    thread::scope(|scope| {
        let held = scope.spawn(move || holding.expect(&Request::invoke(name, "RequestResponse", HOLD)).map(drop));
        thread::sleep(HOLD_BEGINS_AFTER);
        let invoked = function::invoke(client, name)?;
        held.join().map_err(|_| "the invocation that holds an environment panicked")??;
        let told = journal::newest(client, 2)?.remove(&invoked.request_id).ok_or("the journal lacks an invocation")?;
        match told.started.as_deref() {
            Some(journal::STANDBY) => Ok(invoked.ms),
            other => Err(format!("an invocation was not served from standby, but by {other:?}")),
        }
    })
}
